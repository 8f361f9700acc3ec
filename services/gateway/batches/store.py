"""Reading batches, each question with a deadline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from services.gateway.batches import queries
from services.gateway.batches.queries import LineState
from services.gateway.batches.views import BatchStatus, BatchView, LineView, batch_view, line_view
from services.gateway.queries import PLAN_A_PAGE
from services.gateway.store import MAX_PAGE_BYTES, READ_TIMEOUT_S, Store

EXPORT_ROWS: Final = 200
"""Lines that an export reads at a time: no transaction is open while they are sent."""
_PREFETCH_ROWS: Final = 50


class BatchStore:
    """The gateway's questions about batches. All may raise StoreUnavailable.

    Args:
        store: has the connections.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def batch(self, batch_id: UUID, *, timeout_s: float = READ_TIMEOUT_S) -> BatchView | None:
        """The batch, or None when there is none."""
        async with self._store.connection(timeout_s) as connection:
            row = await connection.fetchrow(queries.BATCH, batch_id)
        return None if row is None else batch_view(row)

    async def batches(
        self,
        *,
        status: BatchStatus | None,
        label: str | None,
        limit: int,
        before: UUID | None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> tuple[list[BatchView], bool]:
        """The newest batches of a state and a label (None: any), or the newest of those before the batch `before`.

        Returns:
            At most `limit` batches, fewer when they are very large, and whether there are more.
        """
        found: list[BatchView] = []
        size = 0
        async with self._store.connection(timeout_s) as connection, connection.transaction(readonly=True):
            rows = connection.cursor(queries.BATCHES, limit + 1, status, label, before, prefetch=_PREFETCH_ROWS)
            async for row in rows:
                if len(found) == limit or size > MAX_PAGE_BYTES:
                    return found, True
                found.append(batch_view(row))
                size += len(row["word_totals"])
        return found, False

    async def words_of(self, batch_id: UUID) -> Sequence[str] | None:
        """The words that lines without their own are counted for; None when there is no such batch."""
        async with self._store.connection() as connection:
            row = await connection.fetchrow(queries.HEAD, batch_id)
        return None if row is None else row["words"] or ()

    async def lines(
        self,
        batch_id: UUID,
        *,
        state: LineState | None,
        limit: int,
        after: int,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> tuple[list[tuple[int, LineView]], bool] | None:
        """The first lines in a state (None: any) after the record `after`, each with its number.

        Returns:
            At most `limit` lines, fewer when they are very long, and whether there are more; None when there is no
            such batch.
        """
        found: list[tuple[int, LineView]] = []
        size = 0
        async with self._store.connection(timeout_s) as connection, connection.transaction(readonly=True):
            if await connection.fetchrow(queries.HEAD, batch_id) is None:
                return None
            await connection.execute(PLAN_A_PAGE)
            rows = connection.cursor(queries.LINES[state], batch_id, after, limit + 1, prefetch=_PREFETCH_ROWS)
            async for row in rows:
                if len(found) == limit or size > MAX_PAGE_BYTES:
                    return found, True
                found.append((row["seq"], line_view(row)))
                size += len(row["text"])
        return found, False

    async def exported(self, batch_id: UUID, *, after: int) -> list[asyncpg.Record]:
        """The next lines of an export, after the record `after`, as rows of `queries.EXPORT`."""
        async with self._store.connection() as connection, connection.transaction(readonly=True):
            await connection.execute(PLAN_A_PAGE)
            return list(await connection.fetch(queries.EXPORT, batch_id, after, EXPORT_ROWS))

    async def retried(self, command_id: UUID, *, timeout_s: float = READ_TIMEOUT_S) -> tuple[int, bool]:
        """How many checks the retry of this name has begun anew, and whether that is all of them."""
        async with self._store.connection(timeout_s) as connection:
            row = await connection.fetchrow(queries.RETRIED, command_id)
        return (0, False) if row is None else (row["changed"], row["finished"])
