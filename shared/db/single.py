"""The one connection of a service that works through its transactions in order."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import asyncpg

from shared.clock import MonotonicClock, monotonic_s
from shared.db.connect import DatabaseError, Role, connect
from shared.db.metrics import DatabaseMetrics, Use

T = TypeVar("T")

_END_WITHIN_S = 1.0
SILENT_AFTER_S = 5.0
"""What takes longer than this may be no more than slow; until it is done, nobody can say that the server is there."""


class SingleConnection:
    """A connection that is opened when it is asked for, and opened anew after it was dropped.

    Args:
        database_url: where.
        role: the role that it takes.
        parameters: PostgreSQL's run-time parameters for it.
        metrics: where it is counted.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        database_url: str,
        *,
        role: Role,
        parameters: Mapping[str, str],
        metrics: DatabaseMetrics | None = None,
        clock: MonotonicClock = monotonic_s,
    ) -> None:
        self._database_url = database_url
        self._role = role
        self._parameters = parameters
        self._clock = clock
        self._connection: asyncpg.Connection | None = None
        self._asked_at_s: float | None = None
        self._metrics = metrics or DatabaseMetrics()
        self._metrics.watch(self._use, most=1)

    def is_open(self) -> bool:
        """Whether it is there and its server answers, as far as is known."""
        if self._connection is None or self._connection.is_closed():
            return False
        return self._asked_at_s is None or self._clock() - self._asked_at_s < SILENT_AFTER_S

    async def open(self) -> asyncpg.Connection:
        """The connection, opened if need be.

        Raises:
            DatabaseError: it can't be opened.
        """
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await connect(self._database_url, role=self._role, parameters=self._parameters)
            except DatabaseError:
                self._metrics.failed.inc()
                raise
            self._metrics.opened.inc()
        return self._connection

    def _use(self) -> Use:
        there = self._connection is not None and not self._connection.is_closed()
        return Use(open=int(there), busy=int(there and self._asked_at_s is not None))

    async def run(self, work: Callable[[asyncpg.Connection], Awaitable[T]], *, timeout_s: float) -> T:
        """Awaits `work` with the connection.

        At the deadline, and when it is cancelled, the connection is dropped before anything else: a rollback, even
        asyncpg's own request to cancel, would wait for the answer of a server that may have fallen silent.

        Raises:
            TimeoutError: it took longer than `timeout_s`; it may have been committed.
            DatabaseError: the connection can't be opened.
        """

        async def whole() -> T:
            return await work(await self.open())

        task = asyncio.create_task(whole())
        # What becomes of it when nobody waits for it any more is nobody's concern.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._asked_at_s = self._clock()
        try:
            await asyncio.wait({task}, timeout=timeout_s)
            if not task.done():
                raise TimeoutError(f"PostgreSQL did not answer within {timeout_s:g} s")
            return task.result()
        finally:
            self._asked_at_s = None
            if not task.done():
                self.drop()
                task.cancel()
                await asyncio.wait({task}, timeout=_END_WITHIN_S)

    def drop(self) -> None:
        """Gives it up at once, whatever it was doing."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
