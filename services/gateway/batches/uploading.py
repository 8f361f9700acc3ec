"""One upload on its way to the recorder: chunks within a window, signs of life, and the close.

Whatever goes wrong on the way, the batch is given up with a reason that says how far it got; what came is still shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from services.gateway.batches.chunks import Chunk, Digest, Packer
from services.gateway.batches.commands import BatchCommands, Closed
from services.gateway.batches.sources import nothing_in_it
from services.gateway.uploads.options import Options
from services.gateway.uploads.records import ReadRecord
from shared.messages import Idempotency

WINDOW_CHUNKS: Final = 8
WINDOW_BYTES: Final = 2 * 2**20
"""What may be sent and not recorded yet; one chunk always may."""
SHOW_AFTER_S: Final = 2.0
"""How long records may wait for their chunk to fill: of a slow upload one sees how far it is."""
ALIVE_EVERY_S: Final = 15.0


class Upload:
    """One upload.

    Attributes:
        batch_id: the batch that it makes.

    Args:
        commands: takes the chunks to the recorder.
        options: of the batch.
        trace: of the request.
        show_after_s, alive_every_s: see the constants.
    """

    def __init__(
        self,
        commands: BatchCommands,
        options: Options,
        *,
        trace: str,
        show_after_s: float = SHOW_AFTER_S,
        alive_every_s: float = ALIVE_EVERY_S,
    ) -> None:
        self.batch_id: UUID = commands.new_batch_id()
        self._commands = commands
        self._options = options
        self._trace = trace
        self._show_after_s = show_after_s
        self._alive_every_s = alive_every_s
        self._packer = Packer()
        self._digest = Digest(options)
        self._chunks = 0
        self._sent_at_s = 0.0
        self._window = _Window()
        self._opening = asyncio.Lock()
        self._begun = False
        self._open = False
        self._closing = False
        self._ended = asyncio.Event()

    @property
    def to_give_up(self) -> bool:
        """Whether a batch is there, or may be, that nobody has asked to close."""
        return self._begun and not self._closing

    @property
    def lines(self) -> int:
        """How many lines have come."""
        return self._packer.total

    async def take(self, records: AsyncIterator[Sequence[ReadRecord]], *, key: str | None) -> Closed:
        """Sends all records and closes the batch.

        Raises:
            Problem: `empty_batch`: there is no record, and so no batch; or what reading the records raises.
            NotCommitted, Refused, TooManyWaiting: see BatchCommands.
        """
        with _one_error():
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_alive(group))
                async for some in records:
                    for record in some:
                        await self._add(record, group)
                await self._send(self._packer.cut(), group)
                self._ended.set()
        if not self._packer.total:
            raise nothing_in_it()
        self._closing = True
        idempotency = None if key is None else Idempotency(key=key, digest=self._digest.hex())
        return await self._commands.close(
            self.batch_id, chunks=self._chunks, total=self._packer.total, idempotency=idempotency, trace=self._trace
        )

    async def _add(self, record: ReadRecord, group: asyncio.TaskGroup) -> None:
        self._digest.add(record)
        chunk = self._packer.add(record)
        if chunk is not None:
            await self._send(chunk, group)

    async def _keep_alive(self, group: asyncio.TaskGroup) -> None:
        """Sends what has waited for company, and signs of life where there is nothing."""
        loop = asyncio.get_running_loop()
        while not await self._has_ended(self._show_after_s):
            chunk = self._packer.cut()
            await self._send(chunk, group)
            if chunk is None and self._open and loop.time() - self._sent_at_s >= self._alive_every_s:
                await self._send_numbered(None, group)

    async def _has_ended(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                return await self._ended.wait()
        except TimeoutError:
            return False

    async def _send(self, chunk: Chunk | None, group: asyncio.TaskGroup) -> None:
        if chunk is not None:
            await self._send_numbered(chunk, group)

    async def _send_numbered(self, chunk: Chunk | None, group: asyncio.TaskGroup) -> None:
        number = self._chunks
        self._chunks += 1
        await self._see_open()
        size_bytes = 0 if chunk is None else chunk.size_bytes
        await self._window.enter(size_bytes)
        self._sent_at_s = asyncio.get_running_loop().time()
        group.create_task(self._fill(number, chunk, size_bytes))

    async def _see_open(self) -> None:
        async with self._opening:
            if not self._open:
                self._begun = True
                await self._commands.open(self.batch_id, self._options, trace=self._trace)
                self._open = True

    async def _fill(self, number: int, chunk: Chunk | None, size_bytes: int) -> None:
        await self._commands.fill(self.batch_id, number, chunk, trace=self._trace)
        await self._window.leave(size_bytes)


class _Window:
    """Bounds what is under way, in number and bytes."""

    def __init__(self) -> None:
        self._chunks = 0
        self._bytes = 0
        self._left = asyncio.Condition()

    async def enter(self, size_bytes: int) -> None:
        """Waits until there is room, and takes it."""
        async with self._left:
            await self._left.wait_for(lambda: self._has_room(size_bytes))
            self._chunks += 1
            self._bytes += size_bytes

    def _has_room(self, size_bytes: int) -> bool:
        return not self._chunks or (self._chunks < WINDOW_CHUNKS and self._bytes + size_bytes <= WINDOW_BYTES)

    async def leave(self, size_bytes: int) -> None:
        """Gives room back."""
        async with self._left:
            self._chunks -= 1
            self._bytes -= size_bytes
            self._left.notify_all()


@contextmanager
def _one_error() -> Iterator[None]:
    """Of what a task group raises, the first: it is what made the others end."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
