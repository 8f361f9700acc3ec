"""Checks as the API shows them: from a row of the database to what stands in the JSON. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

import msgspec
from msgspec import Meta

from shared.errors import error_of
from shared.ids import batch_of, time_of
from shared.messages import FINAL, Question, Scope, Status

PHASES: Final = ("dns", "connect", "tls", "first_byte", "download", "parse", "count")
"""The parts of an attempt, in the order in which they happen."""
_LONGEST_DETAIL: Final = 300


class Row(Protocol):
    """A row of the database, or a mapping."""

    def __getitem__(self, name: str, /) -> Any: ...


Count = Annotated[int, Meta(ge=0)]
Time = Annotated[datetime, Meta(tz=True)]


class ErrorView(msgspec.Struct, frozen=True):
    """Why there is no count."""

    code: Annotated[
        str,
        Meta(
            description="Stable name, for programs. A newer fetcher may write one that is not known yet.",
            examples=["http_error", "dns_not_found"],
        ),
    ]
    message: Annotated[str, Meta(description="What happened, in words.")]
    hint: Annotated[str, Meta(description="What can be done about it.")]


class SnippetView(msgspec.Struct, frozen=True):
    """A match, with what stands around it."""

    before: Annotated[str, Meta(description="What comes before it, 40 characters at most.")]
    match: Annotated[str, Meta(description="What was counted, as it stands on the page.")]
    after: Annotated[str, Meta(description="What follows, 40 characters at most.")]


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """A check. Each field is always there; null means not known, or that it does not apply, and never 0."""

    id: Annotated[UUID, Meta(description="UUIDv7: ids sort by the time of creation.")]
    url: Annotated[str, Meta(description="Address of the page in its normal form.")]
    words: Annotated[list[str], Meta(description="What was asked for, each word once.")]
    scope: Annotated[Scope, Meta(description="Where it was looked for: in what a reader sees, or in the source.")]
    whole_word: bool
    case_sensitive: bool
    label: Annotated[str | None, Meta(description="The caller's own name for the check.")]
    batch_id: Annotated[UUID | None, Meta(description="The batch that it is of; null for a check asked for alone.")]
    line: Annotated[int | None, Meta(description="Its line in the batch, from 1.")]
    status: Annotated[
        Status,
        Meta(
            description=(
                "`queued` (also between two attempts) and `running` change by themselves; `done`, `failed` and "
                "`cancelled` are final. Only `done` has counts, only `failed` has an error."
            )
        ),
    ]
    counts: Annotated[
        dict[str, Count] | None,
        Meta(description="Times that each word was found, by word. Null until it is done: no count is never 0."),
    ]
    total: Annotated[Count | None, Meta(description="The sum of all counts.")]
    rule_version: Annotated[int | None, Meta(description="Version of the rule that it was counted by.")]
    snippets: Annotated[
        dict[str, list[SnippetView]] | None, Meta(description="The first matches of each word, three at most.")
    ]
    error: Annotated[ErrorView | None, Meta(description="Why there is no count; of failed checks alone.")]
    http_status: Annotated[int | None, Meta(description="Status of the last answer that the page's server gave.")]
    final_url: Annotated[str | None, Meta(description="Where the redirects ended.")]
    redirects: Annotated[list[str], Meta(description="Each address that was redirected to, in order.")]
    address: Annotated[str | None, Meta(description="IP address that was connected to.")]
    title: Annotated[str | None, Meta(description="Title of the page.")]
    content_type: Annotated[str | None, Meta(description="Media type of the page.")]
    charset: Annotated[str | None, Meta(description="Encoding that it was read in.")]
    bytes: Annotated[Count | None, Meta(description="Size of the page, decompressed.")]
    attempts: Annotated[
        Count,
        Meta(description="Attempts since it was asked for or retried that had an outcome. Lost ones do not count."),
    ]
    next_attempt_at: Annotated[
        Time | None, Meta(description="When it is tried again at the earliest, after an attempt that failed.")
    ]
    created_at: Annotated[Time, Meta(description="When it was asked for, to the millisecond.")]
    started_at: Annotated[Time | None, Meta(description="When the attempt that decided began.")]
    finished_at: Annotated[Time | None, Meta(description="When that ended, or the check was cancelled.")]
    duration_ms: Annotated[int | None, Meta(description="Milliseconds between the two.")]
    timings_ms: Annotated[
        dict[str, Count | None] | None,
        Meta(
            description=(
                "Milliseconds that the parts of the attempt took; null for one that was not reached or needed. Newer "
                "fetchers may tell of more parts."
            ),
            examples=[dict(zip(PHASES, (3, 20, 31, 90, 20, 1, 1), strict=True))],
        ),
    ]

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more by itself."""
        return self.status in FINAL


