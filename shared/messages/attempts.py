"""Claimed checks: recorder, scheduler → fetcher. What comes of them: fetcher → recorder."""

from uuid import UUID

import msgspec

from shared.messages.parts import Instant, Lane, Message, Question


class ClaimedCheck(Message, frozen=True):
    """One attempt to make, inside its lease and not before `not_before` (times by Postgres's clock)."""

    check_id: UUID
    attempt: int
    run: int
    url: str
    host: str
    question: Question
    lane: Lane
    claimed_at: Instant
    not_before: Instant
    not_after: Instant
    lost: int = 0
    """Attempts of this run that ended without an outcome."""
    deaths: int = 0
    """Parsers that this check has killed in this run."""
    trace: str = ""


class AttemptError(Message, frozen=True):
    """Why there is no count: a stable code, what was seen, and whether another attempt may do better."""

    code: str
    detail: str = ""
    retry: bool = False
    retry_after_s: float | None = None


class Snippet(Message, frozen=True, omit_defaults=False):
    """A match with what stands on either side of it, at most 40 characters each."""

    before: str
    match: str
    after: str


class Counted(Message, frozen=True):
    """A count and what explains it."""

    counts: dict[str, int]
    total: int
    rule_version: int
    snippets: dict[str, tuple[Snippet, ...]] = msgspec.field(default_factory=dict)


class PageFacts(Message, frozen=True):
    """What was learnt of the page, as far as the attempt got."""

    http_status: int | None = None
    final_url: str | None = None
    redirects: tuple[str, ...] = ()
    address: str | None = None
    title: str | None = None
    content_type: str | None = None
    charset: str | None = None
    bytes: int | None = None
    """Size of the body after decompression."""
    timings_ms: dict[str, int] = msgspec.field(default_factory=dict)


class AttemptFinished(Message, frozen=True, tag_field="kind", tag="finished"):
    """The outcome of one attempt: `counted`, or `error`."""

    check_id: UUID
    attempt: int
    run: int
    host: str
    fetcher: str
    started_at: Instant
    finished_at: Instant
    counted: Counted | None = None
    error: AttemptError | None = None
    facts: PageFacts = PageFacts()
    trace: str = ""
    lane: Lane = "interactive"
    """That of the check: recorders write down what persons wait for first."""


class AttemptRef(Message, frozen=True):
    """Names one attempt of one check."""

    check_id: UUID
    attempt: int
    host: str
    at: Instant
    """When it began (started) or was found too late (late), by the fetcher's clock."""


class AttemptsStarted(Message, frozen=True, tag_field="kind", tag="started"):
    """Attempts that are under way and take longer than a moment."""

    fetcher: str
    attempts: tuple[AttemptRef, ...]


class AttemptsLate(Message, frozen=True, tag_field="kind", tag="late"):
    """Attempts that were not begun, as their lease had too little time left: their checks are due at once."""

    fetcher: str
    attempts: tuple[AttemptRef, ...]


class FetcherHere(Message, frozen=True, tag_field="kind", tag="here"):
    """A fetcher says that it is there, every 2 s; with capacity 0, that it leaves."""

    fetcher: str
    version: str
    at: Instant
    capacity: int
    in_flight: int = 0
    finished_last_s: int = 0


Report = AttemptFinished | AttemptsStarted | AttemptsLate | FetcherHere
"""All that fetchers report, a tagged union by `kind`."""
