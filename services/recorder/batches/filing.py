"""The job `file`: records of a batch that was closed become checks, in their order."""

import asyncpg

from services.recorder.batches import hosts, sql
from services.recorder.batches.jobs import MOST_PER_SLICE, Job, Slice, Withdrawn
from shared.ids import check_of
from shared.settings import Settings


async def file(connection: asyncpg.Connection, job: Job, config: Settings) -> Slice:
    """Makes checks of the next records, due at once; of a batch that is paused they are parked."""
    batch = await connection.fetchrow(sql.READ_PROGRESS, job.batch)
    if batch is None or batch["status"] not in {"running", "paused"}:
        return Slice(job.after, finished=True)
    filed, status = batch["filed"], batch["status"]
    (records,) = await connection.fetch(sql.NEXT_TO_FILE, job.batch, filed, MOST_PER_SLICE)
    if records["records"]:
        held = await hosts.lock(connection, records["hosts"], config)
        asked = batch["question"], batch["trace"]
        await connection.execute(sql.FILE, job.batch, filed, records["last"], status == "paused", *asked)
        await hosts.plan(connection, held, config)
    finished = records["records"] < MOST_PER_SLICE
    last = batch["total"] if finished else records["last"]
    if not await connection.fetchval(sql.FILED, job.batch, last, status):
        raise Withdrawn
    return Slice(check_of(job.batch, last), records["records"], finished)
