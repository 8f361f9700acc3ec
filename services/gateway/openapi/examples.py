"""Examples of bodies, each made as what it is an example of: of a type, or by what makes the real one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.gateway.batches.views import BatchList, BatchView, LineList, LineView, RetriedView
from services.gateway.stats import (
    ChecksStats,
    DueStats,
    FetcherStats,
    HostStats,
    QueueStats,
    Stats,
    TopicStats,
)
from services.gateway.views import (
    PHASES,
    AttemptList,
    AttemptView,
    CheckList,
    CheckView,
    ErrorView,
    SnippetView,
    VersionView,
)
from shared.errors import error_of
from shared.ids import batch_id
from shared.version import RULE_VERSION, VERSION

_ID: Final = UUID("01a1fdbd-8d7a-7129-ade8-71f848e070aa")
_CREATED: Final = datetime(2026, 1, 31, 12, 0, 0, 602_000, tzinfo=UTC)
_STARTED: Final = datetime(2026, 1, 31, 12, 0, 0, 650_000, tzinfo=UTC)
_FINISHED: Final = datetime(2026, 1, 31, 12, 0, 0, 832_000, tzinfo=UTC)

NEW_CHECK: Final = {"url": "example.org/about", "words": ["python", "open source"], "label": "team page"}
SHORTEST_NEW_CHECK: Final = {"url": "example.org"}

_QUEUED: Final = CheckView(
    id=_ID,
    url="http://example.org/about",
    words=["python", "open source"],
    scope="text",
    whole_word=True,
    case_sensitive=False,
    label="team page",
    batch_id=None,
    line=None,
    status="queued",
    counts=None,
    total=None,
    rule_version=None,
    snippets=None,
    error=None,
    http_status=None,
    final_url=None,
    redirects=[],
    address=None,
    title=None,
    content_type=None,
    charset=None,
    bytes=None,
    attempts=0,
    next_attempt_at=None,
    created_at=_CREATED,
    started_at=None,
    finished_at=None,
    duration_ms=None,
    timings_ms=None,
)
_ENDED: Final[dict[str, Any]] = {
    "attempts": 1,
    "started_at": _STARTED,
    "finished_at": _FINISHED,
    "duration_ms": 182,
    "address": "192.0.2.7",
}
_DONE: Final = msgspec.structs.replace(
    _QUEUED,
    status="done",
    counts={"python": 12, "open source": 3},
    total=15,
    rule_version=RULE_VERSION,
    snippets={"python": [SnippetView("we write ", "Python", " since 2009")], "open source": []},
    http_status=200,
    final_url="https://example.org/about/",
    redirects=["https://example.org/about/"],
    title="About",
    content_type="text/html",
    charset="utf-8",
    bytes=48_211,
    timings_ms=dict(zip(PHASES, (3, 20, 31, 90, 20, 1, 1), strict=True)),
    **_ENDED,
)


def _error(code: str, http_status: int | None = None) -> ErrorView:
    kind = error_of(code)
    return ErrorView(kind.code, kind.sentence, kind.hint_for(http_status))


_FAILED: Final = msgspec.structs.replace(
    _QUEUED,
    status="failed",
    error=_error("http_error", 404),
    http_status=404,
    final_url="http://example.org/about",
    timings_ms=dict(zip(PHASES, (3, 20, None, 90, 20, None, None), strict=True)),
    **_ENDED,
)


def _written(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=())


QUEUED: Final = _written(_QUEUED)
DONE: Final = _written(_DONE)
FAILED: Final = _written(_FAILED)
CANCELLED: Final = _written(msgspec.structs.replace(_QUEUED, status="cancelled", finished_at=_FINISHED))
LIST: Final = _written(CheckList(items=[_DONE], next_cursor=None))
ATTEMPTS: Final = _written(
    AttemptList(
        items=[
            AttemptView(
                run=1,
                attempt=1,
                started_at=None,
                finished_at=_STARTED,
                http_status=None,
                error=_error("lost"),
                fetcher=None,
            ),
            AttemptView(
                run=1,
                attempt=2,
                started_at=_STARTED,
                finished_at=_FINISHED,
                http_status=200,
                error=None,
                fetcher="fetcher-1",
            ),
        ]
    )
)
VERSIONS: Final = _written(VersionView(version=VERSION, api="v1", rule_version=RULE_VERSION))
STATS: Final = _written(
    Stats(
        checks=ChecksStats(
            total=1_003,
            by_status={"queued": 40, "running": 3, "done": 950, "failed": 10, "cancelled": 0},
            finished_last_minute=512,
        ),
        due=DueStats(count=38, oldest_s=0.7),
        queues=QueueStats(topics={"checks": TopicStats(waiting=0, in_flight=3)}, unreached=[]),
        rate_per_s=9,
        fetchers=[
            FetcherStats(id="fetcher-1", version=VERSION, capacity=64, in_flight=3, finished_last_s=9, seen_s_ago=0.4)
        ],
        hosts=[HostStats(host="example.org", queued=40, leased=2, oldest_due_s=0.7, paused_until=None)],
    )
)

NEW_BATCH: Final = {
    "words": ["python", "open source"],
    "label": "member sites",
    "items": [{"url": "example.org/about"}, {"url": "example.net", "words": ["python"]}],
}
NDJSON: Final = '{"url": "example.org/about"}\n{"url": "example.net", "words": ["python"]}\n'
CSV: Final = "url,words\nexample.org/about,\nexample.net,python;open source\n"
TEXT: Final = "example.org/about\nexample.net\n"
_RUNNING_BATCH: Final = BatchView(
    id=batch_id(_ID),
    label="member sites",
    status="running",
    reason=None,
    total=1_000,
    queued=10,
    running=4,
    done=950,
    failed=20,
    cancelled=0,
    duplicates=9,
    invalid=7,
    percent=98.6,
    rate_per_s=210.4,
    eta_s=1,
    created_at=_CREATED,
    finished_at=None,
    errors_by_code={"http_error": 12, "dns_not_found": 8},
    word_totals={"python": 8_812},
)
_FINISHED_BATCH: Final = msgspec.structs.replace(
    _RUNNING_BATCH,
    status="finished",
    queued=0,
    running=0,
    done=964,
    percent=100.0,
    rate_per_s=None,
    eta_s=None,
    finished_at=_FINISHED,
)
RUNNING_BATCH: Final = _written(_RUNNING_BATCH)
FINISHED_BATCH: Final = _written(_FINISHED_BATCH)
BATCHES: Final = _written(BatchList(items=[_FINISHED_BATCH], next_cursor=None))
LINES: Final = _written(
    LineList(
        items=[
            LineView(line=2, text="example.org/about", state="done", reason=None, check_id=_ID, file=None),
            LineView(
                line=3,
                text="http://EXAMPLE.org/about",
                state="duplicate",
                reason="Asks for the same as line 2.",
                check_id=_ID,
                file=None,
            ),
            LineView(
                line=5,
                text="mailto:info@example.org",
                state="invalid",
                reason="The address begins with another scheme than http or https.",
                check_id=None,
                file=None,
            ),
        ],
        next_cursor=None,
    )
)
RETRIED: Final = _written(RetriedView(id=_ID, retried=12, finished=True))
