"""What a commit tells those who may want to know: recorder → gateways, schedulers, fetchers. Any of it may get lost."""

from uuid import UUID

from shared.messages.parts import Instant, Message, Status


class ChangedCheck(Message, frozen=True):
    """A check and the state that a commit left it in."""

    id: UUID
    status: Status


OUTCOMES: frozenset[str] = frozenset(
    {
        *("applied", "deleted", "repeated", "expired", "refused"),
        *("idempotency_key_reused", "not_found", "already_finished", "not_retryable"),
        *("still_receiving", "not_receiving", "incomplete"),
    }
)
"""What a command may come to in this release; a newer recorder may know more."""


class CommandOutcome(Message, frozen=True):
    """What became of a command: `applied` or `deleted`, or the code of why not."""

    id: UUID
    outcome: str
    check_id: UUID | None = None
    batch_id: UUID | None = None


class Recorded(Message, frozen=True):
    """A hint, one per commit: what it changed. It may get lost, so that nobody relies on it."""

    checks: tuple[ChangedCheck, ...] = ()
    outcomes: tuple[CommandOutcome, ...] = ()
    deleted: tuple[UUID, ...] = ()
    """Checks that are gone."""


class ClockReading(Message, frozen=True):
    """A fetcher's sign of life and Postgres's clock, one after the other: so a fetcher knows how far off its own is."""

    fetcher: str
    said_at: Instant
    """The `at` of the FetcherHere that this answers, by the fetcher's clock."""
    database_at: Instant
    """Postgres's clock between that message and this one."""


class ClockReadings(Message, frozen=True):
    """Answers to the signs of life of one commit. They may get lost: two seconds later there are new ones."""

    readings: tuple[ClockReading, ...]
