"""Publishing: acknowledged, bounded, and on another nsqd when one fails."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import structlog

from shared.nsq import provision as provisioning
from shared.nsq.background import Background
from shared.nsq.connection import Connection, ConnectionOptions
from shared.nsq.errors import (
    BadMessage,
    ConnectionLost,
    FrameError,
    NoConnection,
    NsqError,
    OperationTimeout,
    PublishFailed,
)
from shared.nsq.lookup import Lookup
from shared.nsq.metrics import Metrics
from shared.nsq.pool import Pool

log = structlog.get_logger(__name__)

MPUB_MESSAGES = 100
MPUB_BYTES = 2**20
_CLOSE_S = 1.0
_AFTER_REFUSAL_S = 0.05
"""Pause before what one nsqd could not take is tried again: it may be the only one there is."""


class Receipt:
    """Where a message was taken. OK means that nsqd has it, not that it would survive nsqd's death."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def nsqd(self) -> str:
        """The `host:port` of the nsqd that took it."""
        return self._connection.address

    def connection_lost(self) -> bool:
        """Whether the connection that took it has ended since."""
        return not self._connection.is_open

    async def wait_lost(self) -> None:
        """Waits until that connection ends."""
        await self._connection.wait_lost()


def split(
    bodies: Sequence[bytes], *, max_messages: int = MPUB_MESSAGES, max_bytes: int = MPUB_BYTES
) -> Iterator[list[bytes]]:
    """Cuts messages into runs for one MPUB each, in order; a message over `max_bytes` is a run of its own."""
    run: list[bytes] = []
    run_bytes = 0
    for body in bodies:
        if run and (len(run) == max_messages or run_bytes + len(body) > max_bytes):
            yield run
            run, run_bytes = [], 0
        run.append(body)
        run_bytes += len(body)
    if run:
        yield run


