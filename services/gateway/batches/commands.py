"""The changes of batches that callers can ask for, each as a command and what its outcome means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.gateway.batches.chunks import Chunk
from services.gateway.commands import EXPIRES_S, require_done
from services.gateway.filters import CheckFilter
from services.gateway.sending import Sender
from services.gateway.uploads.options import Options
from shared import ids, messages
from shared.clock import WallClock
from shared.messages import (
    BatchCommand,
    CancelBatch,
    CloseBatch,
    DeleteBatch,
    FillBatch,
    Idempotency,
    OpenBatch,
    PauseBatch,
    ResumeBatch,
    RetryBatch,
    RetryChecks,
)

_Order = PauseBatch | ResumeBatch | RetryBatch | DeleteBatch

UPLOAD_EXPIRES_S: Final = 600.0
FILL_WITHIN_S: Final = 55.0
"""How long a chunk may take: of a batch that gets none for a minute, the recorder thinks that its upload broke off."""
CLOSE_WITHIN_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Closed:
    """A committed batch.

    Attributes:
        batch_id: its id.
        repeated: whether an earlier upload with the same Idempotency-Key made it.
    """

    batch_id: UUID
    repeated: bool


class BatchCommands:
    """Asks the recorder for changes of batches. Each returns once its change is committed; rows may follow.

    All may raise, besides what they say:
        NotCommitted: no outcome in time.
        Refused: it was decided against.
        TooManyWaiting: there is no room to wait.

    Args:
        sender: sends the commands.
        clock: the time by which they expire.
        new_id: makes ids of commands and batches.
    """

    def __init__(self, sender: Sender, *, clock: WallClock, new_id: Callable[[], UUID]) -> None:
        self._sender = sender
        self._clock = clock
        self._new_id = new_id

    def new_batch_id(self) -> UUID:
        """An id for a batch to be opened."""
        return ids.batch_id(self._new_id())

    async def open(self, batch_id: UUID, options: Options, *, trace: str) -> None:
        """Begins a batch."""
        command = OpenBatch(
            id=self._new_id(),
            expires_at=self._expiry(),
            batch_id=batch_id,
            question=options.defaults.question,
            label=options.label,
            trace=trace,
        )
        await self._see_done(command, batch_id, give_up_s=FILL_WITHIN_S)

    async def fill(self, batch_id: UUID, number: int, chunk: Chunk | None, *, trace: str) -> None:
        """Adds the chunk of this number; None says that the upload goes on, and takes a number, too."""
        chunk = chunk or Chunk(first_seq=1, records=(), questions=(), file=None, size_bytes=0)
        command = FillBatch(
            id=self._new_id(),
            expires_at=self._expiry(UPLOAD_EXPIRES_S),
            batch_id=batch_id,
            number=number,
            first_seq=chunk.first_seq,
            records=chunk.records,
            questions=chunk.questions,
            file=chunk.file,
            trace=trace,
        )
        await self._see_done(command, batch_id, give_up_s=FILL_WITHIN_S)

    async def close(
        self, batch_id: UUID, *, chunks: int, total: int, idempotency: Idempotency | None, trace: str
    ) -> Closed:
        """Ends an upload, or finds the batch that this Idempotency-Key has made before; ours is gone then."""
        command = CloseBatch(
            id=self._new_id(),
            expires_at=self._expiry(UPLOAD_EXPIRES_S),
            batch_id=batch_id,
            chunks=chunks,
            total=total,
            idempotency=idempotency,
            trace=trace,
        )
        outcome = await self._sender.send(command, give_up_s=CLOSE_WITHIN_S)
        if outcome is not None and outcome.outcome == "repeated" and outcome.batch_id is not None:
            return Closed(outcome.batch_id, repeated=True)
        require_done(outcome, batch_id=batch_id)
        return Closed(batch_id, repeated=False)

    async def cancel(self, batch_id: UUID, *, reason: str | None = None, trace: str) -> None:
        """Gives a batch up; `reason` says why, where nobody asked for it."""
        expires_at = self._expiry()
        command = CancelBatch(id=self._new_id(), expires_at=expires_at, batch_id=batch_id, reason=reason, trace=trace)
        await self._see_done(command, batch_id)

    async def pause(self, batch_id: UUID, *, trace: str) -> None:
        """Lets nothing of a batch begin."""
        await self._order(PauseBatch, batch_id, trace)

    async def resume(self, batch_id: UUID, *, trace: str) -> None:
        """Lets it go on."""
        await self._order(ResumeBatch, batch_id, trace)

    async def retry(self, batch_id: UUID, *, trace: str) -> None:
        """Begins a new run of its failed checks."""
        await self._order(RetryBatch, batch_id, trace)

    async def delete(self, batch_id: UUID, *, trace: str) -> None:
        """Removes a batch with its checks."""
        await self._order(DeleteBatch, batch_id, trace)

    async def retry_checks(self, wanted: CheckFilter, *, trace: str) -> UUID:
        """Begins a new run of all failed or cancelled checks of a filter; returns the name of that."""
        which = messages.Filter(**{name: getattr(wanted, name) for name in messages.Filter.__struct_fields__})
        command = RetryChecks(id=self._new_id(), expires_at=self._expiry(), filter=which, trace=trace)
        await self._see_done(command, None)
        return command.id

    async def _order(self, kind: type[_Order], batch_id: UUID, trace: str) -> None:
        command = kind(id=self._new_id(), expires_at=self._expiry(), batch_id=batch_id, trace=trace)
        await self._see_done(command, batch_id)

    async def _see_done(self, command: BatchCommand, batch_id: UUID | None, *, give_up_s: float | None = None) -> None:
        require_done(await self._sender.send(command, give_up_s=give_up_s), batch_id=batch_id)

    def _expiry(self, within_s: float = EXPIRES_S) -> datetime:
        return self._clock() + timedelta(seconds=within_s)
