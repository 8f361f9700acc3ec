"""ansq's connection with its reading, pairing and closing made safe.

ansq 0.3 brings the commands, the parser and the pairing of answers. Replaced here is what does not survive a network:
a read loop that spins after a reset, waiters that outlive their connection, error frames that are handed back as values
or paired with the wrong command, heartbeats that are told from messages by their body, and one write per command.
"""

import asyncio
import logging
import struct
from collections.abc import Callable

import attr
import structlog
from ansq.tcp.connection import NSQConnection
from ansq.tcp.exceptions import ProtocolError
from ansq.tcp.types import (
    ConnectionFeatures,
    ConnectionOptions,
    ConnectionStatus,
    NSQCommands,
    NSQErrorSchema,
    NSQMessageSchema,
    NSQResponseSchema,
)

from shared.nsq.errors import UNSOLICITED, ConnectionLost, FrameError, NsqError, from_frame

log = structlog.get_logger(__name__)

_READ_BYTES = 16 * 1024
"""ansq's parser copies what is left of its buffer for each frame, so a read is kept small."""
_HIGH_WATER_BYTES = 256 * 1024
"""Writers wait while more than this is on its way to the socket."""
_MAX_FRAME_BYTES = 64 * 2**20
"""No frame is near this (--max-msg-size is 4 MiB): past it, the peer does not speak the protocol."""

# ansq sets up the root logger whenever it makes a logger of its own; given one, it does not.
_LIBRARY_LOG = logging.getLogger("ansq")


@attr.define(frozen=True, auto_attribs=True, kw_only=True)
class Features(ConnectionFeatures):
    """What IDENTIFY asks of nsqd, with the fields that ansq leaves out.

    Attributes:
        output_buffer_size: -1 makes nsqd write each message at once. (`output_buffer_timeout` -1 alone would hold a
            lone message until the next heartbeat: it stops the flushing, not the buffering. Measured with nsqd 1.3.0:
            0.2 ms with size -1, 25 ms with the shortest timeout, 250 ms by default.)
        output_buffer_timeout: Milliseconds that nsqd may hold messages back to send them together; 0: its default.
    """

    output_buffer_size: int = 0
    output_buffer_timeout: int = 0


