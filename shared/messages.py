"""Every message that crosses NSQ, as JSON.

Schemas only grow: a decoder ignores fields that it does not know, and every new field has a default. Golden files of
each released message are decoded by the tests for ever.
"""

import typing
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

Scope = Literal["text", "source"]
Lane = Literal["interactive", "bulk"]
Status = Literal["queued", "running", "done", "failed", "cancelled"]

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its time zone; one without is refused by the decoders."""

FINAL: frozenset[Status] = frozenset({"done", "failed", "cancelled"})


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all messages share: immutable, fields by name, defaults left out of the JSON."""


class Question(Message, frozen=True):
    """What is to be counted on a page."""

    words: tuple[str, ...]
    scope: Scope = "text"
    whole_word: bool = True
    case_sensitive: bool = False


class Idempotency(Message, frozen=True):
    """The Idempotency-Key of a request, and a digest of its validated body to compare another one with."""

    key: str
    digest: str

    def __repr__(self) -> str:
        """Without the key: whoever has it can ask for what it has made, and logs are read by others."""
        return f"Idempotency(key=…, digest={self.digest!r})"


# --- commands: gateway → recorder -----------------------------------------------------------------------------------


class SubmitCheck(Message, frozen=True, tag_field="kind", tag="submit_check"):
    """Asks for a check. The check that it creates is its outcome."""

    id: UUID
    expires_at: Instant
    check_id: UUID
    url: str
    host: str
    """The host key of `url`: its host, with the port where that is neither 80 nor 443."""
    question: Question
    label: str | None = None
    idempotency: Idempotency | None = None
    trace: str = ""
    """The id by which logs tell the story of one request."""
    run_at: Instant | None = None
    """Not to be fetched before."""


class CancelCheck(Message, frozen=True, tag_field="kind", tag="cancel_check"):
    """Asks that a check be given up. Outcome: `applied` (also if it was before), `not_found`, or `already_finished`."""

    id: UUID
    expires_at: Instant
    check_id: UUID
    trace: str = ""


class RetryCheck(Message, frozen=True, tag_field="kind", tag="retry_check"):
    """Asks for a new run of a failed or cancelled check. Outcome: `applied`, `not_found`, or `not_retryable`."""

    id: UUID
    expires_at: Instant
    check_id: UUID
    trace: str = ""


class DeleteCheck(Message, frozen=True, tag_field="kind", tag="delete_check"):
    """Asks that a check go with its history. Outcome: `deleted`, or `not_found`."""

    id: UUID
    expires_at: Instant
    check_id: UUID
    trace: str = ""


CheckCommand = CancelCheck | RetryCheck | DeleteCheck
"""Commands about a check that is there. What becomes of one is always kept as its outcome, for 24 h."""


class Filter(Message, frozen=True):
    """Which checks are meant: those to which all that is set applies."""

    status: Status | None = None
    host: str | None = None
    """A host key, or `*.` and what it ends with."""
    label: str | None = None
    word: str | None = None
    batch_id: UUID | None = None
    error: str | None = None
    http_status: int | None = None
    url_prefixes: tuple[str, ...] = ()
    """What the URL begins with, one of them."""
    from_id: UUID | None = None
    """The lowest id that is meant."""
    below_id: UUID | None = None
    """The lowest id that is too high."""


class RetryChecks(Message, frozen=True, tag_field="kind", tag="retry_checks"):
    """Asks for a new run of all failed (or cancelled, as `filter.status` says) checks of a filter.

    Outcome: `applied`; the checks follow by and by. What failed later than this was asked for is not meant.
    """

    id: UUID
    expires_at: Instant
    filter: Filter
    trace: str = ""


class OpenBatch(Message, frozen=True, tag_field="kind", tag="open_batch"):
    """Begins a batch, to be filled and closed. Outcome: `applied`."""

    id: UUID
    expires_at: Instant
    batch_id: UUID
    question: Question
    """Of records that have none of their own."""
    label: str | None = None
    trace: str = ""


class Record(Message, frozen=True):
    """One record of an upload: a check that can be made, or the `reason` why not."""

    line: int
    """Where in its file it begins, from 1."""
    text: str
    url: str | None = None
    host: str | None = None
    """The host key of `url`."""
    question: int | None = None
    """Place of its own question in the message; None: it has the batch's."""
    label: str | None = None
    reason: str | None = None


class FillBatch(Message, frozen=True, tag_field="kind", tag="fill_batch"):
    """Adds records to a batch; without any, says that the upload goes on.

    Outcome: `applied`, or `not_receiving`. Chunks of a batch may come in any order, and each more than once.
    """

    id: UUID
    expires_at: Instant
    batch_id: UUID
    number: int
    """0 for the first chunk, and so on."""
    first_seq: int
    """Number of its first record in the whole upload; 1 is the very first."""
    records: tuple[Record, ...] = ()
    questions: tuple[Question, ...] = ()
    file: str | None = None
    """Of a zip, the file that all these records are from."""
    trace: str = ""


