"""One connection to one nsqd, with a deadline on everything and an end that is noticed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ansq.tcp.exceptions import ConnectionClosedError, ProtocolError
from ansq.tcp.types import NSQCommands, NSQErrorSchema, NSQMessageSchema, NSQResponseSchema

from shared.nsq.errors import BadBody, BadMessage, ConnectionLost, FrameError, OperationTimeout
from shared.nsq.names import check_channel, check_topic
from shared.nsq.wire import Features, Wire

MISSED_BEATS = 2
_SECOND_LOOK = 0.1
"""Part of a beat that a silent peer is given besides: after a stall of this process, what it sent is read first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """How to behave towards nsqd.

    Attributes:
        client_name: How nsqadmin shows this client.
        heartbeat_s: How often nsqd sends a heartbeat, 1 to 60; a peer silent for two of them is given up.
        msg_timeout_s: nsqd delivers a message anew when it is not touched for so long; None: nsqd's own default.
        hold_s: How long nsqd may hold messages back to send them together, 0.001 to 30; 0: not at all.
        connect_timeout_s: Deadline of opening, IDENTIFY included.
        operation_timeout_s: Deadline of each operation that is not given one.
    """

    client_name: str = "wordwatch"
    heartbeat_s: float = 5.0
    msg_timeout_s: float | None = None
    hold_s: float = 0.0
    connect_timeout_s: float = 5.0
    operation_timeout_s: float = 5.0

    def features(self) -> Features:
        """The body of IDENTIFY."""
        return Features(
            client_id=self.client_name,
            user_agent=self.client_name,
            heartbeat_interval=round(self.heartbeat_s * 1000),
            msg_timeout=round((self.msg_timeout_s or 0) * 1000),
            output_buffer_size=0 if self.hold_s else -1,
            output_buffer_timeout=round(self.hold_s * 1000),
        )


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What nsqd answered to IDENTIFY."""

    version: str
    max_rdy: int
    msg_timeout_s: float
    max_msg_timeout_s: float


def split_address(address: str) -> tuple[str, int]:
    """Splits `host:port`, also `[::1]:4150`.

    Raises:
        ValueError: It is not of that form.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise ValueError(f"{address!r} is not host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


class Connection:
    """One connection: connected once, lost once. Not for publishing and consuming at the same time.

    Args:
        address: nsqd's TCP `host:port`.
        options: See there.
        on_message: Called with each message as it is read; it must not wait.
        on_unsolicited: Called with E_FIN_FAILED, E_REQ_FAILED and E_TOUCH_FAILED.
    """

    def __init__(
        self,
        address: str,
        options: ConnectionOptions,
        *,
        on_message: Callable[[NSQMessageSchema], None] | None = None,
        on_unsolicited: Callable[[FrameError], None] | None = None,
    ) -> None:
        self.address = address
        self.options = options
        self.negotiated = Negotiated(version="", max_rdy=0, msg_timeout_s=0.0, max_msg_timeout_s=0.0)
        self.doubtful = False
        """Whether its nsqd has let a command time out and has acknowledged none since."""
        host, port = split_address(address)
        self._wire = Wire(host, port, features=options.features(), on_message=on_message, on_unsolicited=on_unsolicited)
        self._loop = asyncio.get_running_loop()
        self._watchdog: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._wire.is_open

    @property
    def outstanding(self) -> int:
        """Commands sent that are not acknowledged."""
        return self._wire.outstanding

    @property
    def loss(self) -> ConnectionLost | None:
        """Why it was lost, or None."""
        return self._wire.loss

    @property
    def write_is_stuck(self) -> bool:
        """Whether something written before this turn of the event loop has not even reached the socket."""
        writer = self._wire.tick_writer
        return writer is None or writer.transport.get_write_buffer_size() > 0

    async def wait_lost(self) -> None:
        """Waits until it is lost, for whatever reason."""
        await self._wire.lost.wait()

    async def wait_ended(self) -> None:
        """As `wait_lost`, and raises what is wrong in this program had reading died of it."""
        await self._wire.wait_ended()

    async def connect(self) -> None:
        """Opens it and introduces itself.

        Raises:
            ConnectionLost: Refused, or closed on the way.
            OperationTimeout: Not within `connect_timeout_s`.
            FrameError: nsqd refuses what IDENTIFY asks for.
        """
        try:
            async with self._deadline("connect", self.options.connect_timeout_s):
                await self._wire.connect()
                self._take_identity(await self._wire.identify())
        except OSError as error:
            self.abort(f"can't connect: {error}")
            raise ConnectionLost(f"{self.address}: can't connect: {error}") from error
        except ProtocolError as error:
            self.abort(str(error))
            raise ConnectionLost(f"{self.address}: {error}") from error
        except BaseException:
            self.abort("connecting was given up")
            raise
        self._look()

    def _take_identity(self, answer: Any) -> None:
        if not isinstance(answer, NSQResponseSchema) or isinstance(answer, NSQErrorSchema):
            raise ConnectionLost(f"{self.address}: no answer to IDENTIFY")
        identity = json.loads(answer.body)
        self.negotiated = Negotiated(
            version=identity["version"],
            max_rdy=identity["max_rdy_count"],
            msg_timeout_s=identity["msg_timeout"] / 1000,
            max_msg_timeout_s=identity["max_msg_timeout"] / 1000,
        )

    def _look(self, second: bool = False) -> None:
        if not self._wire.is_open:
            return
        beat_s = self.options.heartbeat_s
        left_s = self._wire.heard_at + MISSED_BEATS * beat_s - self._loop.time()
        if left_s > 0:
            self._watchdog = self._loop.call_later(left_s, self._look)
        elif not second:
            self._watchdog = self._loop.call_later(_SECOND_LOOK * beat_s, self._look, True)
        else:
            self.abort(f"silent for {MISSED_BEATS} heartbeats of {beat_s:g} s")

    @asynccontextmanager
    async def _deadline(self, what: str, timeout_s: float | None) -> AsyncIterator[None]:
        limit_s = self.options.operation_timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError as error:
            raise OperationTimeout(f"{self.address}: {what}: nothing within {limit_s:g} s") from error

    async def _command(self, name: bytes, *args: str, data: Any = None, timeout_s: float | None = None) -> None:
        if (loss := self._wire.loss) is not None:
            raise ConnectionLost(*loss.args)
        writer = self._wire.tick_writer
        if writer is None:
            raise ConnectionLost(f"{self.address}: not connected")
        limit_s = self.options.operation_timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s):
                if writer.is_full:
                    await writer.wait_not_full()
                await self._wire.execute(name, *args, data=data)
        except TimeoutError as error:
            self.doubtful = True
            raise OperationTimeout(f"{self.address}: {name.decode()}: no answer in {limit_s:g} s") from error
        except (OSError, ConnectionClosedError) as error:
            raise ConnectionLost(f"{self.address}: {error}") from error
        self.doubtful = False

    async def pub(self, topic: str, body: bytes, *, timeout_s: float | None = None) -> None:
        """Publishes one message; returns when nsqd has it.

        Raises:
            BadTopic: Not a topic's name; nothing was sent.
            BadMessage: Empty (nothing was sent), or larger than nsqd takes (which ends the connection).
            FrameError: nsqd refused it, which ends the connection.
            ConnectionLost, OperationTimeout: It may or may not have been published.
        """
        check_topic(topic)
        if not body:
            raise BadMessage("E_BAD_MESSAGE", "a message can't be empty")
        await self._command(NSQCommands.PUB, topic, data=body, timeout_s=timeout_s)

    async def mpub(self, topic: str, bodies: Sequence[bytes], *, timeout_s: float | None = None) -> None:
        """Publishes messages together, in order. Not atomic: when it fails, some may have been published.

        Raises:
            BadTopic, BadMessage, BadBody, FrameError, ConnectionLost, OperationTimeout: As `pub`.
        """
        check_topic(topic)
        if not bodies:
            raise BadBody("E_BAD_BODY", "an MPUB can't be empty")
        if not all(bodies):
            raise BadMessage("E_BAD_MESSAGE", "a message can't be empty")
        await self._command(NSQCommands.MPUB, topic, data=list(bodies), timeout_s=timeout_s)

    async def subscribe(self, topic: str, channel: str) -> None:
        """Subscribes, which creates topic and channel. No message comes before `rdy`.

        Raises:
            BadTopic, BadChannel: Not a name; nothing was sent.
            FrameError, ConnectionLost, OperationTimeout: As `pub`.
        """
        check_topic(topic)
        check_channel(channel)
        await self._command(NSQCommands.SUB, topic, channel)

    def rdy(self, count: int) -> None:
        """Allows `count` unfinished messages at once (0 to `negotiated.max_rdy`)."""
        self._send(f"RDY {count}\n")

    def fin(self, message_id: str) -> None:
        """Finishes a message. What is written in one turn of the event loop goes out together; none is answered."""
        self._send(f"FIN {message_id}\n")

    def req(self, message_id: str, delay_ms: int) -> None:
        """Hands a message back, to be delivered again after `delay_ms`."""
        self._send(f"REQ {message_id} {delay_ms}\n")

    def touch(self, message_id: str) -> None:
        """Begins a message's msg-timeout anew."""
        self._send(f"TOUCH {message_id}\n")

    def _send(self, line: str) -> None:
        if self._wire.is_open and self._wire.tick_writer is not None:
            self._wire.tick_writer.write(line.encode())

    async def cls(self, *, timeout_s: float | None = None) -> None:
        """Asks nsqd for no more messages; those in flight can still be finished.

        Raises:
            FrameError, ConnectionLost, OperationTimeout: As `pub`.
        """
        await self._command(NSQCommands.CLS, timeout_s=timeout_s)

    async def close(self, *, timeout_s: float) -> None:
        """Closes it so that nsqd reads all that was written: ends the writing side, waits for nsqd to end the other.

        To close both at once with messages unread would make the kernel send a reset, and nsqd lose FINs that it has
        not read. Past `timeout_s` (seconds) it is closed all the same.
        """
        writer = self._wire.tick_writer
        if writer is not None and self._wire.is_open and timeout_s > 0:
            try:
                async with asyncio.timeout(timeout_s):
                    writer.write_eof()
                    await self._wire.lost.wait()
            except (TimeoutError, OSError):
                pass  # it is closed below
        self.abort("closed here")
        if writer is not None:
            await self._wire.wait_ended()

    def abort(self, reason: str) -> None:
        """Ends it at once; what is outstanding fails with `ConnectionLost`."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._wire.lose(ConnectionLost(f"{self.address}: {reason}"))
