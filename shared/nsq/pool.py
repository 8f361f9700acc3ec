"""One connection to every nsqd, made again when it is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from shared.backoff import Backoff
from shared.nsq.connection import Connection
from shared.nsq.errors import NsqError
from shared.nsq.lookup import Lookup
from shared.nsq.metrics import Metrics

log = structlog.get_logger(__name__)

MAX_PAUSE_S = 5.0
_PROVEN_S = 5.0
"""A connection that lasted so long begins its backoff anew; one that is refused after each greeting does not."""


class Pool:
    """Keeps a connection to each node of a lookup.

    A lost connection is tried again after a moment, then with growing pauses up to 5 s, and whenever the lookup changes
    (an nsqd that has come back is listed anew). A node that the lookup has forgotten is tried no more; while its
    connection lives, it is kept.

    Args:
        lookup: Says which nsqds there are; it must be running.
        role: `producer` or `consumer`, for logs and metrics.
        connect: Makes a usable connection to an address, or raises `NsqError`.
        metrics: Where reconnects are counted.
        rng: Source of jitter.
    """

    def __init__(
        self,
        lookup: Lookup,
        *,
        role: str,
        connect: Callable[[str], Awaitable[Connection]],
        on_up: Callable[[Connection], None],
        on_down: Callable[[Connection], None],
        metrics: Metrics,
        rng: random.Random,
    ) -> None:
        self._lookup = lookup
        self._role = role
        self._connect = connect
        self._on_up = on_up
        self._on_down = on_down
        self._metrics = metrics
        self._rng = rng
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._nudge = asyncio.Event()
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Keeps connections until cancelled.

        Raises:
            ExceptionGroup: Of what is wrong in this program.
            RuntimeError: The lookup is not running.
        """
        if not self._lookup.running:
            raise RuntimeError("the lookup is not started")
        async with asyncio.TaskGroup() as group:
            while True:
                version = self._lookup.version
                for address in {node.tcp for node in self._lookup.nodes()}:
                    if address not in self._keepers:
                        keeper = group.create_task(self._keep(address), name=f"nsq {self._role} {address}")
                        self._keepers[address] = keeper
                self._nudge.set()
                self._nudge = asyncio.Event()
                await self._lookup.wait_change(version)

    def close(self) -> None:
        """Makes no more connections; those that live stay until they are closed."""
        self._closing.set()
        self._nudge.set()

    async def _keep(self, address: str) -> None:
        backoff = Backoff(rng=self._rng, cap_s=MAX_PAUSE_S)
        loop = asyncio.get_running_loop()
        try:
            while not self._closing.is_set():
                started_s = loop.time()
                await self._serve(address)
                if self._closing.is_set() or address not in {node.tcp for node in self._lookup.nodes()}:
                    break
                if loop.time() - started_s > _PROVEN_S:
                    backoff.reset()
                await self._pause(backoff.next_s())
                self._metrics.reconnects.labels(self._role).inc()
        finally:
            del self._keepers[address]

    async def _serve(self, address: str) -> None:
        try:
            connection = await self._connect(address)
        except NsqError as error:
            log.warning("nsqd can't be used", role=self._role, address=address, error=str(error))
            return
        connections = self._metrics.connections.labels(self._role)
        try:
            connections.inc()
            self._on_up(connection)
            log.info("nsqd connected", role=self._role, address=address, version=connection.negotiated.version)
            await connection.wait_ended()
            if not self._closing.is_set():
                log.warning("nsqd lost", role=self._role, address=address, error=str(connection.loss))
        finally:
            connections.dec()
            connection.abort("the pool ended")
            self._on_down(connection)

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._nudge.wait()
        except TimeoutError:
            pass
