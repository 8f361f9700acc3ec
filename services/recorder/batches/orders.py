"""What a command about a batch comes to: pure; the batch and the command in, an outcome and what is to be done out."""

from dataclasses import dataclass
from typing import Final, Literal

from shared.messages import CancelBatch, DeleteBatch, PauseBatch, ResumeBatch, RetryBatch

Order = CancelBatch | PauseBatch | ResumeBatch | RetryBatch | DeleteBatch
BatchStatus = Literal["receiving", "running", "paused", "finished", "cancelled", "deleted"]
JobKind = Literal["file", "park", "unpark", "cancel", "retry", "delete", "retry_checks"]
Flip = Literal["give up", "cancel", "pause", "resume", "reopen", "delete"]
"""What changes of the batch at once. To give up is to cancel what is still being received."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """What decides: a row of `batches`."""

    status: BatchStatus
    queued: int = 0
    running: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """An outcome, and what goes with it.

    Attributes:
        outcome: of the command.
        flip: what changes of the batch.
        begin: the job by which its rows follow.
        end: jobs of it that have nothing to do any more.
    """

    outcome: str
    flip: Flip | None = None
    begin: JobKind | None = None
    end: frozenset[JobKind] = frozenset()


NOT_FOUND: Final = Decision("not_found")
NOTHING_TO_DO: Final = Decision("applied")
STILL_RECEIVING: Final = Decision("still_receiving")
ALREADY_FINISHED: Final = Decision("already_finished")
NOT_RETRYABLE: Final = Decision("not_retryable")
ALL_JOBS: Final[frozenset[JobKind]] = frozenset({"file", "park", "unpark", "cancel", "retry"})


def decide(batch: BatchState | None, order: Order) -> Decision:
    """What becomes of a batch (None: there is none) by a command that is not expired and has no outcome yet."""
    if batch is None or batch.status == "deleted":
        return NOT_FOUND
    match order:
        case CancelBatch():
            return _cancel(batch)
        case PauseBatch():
            return _switch(batch, to="paused", done=Decision("applied", "pause", "park", frozenset({"unpark"})))
        case ResumeBatch():
            return _switch(batch, to="running", done=Decision("applied", "resume", "unpark", frozenset({"park"})))
        case RetryBatch():
            return _retry(batch)
        case DeleteBatch():
            return Decision("deleted", "delete", "delete", ALL_JOBS)


def _cancel(batch: BatchState) -> Decision:
    if batch.status == "receiving":
        return Decision("applied", "give up")
    if batch.status == "finished":
        return ALREADY_FINISHED
    if batch.status == "cancelled":  # of which somebody may have asked for a few checks again
        is_open = batch.queued + batch.running > 0
        return Decision("applied", begin="cancel", end=frozenset({"retry"})) if is_open else NOTHING_TO_DO
    return Decision("applied", "cancel", "cancel", ALL_JOBS)


def _switch(batch: BatchState, *, to: BatchStatus, done: Decision) -> Decision:
    if batch.status == "receiving":
        return STILL_RECEIVING
    if batch.status in {"finished", "cancelled"}:
        return ALREADY_FINISHED
    return NOTHING_TO_DO if batch.status == to else done


def _retry(batch: BatchState) -> Decision:
    if batch.status == "receiving":
        return STILL_RECEIVING
    return Decision("applied", "reopen", "retry") if batch.failed else NOT_RETRYABLE