class CloseBatch(Message, frozen=True, tag_field="kind", tag="close_batch"):
    """Ends an upload; its checks follow by and by.

    Outcome: `applied`; `repeated` with the batch that this Idempotency-Key has made before, `idempotency_key_reused`;
    `not_receiving`; or `incomplete` where chunks are missing.
    """

    id: UUID
    expires_at: Instant
    batch_id: UUID
    chunks: int
    total: int
    """Records in all of them."""
    idempotency: Idempotency | None = None
    trace: str = ""


class CancelBatch(Message, frozen=True, tag_field="kind", tag="cancel_batch"):
    """Gives a batch up. Outcome: `applied` (also if it was before), `not_found`, or `already_finished`."""

    id: UUID
    expires_at: Instant
    batch_id: UUID
    reason: str | None = None
    """Why, where nobody asked for it."""
    trace: str = ""


class PauseBatch(Message, frozen=True, tag_field="kind", tag="pause_batch"):
    """Asks that nothing of a batch be claimed until it is resumed.

    Outcome: `applied` (also if it is paused), `not_found`, `still_receiving`, or `already_finished`.
    """

    id: UUID
    expires_at: Instant
    batch_id: UUID
    trace: str = ""


class ResumeBatch(Message, frozen=True, tag_field="kind", tag="resume_batch"):
    """Lets a paused batch go on. Outcome: as of PauseBatch."""

    id: UUID
    expires_at: Instant
    batch_id: UUID
    trace: str = ""


class RetryBatch(Message, frozen=True, tag_field="kind", tag="retry_batch"):
    """Asks for a new run of all checks of a batch that have failed.

    Outcome: `applied`, `not_found`, `still_receiving`, or `not_retryable` where none has failed.
    """

    id: UUID
    expires_at: Instant
    batch_id: UUID
    trace: str = ""


class DeleteBatch(Message, frozen=True, tag_field="kind", tag="delete_batch"):
    """Asks that a batch go with all its checks. Outcome: `deleted`, or `not_found`."""

    id: UUID
    expires_at: Instant
    batch_id: UUID
    trace: str = ""


BatchCommand = (
    OpenBatch | FillBatch | CloseBatch | CancelBatch | PauseBatch | ResumeBatch | RetryBatch | DeleteBatch | RetryChecks
)
"""Commands that may touch many rows. What becomes of one is always kept as its outcome, for 24 h."""

LoneCommand = SubmitCheck | CheckCommand
"""Commands about one check."""

Command = LoneCommand | BatchCommand
"""All commands, a tagged union by `kind`."""

BATCH_KINDS: frozenset[str] = frozenset(str(kind.__struct_config__.tag) for kind in typing.get_args(BatchCommand))

COMMAND_KINDS: frozenset[str] = frozenset(str(kind.__struct_config__.tag) for kind in typing.get_args(Command))


# --- checks, checks.bulk: recorder, scheduler → fetcher --------------------------------------------------------------


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


# --- results: fetcher → recorder -------------------------------------------------------------------------------------


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
    snippets: dict[str, tuple[Snippet, ...]] = {}


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
    timings_ms: dict[str, int] = {}


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


# --- recorded#ephemeral: recorder → gateways, schedulers -------------------------------------------------------------


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


# --- clocks#ephemeral: recorder → fetchers ---------------------------------------------------------------------------


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


_encoder = msgspec.json.Encoder()


def encode(message: Message) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def encode_all(messages: Sequence[Message]) -> list[bytes]:
    """Each message as JSON."""
    return [_encoder.encode(message) for message in messages]


class _Kind(msgspec.Struct):
    kind: str


_decode_kind = msgspec.json.Decoder(_Kind).decode


def kind_of(body: bytes) -> str:
    """The kind of an encoded command, without decoding the rest of it.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decode_kind(body).kind


decode_command: Callable[[bytes], Command] = msgspec.json.Decoder(Command).decode
decode_lone_command: Callable[[bytes], LoneCommand] = msgspec.json.Decoder(LoneCommand).decode
decode_batch_command: Callable[[bytes], BatchCommand] = msgspec.json.Decoder(BatchCommand).decode
decode_claimed_check: Callable[[bytes], ClaimedCheck] = msgspec.json.Decoder(ClaimedCheck).decode
decode_report: Callable[[bytes], Report] = msgspec.json.Decoder(Report).decode
decode_recorded: Callable[[bytes], Recorded] = msgspec.json.Decoder(Recorded).decode
decode_clock_readings: Callable[[bytes], ClockReadings] = msgspec.json.Decoder(ClockReadings).decode
