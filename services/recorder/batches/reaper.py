"""Uploads that broke off without a word, since their gateway died: given up, with what they got."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from services.recorder.batches import sql

SILENT_S: Final = 60.0
"""Gateways send something every 15 s."""
MOST_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A batch whose upload broke off, and how many records had come."""

    batch_id: UUID
    records: int
    trace: str


async def give_up_silent(connection: asyncpg.Connection, *, silent_s: float = SILENT_S) -> list[GivenUp]:
    """Cancels batches of whose upload nothing was heard for so long, by PostgreSQL's clock."""
    given_up = []
    async with connection.transaction():
        for row in await connection.fetch(sql.SILENT, silent_s, MOST_AT_ONCE):
            # Asked only now that nobody can add a chunk: the one before may have been committed meanwhile.
            if not await connection.fetchval(sql.IS_SILENT, row["id"], silent_s):
                continue
            (came,) = await connection.fetch(sql.READ_CHUNKS, row["id"])
            reason = f"The upload broke off after {came['records']:,} {'line' if came['records'] == 1 else 'lines'}."
            await connection.execute(sql.GIVE_UP, row["id"], reason)
            await connection.execute(sql.DROP_CHUNKS, row["id"])
            given_up.append(GivenUp(row["id"], came["records"], row["trace"]))
    return given_up
