"""A fresh database with the recorder's and the scheduler's ways in, for tests of the transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from services.recorder.items import Asked, Flushed, Item
from services.recorder.store import flush
from services.scheduler import sql as scheduler_sql
from shared import claims, messages, settings
from shared.db import connect


def config(**variables: Any) -> settings.Settings:
    """Settings, by field; the others have their defaults."""
    return settings.load({settings.variable(name): str(value) for name, value in variables.items()})


@dataclass
class Database:
    """One database; `recorder` is a connection in the recorder's role."""

    url: str
    recorder: asyncpg.Connection

    async def flush(self, *items: Item | messages.LoneCommand, config: settings.Settings | None = None) -> Flushed:
        """What a recorder does with a set of messages."""
        wrapped = [Asked(item) if isinstance(item, messages.LoneCommand) else item for item in items]
        return await flush(self.recorder, wrapped, config or settings.load({}), lambda: 1.0)

    async def claim(self, config: settings.Settings | None = None) -> list[messages.ClaimedCheck]:
        """What a scheduler's round claims."""
        arguments = claims.claim_arguments(config or settings.load({}), None)
        async with self.scheduler() as connection:
            return [claims.from_row(row) for row in await connection.fetch(claims.CLAIM, *arguments)]

    async def sweep(self, ended_s: float = 0) -> int:
        """Gives up leases that ended so long ago; returns how many."""
        async with self.scheduler() as connection:
            swept: int = await connection.fetchval(scheduler_sql.SWEEP, ended_s, 500, 2, 4.0, [])
            return swept

    async def wake(self) -> None:
        """What a scheduler does at its start."""
        async with self.scheduler() as connection:
            await connection.execute(scheduler_sql.WAKE_HOSTS, [])

    @asynccontextmanager
    async def scheduler(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in the scheduler's role."""
        connection = await connect.connect(self.url, role="wordwatch_scheduler")
        try:
            yield connection
        finally:
            await connection.close()

    async def check(self, check_id: UUID) -> asyncpg.Record:
        row = await self.recorder.fetchrow("SELECT * FROM checks WHERE id = $1", check_id)
        assert row is not None
        return row

    async def count(self, table: str) -> int:
        number: int = await self.recorder.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        return number

    async def end_leases(self) -> None:
        """Lets all leases end, as a minute would."""
        await self.recorder.execute(
            "UPDATE leases SET not_after = clock_timestamp() - interval '1 ms', "
            "not_before = clock_timestamp() - interval '60 s'"
        )

    async def let_pauses_pass(self) -> None:
        """Makes all that waits due now, and has it looked at."""
        await self.recorder.execute("UPDATE queue SET due_at = clock_timestamp() - interval '1 ms'")
        await self.recorder.execute(
            "UPDATE hosts SET next_start_at = '-infinity', wake_interactive = '-infinity' "
            "WHERE EXISTS (SELECT FROM queue WHERE queue.host = hosts.host)"
        )
