"""The jobs `cancel` and `delete`: what is open in a batch is given up; all of a batch goes."""

import asyncpg

from services.recorder import sql as flush_sql
from services.recorder.batches import sql
from services.recorder.batches.jobs import MOST_PER_SLICE, Job, Slice
from services.recorder.bookkeeping import book
from services.recorder.tallies import Move, tallies
from shared.ids import check_of, seq_of
from shared.settings import Settings


async def cancel(connection: asyncpg.Connection, job: Job, _config: Settings) -> Slice:
    """Gives up the next open checks. Their leases stay: what is under way ends by itself, and changes nothing."""
    found = [row["id"] for row in await connection.fetch(sql.NEXT_OPEN, job.after, job.last, MOST_PER_SLICE)]
    was = {row["id"]: row["status"] for row in await connection.fetch(sql.LOCK_OPEN, found)} if found else {}
    if ids := list(was):
        for statement in (sql.CANCEL_CHECKS, flush_sql.DEQUEUE, sql.ADD_CANCELLED):
            await connection.execute(statement, ids)
        now = await connection.fetchval(sql.NOW)
        await book(connection, tallies(Move(id_, status, "cancelled") for id_, status in was.items()), (), now)
    return Slice(found[-1] if found else job.last, len(was), len(found) < MOST_PER_SLICE)


async def delete(connection: asyncpg.Connection, job: Job, _config: Settings) -> Slice:
    """Removes the next records with their checks, and the batch after the last of them. Leases last as they do."""
    (lines,) = await connection.fetch(sql.NEXT_TO_DELETE, job.batch, seq_of(job.after), MOST_PER_SLICE)
    finished = lines["records"] < MOST_PER_SLICE
    last = job.last if finished else check_of(job.batch, lines["last"])
    await connection.execute(sql.LOCK_RANGE, job.after, last)
    for statement in sql.DELETE_RANGE:
        await connection.execute(statement, job.after, last)
    await connection.execute(sql.DELETE_LINES, job.batch, seq_of(job.after), seq_of(last))
    if finished:
        for statement in sql.DELETE_REST:
            await connection.execute(statement, job.batch)
    return Slice(last, lines["records"], finished)
