"""One slice of a job, whatever its kind: a transaction that notes how far the job has come by it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import asyncpg

from services.recorder import faults
from services.recorder.batches import ending, filing, jobs, parking, renewing
from services.recorder.batches.jobs import Job, Slice, Withdrawn
from services.recorder.batches.orders import JobKind
from shared.settings import Settings

SLICES: Final[Mapping[JobKind, Callable[[asyncpg.Connection, Job, Settings], Awaitable[Slice]]]] = {
    "file": filing.file,
    "park": parking.park,
    "unpark": parking.unpark,
    "cancel": ending.cancel,
    "retry": renewing.retry,
    "delete": ending.delete,
    "retry_checks": renewing.retry_checks,
}


class SliceRefused(Exception):
    """PostgreSQL refuses what a job would write: a defect of ours, which must not hold up other jobs."""

    def __init__(self, job: Job, error: asyncpg.PostgresError) -> None:
        super().__init__(str(job.id))
        self.job = job
        self.error = error


def _nobody(_job: Job) -> None:
    pass


async def do_slice(
    connection: asyncpg.Connection, config: Settings, *, taken: Callable[[Job], None] = _nobody
) -> tuple[Job, Slice] | None:
    """One slice of the job that waits longest, committed; None if there is none to do.

    Args:
        connection: with nothing under way.
        config: limits of hosts.
        taken: told which job it is, before anything is done.

    Raises:
        SliceRefused: PostgreSQL refuses what the job would write.
        asyncpg.PostgresError, OSError, …: nothing was committed.
    """
    job = None
    try:
        async with connection.transaction():
            job = await jobs.take(connection)
            if job is None:
                return None
            taken(job)
            done = await SLICES[job.kind](connection, job, config)
            await jobs.move(connection, job, done)
    except Withdrawn:
        return (job, Slice(job.after)) if job is not None else None
    except asyncpg.PostgresError as error:
        if job is None or not faults.is_data(error):
            raise
        raise SliceRefused(job, error) from error
    return job, done
