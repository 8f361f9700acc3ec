"""Messages for tests: complete and plausible, each field open to change."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from shared.ids import batch_id, new_id
from shared.messages import (
    AttemptError,
    AttemptFinished,
    AttemptRef,
    BatchCommand,
    ClaimedCheck,
    CloseBatch,
    Counted,
    FetcherHere,
    FillBatch,
    OpenBatch,
    PageFacts,
    Question,
    Record,
    SubmitCheck,
)

AboutBatch = TypeVar("AboutBatch", bound=BatchCommand)


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


def about_batch(kind: type[AboutBatch], **fields: Any) -> AboutBatch:
    """A command of any kind about batches; what it has besides an id and an end is for the caller to say."""
    values: dict[str, Any] = {"id": new_id(), "expires_at": now() + timedelta(minutes=10)}
    return kind(**values | fields)


def open_batch(**fields: Any) -> OpenBatch:
    return about_batch(OpenBatch, **{"batch_id": batch_id(new_id()), "question": Question(words=("python",))} | fields)


def record(line: int = 1, **fields: Any) -> Record:
    """A line with an address of its own."""
    host = fields.get("host", "example.org")
    url = f"http://{host}/{line}"
    return Record(**{"line": line, "text": url, "url": url, "host": host} | fields)


def invalid_record(line: int = 1, reason: str = "Is no address.") -> Record:
    return Record(line=line, text="?", reason=reason)


def uploads(opened: OpenBatch, records: Sequence[Record], *, most: int = 1000) -> list[FillBatch]:
    """The chunks of an upload, in order, of at most so many records each."""
    parts = [records[start : start + most] for start in range(0, len(records), most)]
    return [
        about_batch(FillBatch, batch_id=opened.batch_id, number=n, first_seq=1 + n * most, records=tuple(part))
        for n, part in enumerate(parts)
    ]


def close_batch(opened: OpenBatch, chunks: Sequence[FillBatch], **fields: Any) -> CloseBatch:
    total = sum(len(chunk.records) for chunk in chunks)
    return about_batch(CloseBatch, **{"batch_id": opened.batch_id, "chunks": len(chunks), "total": total} | fields)


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
