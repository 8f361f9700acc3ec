"""Reading Postgres: each question once, with a deadline, and one error for a database that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from services.gateway import queries
from services.gateway.filters import CheckFilter
from services.gateway.list_query import list_query, plan_settings
from services.gateway.views import AttemptView, CheckView, attempt_view, check_view
from services.gateway.waiting import Found
from shared.clock import MonotonicClock, monotonic_s
from shared.db.connect import UNAVAILABLE, DatabaseError
from shared.messages import CommandOutcome

log = structlog.get_logger(__name__)

READ_TIMEOUT_S: Final = 8.0
LOOK_TIMEOUT_S: Final = 2.0
PROBE_EVERY_S: Final = 2.0
PROBE_TIMEOUT_S: Final = 2.0
STALE_AFTER_S: Final = 2 * PROBE_EVERY_S + PROBE_TIMEOUT_S
"""After so long without a probe that succeeded the database counts as gone, whatever has become of the probes."""
GIVE_BACK_WITHIN_S: Final = 0.5
"""What a server has time for to confirm that a question is cancelled; then its connection is dropped."""
MAX_PAGE_BYTES: Final = 8 * 2**20
"""A page of a list ends early rather than hold more: 500 checks with all their snippets can be 90 MB."""
_PREFETCH_ROWS: Final = 50


class StoreUnavailable(Exception):
    """The database does not answer, or not in time."""


class Store:
    """The gateway's questions to the database."""

    def __init__(self, pool: asyncpg.Pool, *, clock: MonotonicClock = monotonic_s) -> None:
        self._pool = pool
        self._clock = clock
        self._answered_at_s: float | None = clock()  # a pool is only made when it answers

    def ready(self) -> bool:
        """Whether the database answered when it was last probed, and that was not long ago."""
        return self._answered_at_s is not None and self._clock() - self._answered_at_s <= STALE_AFTER_S

    async def keep_probing(self) -> None:
        """Asks the database every `PROBE_EVERY_S` whether it is there, until cancelled."""
        while True:
            try:
                async with self.connection(timeout_s=PROBE_TIMEOUT_S) as connection:
                    await connection.fetchval("SELECT 1")
            except StoreUnavailable as error:
                log.warning("database does not answer", error=str(error))
                self._answered_at_s = None
            else:
                self._answered_at_s = self._clock()
            await asyncio.sleep(PROBE_EVERY_S)

    @asynccontextmanager
    async def connection(self, timeout_s: float = READ_TIMEOUT_S) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """A connection for questions that take no longer than `timeout_s` together.

        What is late is cancelled, so that a slow server works for nobody in vain. asyncpg then waits until the server
        confirms that; of a silent one, the connection is dropped after `GIVE_BACK_WITHIN_S`.

        Raises:
            StoreUnavailable: see there.
        """
        loop = asyncio.get_running_loop()
        late_at = loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(late_at):
                connection = await self._pool.acquire()
                # A transaction's end inside the caller's block waits for the server, too, and is not cancelled again.
                dropping = loop.call_at(late_at + GIVE_BACK_WITHIN_S, _drop, connection)
                try:
                    yield connection
                finally:
                    dropping.cancel()
                    with suppress(*UNAVAILABLE):  # the block has its answers, or an error of its own that says more
                        await self._pool.release(connection, timeout=GIVE_BACK_WITHIN_S)
        except (*UNAVAILABLE, DatabaseError, asyncpg.QueryCanceledError) as error:
            raise StoreUnavailable(str(error) or type(error).__name__) from error

    async def check(self, check_id: UUID, *, timeout_s: float = READ_TIMEOUT_S) -> CheckView | None:
        """The check, or None when there is none.

        Raises:
            StoreUnavailable: see there.
        """
        async with self.connection(timeout_s) as connection:
            row = await connection.fetchrow(queries.CHECK, check_id)
        return None if row is None else check_view(row)

    async def checks(
        self,
        wanted: CheckFilter,
        *,
        limit: int,
        before: UUID | None,
        oldest_first: bool = False,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> tuple[list[CheckView], bool]:
        """The first checks of the list that the filter lets through, or the first of those after the check `before`.

        Returns:
            At most `limit` checks, fewer when they are very large, and whether there are more.

        Raises:
            StoreUnavailable: see there.
        """
        query, arguments = list_query(wanted, most=limit + 1, before=before, oldest_first=oldest_first)
        found: list[CheckView] = []
        size = 0
        async with self.connection(timeout_s) as connection, connection.transaction(readonly=True):
            if settings := plan_settings(wanted):
                await connection.execute(settings)
            async for row in connection.cursor(query, *arguments, prefetch=_PREFETCH_ROWS):
                if len(found) == limit or size > MAX_PAGE_BYTES:
                    return found, True
                found.append(check_view(row))
                size += _size(row)
        return found, False

    async def attempts(self, check_id: UUID) -> list[AttemptView] | None:
        """All attempts of a check that have ended, by their number; None when there is no such check.

        Raises:
            StoreUnavailable: see there.
        """
        async with self.connection() as connection:
            rows = await connection.fetch(queries.ATTEMPTS, check_id)
        return [attempt_view(row) for row in rows if row["attempt"] is not None] if rows else None

    async def trace(self, check_id: UUID) -> str:
        """The id of the request that made a check; empty when it had none, or there is no such check.

        Raises:
            StoreUnavailable: see there.
        """
        async with self.connection() as connection:
            return await connection.fetchval(queries.TRACE, check_id) or ""

    async def waited_for(self, checks: Sequence[UUID], commands: Sequence[UUID]) -> Found:
        """The states of those of the checks that exist, and the outcomes of those of the commands that have one.

        Raises:
            StoreUnavailable: see there.
        """
        async with self.connection(LOOK_TIMEOUT_S) as connection:
            rows = await connection.fetch(queries.WAITED_FOR, checks, commands)
        return Found(
            {row["id"]: row["status"] for row in rows if row["outcome"] is None},
            [
                CommandOutcome(id=row["id"], outcome=row["outcome"], check_id=row["check_id"], batch_id=row["batch_id"])
                for row in rows
                if row["outcome"]
            ],
        )


def _drop(connection: asyncpg.pool.PoolConnectionProxy) -> None:
    """Ends a connection without a word to the server; the pool makes another when it needs one."""
    with suppress(asyncpg.InterfaceError):  # given back in this very moment
        connection.terminate()


def _size(row: asyncpg.Record) -> int:
    """About how many bytes of JSON a row makes: what can be large in it."""
    texts = (row["url"], row["counts"], row["snippets"], row["redirects"], *row["words"])
    return sum(len(text) for text in texts if text)
