"""Messages for tests: complete and plausible, each field open to change."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ids import new_id
from shared.messages import (
    AttemptError,
    AttemptFinished,
    AttemptRef,
    ClaimedCheck,
    Counted,
    FetcherHere,
    PageFacts,
    Question,
    SubmitCheck,
)


def now() -> datetime:
    return datetime.now(UTC)


def submit(**fields: Any) -> SubmitCheck:
    host = fields.get("host", "example.org")
    values: dict[str, Any] = {
        "id": new_id(),
        "check_id": new_id(),
        "expires_at": now() + timedelta(seconds=60),
        "url": f"http://{host}/",
        "host": host,
        "question": Question(words=("python",)),
    }
    return SubmitCheck(**values | fields)


def here(**fields: Any) -> FetcherHere:
    values: dict[str, Any] = {"fetcher": "fetcher-1", "version": "1", "at": now(), "capacity": 64}
    return FetcherHere(**values | fields)


def claimed(**fields: Any) -> ClaimedCheck:
    values: dict[str, Any] = {
        "check_id": new_id(),
        "attempt": 1,
        "run": 1,
        "url": "http://example.org/",
        "host": "example.org",
        "question": Question(words=("python",)),
        "lane": "interactive",
        "claimed_at": now(),
        "not_before": now(),
        "not_after": now() + timedelta(seconds=60),
    }
    return ClaimedCheck(**values | fields)


def counted(check: ClaimedCheck, **fields: Any) -> AttemptFinished:
    values = _outcome(check) | {
        "counted": Counted(counts={"python": 3}, total=3, rule_version=1),
        "facts": PageFacts(http_status=200, final_url=check.url, bytes=100, content_type="text/html"),
    }
    return AttemptFinished(**values | fields)


def failed(check: ClaimedCheck, code: str = "connect_failed", *, retry: bool = True, **fields: Any) -> AttemptFinished:
    return AttemptFinished(**_outcome(check) | {"error": AttemptError(code=code, retry=retry)} | fields)


def ref(check: ClaimedCheck, at: datetime | None = None) -> AttemptRef:
    return AttemptRef(check_id=check.check_id, attempt=check.attempt, host=check.host, at=at or now())


def _outcome(check: ClaimedCheck) -> dict[str, Any]:
    return {
        "check_id": check.check_id,
        "attempt": check.attempt,
        "run": check.run,
        "host": check.host,
        "fetcher": "fetcher-1",
        "started_at": now(),
        "finished_at": now(),
    }
