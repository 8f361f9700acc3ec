"""The jobs `park` and `unpark`: what is queued of a batch is left out by the claim, or taken in again."""

import asyncpg

from services.recorder.batches import hosts, sql
from services.recorder.batches.jobs import MOST_PER_SLICE, Job, Slice
from shared.settings import Settings


async def park(connection: asyncpg.Connection, job: Job, _config: Settings) -> Slice:
    """Parks the next rows. A host with nothing else to do is looked at once more, in vain."""
    found = await connection.fetch(sql.NEXT_PARKED, job.after, job.last, False, MOST_PER_SLICE)
    return await _set(connection, job, found, parked=True)


async def unpark(connection: asyncpg.Connection, job: Job, config: Settings) -> Slice:
    """Has the claim see the next rows again, and schedulers their hosts."""
    found = await connection.fetch(sql.NEXT_PARKED, job.after, job.last, True, MOST_PER_SLICE)
    held = await hosts.lock(connection, {row["host"] for row in found}, config)
    done = await _set(connection, job, found, parked=False)
    await hosts.plan(connection, held, config)
    return done


async def _set(connection: asyncpg.Connection, job: Job, found: list[asyncpg.Record], *, parked: bool) -> Slice:
    """Who changes a row of the queue holds its check; those that were claimed meanwhile are not there any more."""
    ids = [row["check_id"] for row in found]
    if ids:
        await connection.execute(sql.LOCK_CHECKS, ids)
        await connection.execute(sql.PARK, ids, parked)
    return Slice(ids[-1] if ids else job.last, len(ids), len(ids) < MOST_PER_SLICE)
