"""Commands: gateway → recorder."""

import typing
from uuid import UUID

from shared.messages.parts import Idempotency, Instant, Message, Question, Status


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
