"""The job `file`: records of a batch that was closed become checks, in their order."""

import asyncpg

from services.recorder.batches import hosts, sql
from services.recorder.batches.jobs import MOST_PER_SLICE, Job, Slice, Withdrawn
from shared.ids import check_of, seq_of
from shared.settings import Settings


async def file(connection: asyncpg.Connection, job: Job, config: Settings) -> Slice:
    """Makes checks of the next records, due at once; of a batch that is paused they are parked.

    Their hosts are woken by the next slice, when they are committed: so the rows of hosts that are awake, which are
    nearly all when a batch runs, need not be held while checks are made, and no flush waits for that.
    """
    batch = await connection.fetchrow(sql.READ_PROGRESS, job.batch)
    if batch is None or batch["status"] not in {"running", "paused"}:
        return Slice(job.after, finished=True)
    filed, status = batch["filed"], batch["status"]
    (records,) = await connection.fetch(sql.NEXT_TO_FILE, job.batch, filed, MOST_PER_SLICE)
    if records["records"]:
        asked = batch["question"], batch["trace"]
        await connection.execute(sql.FILE, job.batch, filed, records["last"], status == "paused", *asked)
    await _wake(connection, job, filed, config)
    last = batch["total"] if records["records"] < MOST_PER_SLICE else records["last"]
    if not await connection.fetchval(sql.FILED, job.batch, last, status):
        raise Withdrawn
    return Slice(check_of(job.batch, filed), records["records"], finished=filed == batch["total"])


async def _wake(connection: asyncpg.Connection, job: Job, filed: int, config: Settings) -> None:
    """Has schedulers look at the hosts of what was filed by the slice before."""
    found = await connection.fetch(sql.HOSTS_OF_FILED, job.batch, seq_of(job.after), filed)
    await hosts.plan(connection, await hosts.lock_asleep(connection, [row["host"] for row in found], config), config)
