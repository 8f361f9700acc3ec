"""Reading Postgres: each question once, with a deadline, and one error for a database that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from services.gateway import queries
from services.gateway.views import CheckView, check_view
from services.gateway.waiting import Found
from shared.db.connect import UNAVAILABLE
from shared.messages import CommandOutcome

log = structlog.get_logger(__name__)

READ_TIMEOUT_S: Final = 10.0
LOOK_TIMEOUT_S: Final = 2.0
PROBE_EVERY_S: Final = 2.0
PROBE_TIMEOUT_S: Final = 2.0
MAX_PAGE_BYTES: Final = 8 * 2**20
"""A page of a list ends early rather than hold more: 500 checks with all their snippets can be 90 MB."""
_PREFETCH_ROWS: Final = 50


class StoreUnavailable(Exception):
    """The database does not answer, or not in time."""


class Store:
    """The gateway's questions to the database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._answers = True  # a pool is only made when it does

    def ready(self) -> bool:
        """Whether the database answered when it was last probed."""
        return self._answers

    async def keep_probing(self) -> None:
        """Asks the database every `PROBE_EVERY_S` whether it is there, until cancelled."""
        while True:
            try:
                async with self.connection(timeout_s=PROBE_TIMEOUT_S) as connection:
                    await connection.fetchval("SELECT 1")
            except StoreUnavailable as error:
                log.warning("database does not answer", error=str(error))
                self._answers = False
            else:
                self._answers = True
            await asyncio.sleep(PROBE_EVERY_S)

    @asynccontextmanager
    async def connection(self, timeout_s: float = READ_TIMEOUT_S) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """A connection for questions that take no longer than `timeout_s` together.

        Raises:
            StoreUnavailable: see there.
        """
        try:
            async with asyncio.timeout(timeout_s), self._pool.acquire() as connection:
                yield connection
        except (*UNAVAILABLE, asyncpg.QueryCanceledError) as error:
            raise StoreUnavailable(str(error) or type(error).__name__) from error

    async def check(self, check_id: UUID) -> CheckView | None:
        """The check, or None when there is none.

        Raises:
            StoreUnavailable: see there.
        """
        async with self.connection() as connection:
            row = await connection.fetchrow(queries.CHECK, check_id)
        return None if row is None else check_view(row)

    async def checks(self, *, limit: int, before: UUID | None) -> tuple[list[CheckView], bool]:
        """The newest checks, or the newest of those that were asked for before the check `before`.

        Returns:
            At most `limit` checks, fewer when they are very large, and whether there are more.

        Raises:
            StoreUnavailable: see there.
        """
        query, arguments = (queries.NEWEST_CHECKS, ()) if before is None else (queries.CHECKS_BEFORE, (before,))
        found: list[CheckView] = []
        size = 0
        async with self.connection() as connection, connection.transaction(readonly=True):
            async for row in connection.cursor(query, limit + 1, *arguments, prefetch=_PREFETCH_ROWS):
                if len(found) == limit or size > MAX_PAGE_BYTES:
                    return found, True
                found.append(check_view(row))
                size += _size(row)
        return found, False

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
                CommandOutcome(id=row["id"], outcome=row["outcome"], check_id=row["check_id"])
                for row in rows
                if row["outcome"]
            ],
        )


def _size(row: asyncpg.Record) -> int:
    """About how many bytes of JSON a row makes: what can be large in it."""
    texts = (row["url"], row["counts"], row["snippets"], row["redirects"], *row["words"])
    return sum(len(text) for text in texts if text)