class Producer:
    """Publishes to whatever nsqd lives, in turn, on connections of its own.

    A message is published at least once: when a connection drops, or leaves a PUB without answer, it is published again
    on another one within the deadline, though the first nsqd may have taken it.

    Args:
        lookup: Which nsqds there are; it must be started before.
        provision: Durable topics with their channels, made on every nsqd at each connection before its first PUB: an
            nsqd that was wiped would otherwise take messages which a channel made later never sees.
        max_outstanding: Publishes under way at once (a set of `publish_many` is one per MPUB); more wait their turn.
        timeout_s: Deadline of a publish that is not given one, waiting for its turn included.
        max_message_bytes: nsqd's --max-msg-size. A larger one is refused here: nsqd would end the connection over it.
        options: Of the connections.
        metrics: Where to count.
        rng: Source of jitter.
    """

    def __init__(
        self,
        *,
        lookup: Lookup,
        provision: provisioning.Provision,
        max_outstanding: int = 1024,
        timeout_s: float = 5.0,
        max_message_bytes: int = 4 * 2**20,
        options: ConnectionOptions | None = None,
        metrics: Metrics | None = None,
        rng: random.Random | None = None,
    ) -> None:
        provisioning.check(provision)
        self._provision = provision
        self._max_outstanding = max_outstanding
        self._turn = asyncio.Semaphore(max_outstanding)
        self._timeout_s = timeout_s
        self._max_message_bytes = max_message_bytes
        self._options = options or ConnectionOptions()
        self._metrics = metrics or Metrics()
        self._live: list[Connection] = []
        self._next = 0
        self._up = asyncio.Event()
        self._stopped = False
        self._outstanding = 0
        self._settled = asyncio.Event()
        self._background = Background("nsq producer")
        self._pool = Pool(
            lookup,
            role="producer",
            connect=self._connect,
            on_up=self._take,
            on_down=self._drop,
            metrics=self._metrics,
            rng=rng or random.Random(),  # noqa: S311 - jitter
        )

    def ready(self) -> bool:
        """Whether there is an nsqd to publish to."""
        return any(connection.is_open for connection in self._live)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that are up, one per nsqd."""
        return tuple(self._live)

    @property
    def outstanding(self) -> int:
        """Publishes under way or waiting for their turn."""
        return self._outstanding

    async def start(self) -> None:
        """Begins to connect; `publish` waits for a connection within its own deadline."""
        self._metrics.outstanding.add(self._count)
        self._background.start(self._pool.run())

    async def wait(self) -> None:
        """Waits until it is stopped; raises what ended it before."""
        await self._background.wait()

    async def stop(self, timeout_s: float) -> None:
        """Takes nothing more, waits up to `timeout_s` seconds for what is under way, and closes its connections."""
        self._stopped = True
        try:
            async with asyncio.timeout(timeout_s):
                while self._outstanding:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            log.warning("publishes given up", count=self._outstanding)
        self._pool.close()  # only now: what is under way may need another connection
        await asyncio.gather(*(connection.close(timeout_s=_CLOSE_S) for connection in list(self._live)))
        self._metrics.outstanding.remove(self._count)
        await self._background.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop(self._timeout_s)

    def _count(self) -> int:
        return self._outstanding

    async def publish(self, topic: str, body: bytes, *, timeout_s: float | None = None) -> Receipt:
        """Publishes one message; returns when an nsqd has it.

        Raises:
            BadTopic, BadMessage: The name, or the size (empty, or over `max_message_bytes`): nothing was sent.
            NoConnection: No nsqd until the deadline, or the producer is stopped.
            OperationTimeout: No answer until the deadline. It may have been published.
            FrameError: nsqd refused it.
        """
        return await self.publish_set(topic, (body,), timeout_s=timeout_s)

    async def publish_set(self, topic: str, bodies: Sequence[bytes], *, timeout_s: float | None = None) -> Receipt:
        """Publishes messages with one command; when it raises, any part of them may have been published.

        Args:
            topic: where to.
            bodies: at least one; `split` tells how many go together.
            timeout_s: see the class.

        Raises:
            NsqError: As `publish`.
        """
        self._check(bodies)
        return await self._publish(topic, bodies, timeout_s)

    async def publish_many(self, topic: str, bodies: Sequence[bytes], *, timeout_s: float | None = None) -> None:
        """Publishes messages in sets of at most 100 and 1 MiB, one after the other.

        When it raises, any part of them may have been published; to repeat it whole is what callers do.

        Raises:
            NsqError: As `publish`.
        """
        self._check(bodies)
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + (self._timeout_s if timeout_s is None else timeout_s)
        for run in split(bodies):
            await self._publish(topic, run, max(deadline_s - loop.time(), 0))

    def _check(self, bodies: Sequence[bytes]) -> None:
        for size in map(len, bodies):
            if not 0 < size <= self._max_message_bytes:
                raise BadMessage("E_BAD_MESSAGE", f"a message of {size} bytes; 1 to {self._max_message_bytes} can be")

    async def _publish(self, topic: str, bodies: Sequence[bytes], timeout_s: float | None) -> Receipt:
        if self._stopped:
            raise NoConnection("the producer is stopped")
        deadline_s = asyncio.get_running_loop().time() + (self._timeout_s if timeout_s is None else timeout_s)
        self._outstanding += 1
        try:
            await self._wait_turn(deadline_s)
            try:
                return await self._publish_somewhere(topic, bodies, deadline_s)
            finally:
                self._turn.release()
        finally:
            self._outstanding -= 1
            if not self._outstanding:
                self._settled.set()

    async def _wait_turn(self, deadline_s: float) -> None:
        if not self._turn.locked():
            await self._turn.acquire()  # does not wait
            return
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._turn.acquire()
        except TimeoutError as error:
            raise OperationTimeout(f"{self._max_outstanding} publishes are under way") from error

    async def _publish_somewhere(self, topic: str, bodies: Sequence[bytes], deadline_s: float) -> Receipt:
        loop = asyncio.get_running_loop()
        failure: NsqError | None = None
        while True:
            connection = self._pick() or await self._wait_live(topic, deadline_s, failure)
            left_s = deadline_s - loop.time()
            # With another nsqd to turn to, one that does not answer is not given the whole time.
            limit_s = left_s / 2 if len(self._live) > 1 and failure is None else left_s
            try:
                if len(bodies) == 1:
                    await connection.pub(topic, bodies[0], timeout_s=max(limit_s, 0))
                else:
                    await connection.mpub(topic, bodies, timeout_s=max(limit_s, 0))
            except (ConnectionLost, OperationTimeout, PublishFailed) as error:
                self._metrics.publish_errors.labels(topic, type(error).__name__).inc()
                failure = error
                if loop.time() >= deadline_s:
                    raise
                if isinstance(error, PublishFailed):
                    connection.abort("it could not take a message")  # as nsqd does itself
                    await asyncio.sleep(_AFTER_REFUSAL_S)
            except FrameError as error:
                self._metrics.publish_errors.labels(topic, type(error).__name__).inc()
                raise
            else:
                self._metrics.published.labels(topic).inc(len(bodies))
                return Receipt(connection)

    def _pick(self) -> Connection | None:
        """The next live connection in turn; one whose nsqd let a command time out only for want of another."""
        doubtful: Connection | None = None
        for _ in self._live:
            self._next = (self._next + 1) % len(self._live)
            connection = self._live[self._next]
            if connection.is_open:
                if not connection.doubtful:
                    return connection
                doubtful = doubtful or connection
        return doubtful

    async def _wait_live(self, topic: str, deadline_s: float, failure: NsqError | None) -> Connection:
        try:
            async with asyncio.timeout_at(deadline_s):
                while (connection := self._pick()) is None:
                    self._up.clear()
                    await self._up.wait()
        except TimeoutError as error:
            self._metrics.publish_errors.labels(topic, NoConnection.__name__).inc()
            raise NoConnection(f"no nsqd to publish to (last: {failure})") from error
        return connection

    async def _connect(self, address: str) -> Connection:
        connection = Connection(address, self._options)
        try:
            # First the connection, then the topics: should nsqd be wiped in between, the connection is gone as well.
            await connection.connect()
            await provisioning.provide(address, self._provision, self._options)
        except BaseException:
            await connection.close(timeout_s=0)
            raise
        return connection

    def _take(self, connection: Connection) -> None:
        self._live.append(connection)
        self._up.set()

    def _drop(self, connection: Connection) -> None:
        self._live.remove(connection)
