"""Checks as the API shows them: from a row of the database to what stands in the JSON. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from shared.errors import error_of
from shared.ids import time_of
from shared.messages import FINAL, Scope, Snippet, Status

PHASES: Final = ("dns", "connect", "tls", "first_byte", "download", "parse", "count")
"""The parts of an attempt, in the order in which they happen."""
_LONGEST_DETAIL: Final = 300


class Row(Protocol):
    """A row of the database, or a mapping."""

    def __getitem__(self, name: str, /) -> Any: ...


class ErrorView(msgspec.Struct, frozen=True):
    """Why there is no count."""

    code: str
    message: str
    hint: str


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """A check: each field is always there, and null when it is not known or does not apply."""

    id: UUID
    url: str
    words: list[str]
    scope: Scope
    whole_word: bool
    case_sensitive: bool
    label: str | None
    batch_id: UUID | None
    line: int | None
    status: Status
    counts: dict[str, int] | None
    total: int | None
    rule_version: int | None
    snippets: dict[str, list[Snippet]] | None
    error: ErrorView | None
    http_status: int | None
    final_url: str | None
    redirects: list[str]
    address: str | None
    title: str | None
    content_type: str | None
    charset: str | None
    bytes: int | None
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int | None
    timings_ms: dict[str, int | None] | None

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more by itself."""
        return self.status in FINAL


class CheckList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of checks, and where the next one begins (null: this is the last)."""

    items: list[CheckView]
    next_cursor: str | None


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a check that has ended: how, and who made it (null: nobody has heard of it since)."""

    run: int
    attempt: int
    started_at: datetime | None
    finished_at: datetime
    http_status: int | None
    error: ErrorView | None
    fetcher: str | None


class AttemptList(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts of a check, of all its runs, oldest first."""

    items: list[AttemptView]


def attempt_view(row: Row) -> AttemptView:
    """Makes the view of a row of `queries.ATTEMPTS`."""
    return AttemptView(
        run=row["run"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        http_status=row["http_status"],
        error=_error(row["error_code"], None),
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
        batch_id=None,
        line=None,
        status=row["status"],
        # jsonb has an order of its own; people expect their own words in theirs.
        counts=None if counts is None else {word: counts[word] for word in words if word in counts},
        total=row["total"],
        rule_version=row["rule_version"],
        snippets=None if snippets is None else {word: snippets[word] for word in words if word in snippets},
        error=_error(row["error_code"], row["error_detail"]),
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


class _Decoder:
    """Decodes a jsonb column; SQL's null stays None."""

    def __init__(self, type_: Any) -> None:
        self._decode = msgspec.json.Decoder(type_).decode

    def __call__(self, value: str | None) -> Any:
        return None if value is None else self._decode(value)


_decode_counts = _Decoder(dict[str, int])
_decode_snippets = _Decoder(dict[str, list[Snippet]])
_decode_redirects = _Decoder(list[str])
_decode_timings = _Decoder(dict[str, int])


def _error(code: str | None, detail: str | None) -> ErrorView | None:
    if code is None:
        return None
    kind = error_of(code)
    message = kind.sentence
    if detail:
        shown = detail if len(detail) <= _LONGEST_DETAIL else detail[: _LONGEST_DETAIL - 1] + "…"
        message = f"{message} ({shown})"
    return ErrorView(code, message, kind.hint)


def _duration_ms(started_at: datetime | None, finished_at: datetime | None) -> int | None:
    if started_at is None or finished_at is None:
        return None
    return round((finished_at - started_at).total_seconds() * 1000)


def _in_order(timings: dict[str, int]) -> dict[str, int | None]:
    """All phases, null for one that was not reached or not needed; then those of a newer fetcher."""
    newer = sorted(timings.keys() - set(PHASES))
    return {phase: timings.get(phase) for phase in [*PHASES, *newer]}