class CheckList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list of checks."""

    items: Annotated[list[CheckView], Meta(description="Newest first.")]
    next_cursor: Annotated[str | None, Meta(description="Where the next page begins; null: this is the last one.")]


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a check that has ended."""

    run: Annotated[int, Meta(ge=1, description="1 for what follows the request, one more for each retry by a person.")]
    attempt: Annotated[int, Meta(ge=1, description="Its number, which never repeats over all runs.")]
    started_at: Annotated[Time | None, Meta(description="Null: nobody knows.")]
    finished_at: Time
    http_status: int | None
    error: Annotated[
        ErrorView | None,
        Meta(description="Null: it counted. The code is `lost` where an attempt ended without any outcome."),
    ]
    fetcher: Annotated[str | None, Meta(description="Who made it; null: nobody has heard of it since.")]


class AttemptList(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts of a check."""

    items: Annotated[list[AttemptView], Meta(description="Those of all runs, oldest first.")]


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """What runs here."""

    version: Annotated[str, Meta(description="Of wordwatch.", examples=["0.1.0"])]
    api: Annotated[str, Meta(description="Of the API; its addresses begin with it.", examples=["v1"])]
    rule_version: Annotated[int, Meta(ge=1, description="Of the rule that is counted by.")]


def attempt_view(row: Row) -> AttemptView:
    """Makes the view of a row of `queries.ATTEMPTS`."""
    return AttemptView(
        run=row["run"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        http_status=row["http_status"],
        error=_error(row["error_code"], None, row["http_status"]),
        fetcher=row["fetcher"],
    )


def check_view(row: Row) -> CheckView:
    """Makes the view of a row of `queries.CHECK`, whose jsonb columns are text."""
    words: list[str] = list(row["words"])
    counts = _decode_counts(row["counts"])
    snippets = _decode_snippets(row["snippets"])
    timings = _decode_timings(row["timings_ms"])
    return CheckView(
        id=row["id"],
        url=row["url"],
        words=words,
        scope=row["scope"],
        whole_word=row["whole_word"],
        case_sensitive=row["case_sensitive"],
        label=row["label"],
        batch_id=batch_of(row["id"]) if row["bulk"] else None,
        line=row["line"],
        status=row["status"],
        # jsonb has an order of its own; people expect their own words in theirs.
        counts=None if counts is None else {word: counts[word] for word in words if word in counts},
        total=row["total"],
        rule_version=row["rule_version"],
        snippets=None if snippets is None else {word: snippets[word] for word in words if word in snippets},
        error=_error(row["error_code"], row["error_detail"], row["http_status"]),
        http_status=row["http_status"],
        final_url=row["final_url"],
        redirects=_decode_redirects(row["redirects"]) or [],
        address=row["address"],
        title=row["title"],
        content_type=row["content_type"],
        charset=row["charset"],
        bytes=row["bytes"],
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        created_at=time_of(row["id"]),
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        duration_ms=_duration_ms(row["started_at"], row["finished_at"]),
        timings_ms=None if timings is None else _in_order(timings),
    )


_NOT_YET: Final = dict.fromkeys(
    [
        *("batch_id", "line", "counts", "total", "rule_version", "snippets", "error", "http_status", "final_url"),
        *("address", "title", "content_type", "charset", "bytes", "next_attempt_at", "started_at", "finished_at"),
        *("duration_ms", "timings_ms"),
    ]
)


def new_check_view(check_id: UUID, *, url: str, question: Question, label: str | None) -> CheckView:
    """The view of a check, due at once, as the commit left it that made it: its row need not be read for that."""
    return CheckView(
        id=check_id,
        url=url,
        words=list(question.words),
        scope=question.scope,
        whole_word=question.whole_word,
        case_sensitive=question.case_sensitive,
        label=label,
        status="queued",
        redirects=[],
        attempts=0,
        created_at=time_of(check_id),
        **_NOT_YET,
    )


class _Decoder:
    """Decodes a jsonb column; SQL's null stays None."""

    def __init__(self, type_: Any) -> None:
        self._decode = msgspec.json.Decoder(type_).decode

    def __call__(self, value: str | None) -> Any:
        return None if value is None else self._decode(value)


_decode_counts = _Decoder(dict[str, int])
_decode_snippets = _Decoder(dict[str, list[SnippetView]])
_decode_redirects = _Decoder(list[str])
_decode_timings = _Decoder(dict[str, int])


def _error(code: str | None, detail: str | None, http_status: int | None) -> ErrorView | None:
    if code is None:
        return None
    kind = error_of(code)
    message = kind.sentence
    if detail:
        shown = detail if len(detail) <= _LONGEST_DETAIL else detail[: _LONGEST_DETAIL - 1] + "…"
        message = f"{message} ({shown})"
    return ErrorView(code, message, kind.hint_for(http_status))


def _duration_ms(started_at: datetime | None, finished_at: datetime | None) -> int | None:
    if started_at is None or finished_at is None:
        return None
    return round((finished_at - started_at).total_seconds() * 1000)


def _in_order(timings: dict[str, int]) -> dict[str, int | None]:
    """All phases, null for one that was not reached or not needed; then those of a newer fetcher."""
    newer = sorted(timings.keys() - set(PHASES))
    return {phase: timings.get(phase) for phase in [*PHASES, *newer]}
