"""Consuming one channel from all nsqds."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from ansq.tcp.types import NSQMessageSchema

from shared.clock import MonotonicClock, monotonic_s
from shared.nsq.connection import Connection, ConnectionOptions
from shared.nsq.errors import FrameError, NsqError
from shared.nsq.lookup import Lookup
from shared.nsq.message import Message
from shared.nsq.metrics import ChannelMetrics, Metrics
from shared.nsq.names import check_channel, check_topic
from shared.nsq.pool import Pool
from shared.nsq.ready import Load, share
from shared.nsq.stall import StallGuard
from shared.nsq.subscription import Subscription

__all__ = ["Consumer", "Handler", "Message"]

log = structlog.get_logger(__name__)

Handler = Callable[[Message], Awaitable[None] | None]
"""Takes a message. A coroutine function gets a task; a plain function is called as the message is read, and must not
raise: that would end the consumer."""

_CLOSE_S = 1.0
_MAX_TICK_S = 0.25
_TICKS_A_TURN = 4


class Consumer:
    """Hands the messages of a channel to a handler, at most `max_in_flight` at once over all nsqds.

    With `auto_finish`, a message is finished when its handler returns, and handed back when the handler raises (after a
    short delay) or is cancelled (at once), unless the handler has done either itself. Without it, the handler may keep
    the message for later, and whoever has it finishes it. In both cases it is touched by itself as long as needed.

    Args:
        topic: Topic; made by subscribing if it is not there.
        channel: Channel; likewise.
        lookup: Which nsqds there are; it must be started before `run`.
        max_in_flight: Messages in hand at once; 0 pauses.
        handler: What is done with a message.
        auto_finish: See above.
        msg_timeout_s: nsqd delivers a message anew when it hears nothing of it for so long (at least 1 s). At least two
            heartbeats, or a dead connection is noticed only after its messages are elsewhere.
        touch_for_s: A message is touched for so long after it was received, and no longer.
        requeue_delay_s: Delay of what a handler failed on; ± 50 %.
        idle_s: A connection without messages for so long gives its share to the others.
        options: Of the connections; their `msg_timeout_s` is the one above.
        metrics: Where to count.
        clock: Monotonic seconds.
        rng: Source of jitter.
    """

    def __init__(
        self,
        *,
        topic: str,
        channel: str,
        lookup: Lookup,
        max_in_flight: int,
        handler: Handler,
        auto_finish: bool = True,
        msg_timeout_s: float = 10.0,
        touch_for_s: float = 60.0,
        requeue_delay_s: float = 1.0,
        idle_s: float = 1.0,
        options: ConnectionOptions | None = None,
        metrics: Metrics | None = None,
        clock: MonotonicClock = monotonic_s,
        rng: random.Random | None = None,
    ) -> None:
        check_topic(topic)
        check_channel(channel)
        self.topic = topic
        self.channel = channel
        self._max_in_flight = max_in_flight
        self._handler = handler
        self._auto_finish = auto_finish
        self._touch_for_s = touch_for_s
        self._requeue_delay_s = requeue_delay_s
        self._idle_s = idle_s
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._options = replace(options or ConnectionOptions(), msg_timeout_s=msg_timeout_s)
        self._metrics = metrics or Metrics()
        self._channel_metrics = ChannelMetrics(self._metrics, topic, channel)
        self._subscriptions: dict[Connection, Subscription] = {}
        self._running: dict[Message, asyncio.Task[None]] = {}
        self._turn = 0
        self._tick_s = min(_MAX_TICK_S, msg_timeout_s / 8)
        self._stall = StallGuard(clock, tick_s=self._tick_s)
        self._stopping = False
        self._settled = asyncio.Event()
        self._ended = asyncio.Event()
        self._pool = Pool(
            lookup,
            role="consumer",
            connect=self._connect,
            on_up=self._up,
            on_down=self._down,
            metrics=self._metrics,
            rng=self._rng,
        )

    def ready(self) -> bool:
        """Whether at least one nsqd can send messages."""
        return any(connection.is_open for connection in self._subscriptions)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that are up, one per nsqd."""
        return tuple(self._subscriptions)

    @property
    def in_flight(self) -> int:
        """Messages that are owned and neither finished nor handed back."""
        return sum(len(subscription.in_flight) for subscription in self._subscriptions.values())

    def set_max_in_flight(self, count: int) -> None:
        """Changes how many messages may be in hand at once; 0 pauses, what is in hand stays."""
        self._max_in_flight = count
        self._share()

    async def run(self) -> None:
        """Consumes until `stop`, or until cancelled, which hands everything back at once.

        Raises:
            ExceptionGroup: Of what is wrong in this program.
            RuntimeError: The lookup is not running (in such a group).
        """
        self._metrics.in_flight.add(self._count)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._pool.run()), group.create_task(self._tick())]
                try:
                    await self._ended.wait()
                finally:
                    await self._quiet()
                    await self._hand_back()
                    await self._close()
                    for task in tasks:
                        task.cancel()
        finally:
            self._metrics.in_flight.remove(self._count)

    def _count(self) -> int:
        return self.in_flight

    async def stop(self, timeout_s: float) -> None:
        """Takes nothing more, waits up to `timeout_s` seconds for what is in hand, hands back the rest, and closes."""
        await self._quiet()
        try:
            async with asyncio.timeout(timeout_s):
                while self._running or self.in_flight:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            log.warning("messages handed back", topic=self.topic, count=self.in_flight)
        await self._hand_back()
        await self._close()
        self._ended.set()

    async def _quiet(self) -> None:
        """Makes nsqd send no more; what is handed back before that would be delivered here again."""
        if not self._stopping:
            self._stopping = True
            self._pool.close()
            await asyncio.gather(*(self._cls(connection) for connection in list(self._subscriptions)))

    async def _cls(self, connection: Connection) -> None:
        connection.rdy(0)
        try:
            await connection.cls(timeout_s=_CLOSE_S)
        except NsqError as error:
            log.warning("CLS failed", nsqd=connection.address, error=str(error))

    async def _hand_back(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_S)
        for subscription in self._subscriptions.values():
            for message in list(subscription.in_flight.values()):
                await message.req()

    async def _close(self) -> None:
        await asyncio.gather(*(connection.close(timeout_s=_CLOSE_S) for connection in list(self._subscriptions)))

    async def _connect(self, address: str) -> Connection:
        def receive(frame: NSQMessageSchema) -> None:
            self._receive(self._subscriptions[connection], frame)

        def refused(error: FrameError) -> None:
            self._metrics.refused(error)
            if connection in self._subscriptions:
                self._subscriptions[connection].refused(error)

        connection = Connection(address, self._options, on_message=receive, on_unsolicited=refused)
        try:
            await connection.connect()
            await connection.subscribe(self.topic, self.channel)
        except BaseException:
            await connection.close(timeout_s=0)
            raise
        return connection

    def _up(self, connection: Connection) -> None:
        self._subscriptions[connection] = Subscription(
            connection,
            topic=self.topic,
            touch_for_s=self._touch_for_s,
            clock=self._clock,
            metrics=self._channel_metrics,
            on_settled=self._look_settled,
        )
        self._share()

    def _down(self, connection: Connection) -> None:
        self._subscriptions.pop(connection).lose_all()
        self._share()

    def _receive(self, subscription: Subscription, frame: NSQMessageSchema) -> None:
        message = subscription.receive(frame, self._stall.received_at())
        if message.is_lost:
            return
        if self._stopping:
            subscription.req(message, 0)
            return
        if subscription.idle:
            self._share()
        work = self._handler(message) if not self._auto_finish else None
        if self._auto_finish or work is not None:
            self._running[message] = asyncio.create_task(self._handle(message, work))

    async def _handle(self, message: Message, work: Awaitable[None] | None) -> None:
        try:
            if work is None:
                work = self._handler(message)
            if work is not None:
                await work
            if self._auto_finish:
                await message.fin()
        except asyncio.CancelledError:
            await message.req()
            raise
        except Exception:
            self._channel_metrics.handler_errors.inc()
            log.exception("handler failed", topic=self.topic, id=message.id, attempts=message.attempts)
            await message.req(self._requeue_delay_s * self._rng.uniform(0.5, 1.5))
        finally:
            del self._running[message]
            self._look_settled()

    def _look_settled(self) -> None:
        if self._stopping and not self._running and not self.in_flight:
            self._settled.set()

    async def _tick(self) -> None:
        ticks = 0
        self._stall.tick()
        while True:
            await asyncio.sleep(self._tick_s)
            self._stall.tick()
            ticks += 1
            if ticks % _TICKS_A_TURN == 0 and self._max_in_flight < len(self._subscriptions):
                self._turn += 1
            for subscription in list(self._subscriptions.values()):
                subscription.keep()
            self._share()

    def _share(self) -> None:
        if self._stopping:
            return
        idle_since_s = self._clock() - self._idle_s
        subscriptions = [s for s in self._subscriptions.values() if s.connection.is_open]
        loads = []
        for subscription in subscriptions:
            subscription.idle = not subscription.in_flight and subscription.last_message_at < idle_since_s
            loads.append(
                Load(len(subscription.in_flight), subscription.idle, subscription.connection.negotiated.max_rdy)
            )
        # Handlers of lost messages still use up what max_in_flight stands for.
        orphans = sum(1 for message in self._running if message.is_lost)
        shares = share(max(self._max_in_flight - orphans, 0), loads, turn=self._turn)
        for subscription, rdy in zip(subscriptions, shares, strict=True):
            subscription.allow(rdy)