class TickWriter(asyncio.StreamWriter):
    """Writes what is written during one turn of the event loop with one call, in order."""

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.StreamReaderProtocol,
        reader: asyncio.StreamReader,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(transport, protocol, reader, loop)
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        self._tick_loop = loop
        self._chunks: list[bytes] = []
        self._pending_bytes = 0
        self._ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Takes `data` for this turn's write; after `write_eof` it is dropped."""
        if self._ended:
            return
        if not self._chunks:
            self._tick_loop.call_soon(self.flush)
        self._chunks.append(bytes(data))
        self._pending_bytes += len(data)
        if self._pending_bytes > _HIGH_WATER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hands over to the transport what was taken."""
        if self._chunks:
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._pending_bytes = 0
            if not self.transport.is_closing():
                self.transport.write(data)

    def write_eof(self) -> None:
        """Ends this direction after all that was taken."""
        self.flush()
        self._ended = True
        super().write_eof()

    @property
    def is_full(self) -> bool:
        """Whether so much is on its way to the socket that a writer has to wait."""
        unsent_bytes = self._pending_bytes + self.transport.get_write_buffer_size()
        return unsent_bytes > _HIGH_WATER_BYTES and not self.transport.is_closing()

    async def wait_not_full(self) -> None:
        """Waits for room; who wakes looks again, so that writers do not all rush in at once."""
        while self.is_full:
            self.flush()
            await self.drain()


class Wire(NSQConnection):
    """One TCP connection to one nsqd; it is lost once and never comes back.

    Args:
        host: nsqd's host.
        port: nsqd's TCP port.
        features: What IDENTIFY asks for.
        on_message: Called with each message frame, in the reading task: it must not wait.
        on_unsolicited: Called with each error that answers a command without answers (FIN, REQ, TOUCH).
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        features: Features,
        on_message: Callable[[NSQMessageSchema], None] | None = None,
        on_unsolicited: Callable[[FrameError], None] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            host,
            port,
            connection_options=ConnectionOptions(
                loop=loop, auto_reconnect=False, features=features, logger=_LIBRARY_LOG
            ),
        )
        self._take_message = on_message
        self._take_unsolicited = on_unsolicited
        self.tick_writer: TickWriter | None = None
        self.heard_at = 0.0
        self.lost = asyncio.Event()
        self.loss: ConnectionLost | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was connected and has not been lost."""
        return self.tick_writer is not None and self.loss is None

    @property
    def outstanding(self) -> int:
        """Commands that wait for their answer."""
        return len(self._cmd_waiters)

    async def connect(self) -> bool:
        """Opens the TCP connection and starts reading.

        Raises:
            OSError: It can't be opened.
        """
        reader = asyncio.StreamReader(loop=self._loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
        transport, _ = await self._loop.create_connection(lambda: protocol, self._host, self._port)
        self._reader = reader
        self._writer = self.tick_writer = TickWriter(transport, protocol, reader, self._loop)
        self._writer.write(NSQCommands.MAGIC_V2)
        self._status = ConnectionStatus.CONNECTED
        self.heard_at = self._loop.time()
        self._reader_task = self._loop.create_task(self._read_data_task())
        return True

    def lose(self, loss: ConnectionLost) -> None:
        """Ends the connection at once: waiters fail with `loss`, the socket is closed. Only the first call counts."""
        if self.loss is not None:
            return
        self.loss = loss
        self._status = ConnectionStatus.CLOSED
        waiters = list(self._cmd_waiters)
        self._cmd_waiters.clear()
        for future, _ in waiters:
            if not future.done():
                # One error each: a shared one would collect the tracebacks of all that raise it.
                future.set_exception(ConnectionLost(*loss.args))
        if self.tick_writer is not None:
            self.tick_writer.transport.abort()
        self.lost.set()

    async def wait_ended(self) -> None:
        """Waits until it is lost and reading has ended.

        Raises:
            Exception: What is wrong in this program, had reading died of it.
        """
        await self.lost.wait()
        if self._reader_task is not None:
            await asyncio.wait([self._reader_task])
            self._reader_task.result()

    async def _do_close(
        self, error: Exception | str | None = None, change_status: bool = True, silent: bool = False
    ) -> None:
        self.lose(ConnectionLost(f"{self.id}: {error or 'closed'}"))

    async def _read_data_task(self) -> None:
        assert self._reader is not None  # noqa: S101 - for the type checker: connect() has set it
        reason = "closed by nsqd"
        try:
            while self.loss is None and (data := await self._reader.read(_READ_BYTES)):
                self.heard_at = self._loop.time()
                self._parser.feed(data)
                if not self._is_upgrading:
                    await self._read_buffer()
                self._check_bound()
        except (OSError, ProtocolError, struct.error) as error:
            reason = str(error) or type(error).__name__
        except BaseException as error:
            reason = f"reading died: {error!r}"
            raise
        finally:
            self.lose(ConnectionLost(f"{self.id}: {reason}"))

    def _check_bound(self) -> None:
        if len(self._parser.buffer) > _MAX_FRAME_BYTES:
            raise ProtocolError("a frame without end")

    async def _read_buffer(self) -> None:
        while (frame := self._next_frame()) is not None:
            if isinstance(frame, NSQMessageSchema):
                # First, and by its type: a message's body may well read `_heartbeat_`.
                if self._take_message is not None:
                    self._take_message(frame)
            elif isinstance(frame, NSQErrorSchema):
                self._take_error(from_frame(frame.code, frame.body.decode(errors="replace")))
            elif frame.is_heartbeat:
                await self._pulse()
            else:
                self._answer(frame)

    def _next_frame(self) -> NSQResponseSchema | None:
        try:
            return self._parser.get()
        except ValueError as error:  # an unknown type of frame, an error frame without a text
            raise ProtocolError(str(error)) from error

    def _take_error(self, error: FrameError) -> None:
        if error.code in UNSOLICITED or not self._cmd_waiters:
            if self._take_unsolicited is not None:
                self._take_unsolicited(error)
            else:
                log.warning("nsqd refused", nsqd=self.id, code=error.code, text=error.text)
        else:
            self._answer(error)

    def _answer(self, answer: NSQResponseSchema | NsqError) -> None:
        if not self._cmd_waiters:
            raise ProtocolError(f"an answer to nothing: {answer!r}")
        future, callback = self._cmd_waiters.popleft()
        if future.done():
            return  # whoever asked has given up
        if isinstance(answer, NsqError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
            if callback is not None:
                callback(answer)
