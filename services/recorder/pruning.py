"""Sums by the second become minutes, and then one; questions that nobody asks for any more go, a few at a time.

Who adds a check or a batch holds the row of its question until its commit (`store.hold_questions`). So what is locked
here is asked for by nobody who has not committed, and a statement after that sees those who have.
"""

from typing import Final
from uuid import UUID

import asyncpg

from services.recorder import sql

MOST_PER_SLICE: Final = 1_000
SLICES_AT_ONCE: Final = 20
"""Of a million questions each is looked at within the hour."""

_NEXT = "SELECT id FROM questions WHERE id > $1 ORDER BY id LIMIT $2"
_UNASKED = """
    AND NOT EXISTS (SELECT FROM checks c WHERE c.question = q.id)
    AND NOT EXISTS (SELECT FROM lines l WHERE l.question = q.id)
    AND NOT EXISTS (SELECT FROM batches b WHERE b.question = q.id)
"""
_LOCK = f"SELECT q.id FROM questions q WHERE q.id = ANY ($1::uuid[]) {_UNASKED} ORDER BY q.id FOR UPDATE SKIP LOCKED"  # noqa: S608 - put together of constants
_DELETE = f"DELETE FROM questions q WHERE q.id = ANY ($1::uuid[]) {_UNASKED}"  # noqa: S608 - the same
_FIRST: Final = UUID(int=0)


async def sum_up(connection: asyncpg.Connection) -> None:
    """Makes minutes of the tallies that are older than two minutes, and one row a state of those older than a day.

    Raises:
        asyncpg.PostgresError, OSError, …: nothing was committed; the next call does it.
    """
    await connection.execute(sql.SUM_UP)


class Unasked:
    """A walk through all questions, slice by slice, which begins anew at its end.

    Args:
        most: how many questions a slice has.
    """

    def __init__(self, *, most: int = MOST_PER_SLICE) -> None:
        self._most = most
        self._after = _FIRST

    async def prune(self, connection: asyncpg.Connection) -> bool:
        """Deletes what is unasked of the next slice; returns whether there is more before the end.

        Raises:
            asyncpg.PostgresError, OSError, …: nothing was committed; the next call tries the same slice again.
        """
        async with connection.transaction():
            found = [row["id"] for row in await connection.fetch(_NEXT, self._after, self._most)]
            if locked := [row["id"] for row in await connection.fetch(_LOCK, found)]:
                await connection.execute(_DELETE, locked)
        more = len(found) == self._most
        self._after = found[-1] if more else _FIRST
        return more
