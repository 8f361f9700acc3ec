"""Does jobs slice by slice, and gives up uploads that broke off without a word."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import asyncpg
import structlog

from services.recorder import faults
from services.recorder.batches import ending, filing, jobs, parking, reaper, renewing, sql
from services.recorder.batches.jobs import Job, Slice, Withdrawn
from services.recorder.batches.orders import JobKind
from services.recorder.metrics import Metrics
from services.recorder.persistence import Persistent
from shared.clock import MonotonicClock, monotonic_s
from shared.settings import Settings

log = structlog.get_logger(__name__)

SLICE_WITHIN_S: Final = 15.0
LOOK_EVERY_S: Final = 1.0
"""For jobs that another recorder has left, or just made."""
BREATH_S: Final = 0.005
IDLE_BREATH, BUSY_BREATH = 0.25, 3.0
"""Between two slices others get their turn: a command about the batch, which waits for the row of the job, and whoever
needs the processor and the disk. At least `BREATH_S`, and so many times what the slice took, by whether there are
flushes that it may have slowed down."""
REAP_EVERY_S: Final = 5.0
PUT_OFF_S: Final = 60.0

SLICES: Final[Mapping[JobKind, Callable[[asyncpg.Connection, Job, Settings], Awaitable[Slice]]]] = {
    "file": filing.file,
    "park": parking.park,
    "unpark": parking.unpark,
    "cancel": ending.cancel,
    "retry": renewing.retry,
    "delete": ending.delete,
    "retry_checks": renewing.retry_checks,
}


async def do_slice(connection: asyncpg.Connection, config: Settings) -> tuple[Job, Slice] | None:
    """One slice of the job that waits longest, committed; None if there is none to do.

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
            done = await SLICES[job.kind](connection, job, config)
            await jobs.move(connection, job, done)
    except Withdrawn:
        return (job, Slice(job.after)) if job is not None else None
    except asyncpg.PostgresError as error:
        if job is None or not faults.is_data(error):
            raise
        raise SliceRefused(job, error) from error
    return job, done


class SliceRefused(Exception):
    """PostgreSQL refuses what a job would write: a defect of ours, which must not hold up other jobs."""

    def __init__(self, job: Job, error: asyncpg.PostgresError) -> None:
        super().__init__(str(job.id))
        self.job = job
        self.error = error


class JobWorker:
    """One slice after another while there are jobs, for ever.

    Args:
        database: a connection that nobody else uses.
        config: limits of hosts.
        metrics: the recorder's.
        hears: whether there are commands about batches that wait to be applied.
        is_busy: whether the recorder has flushes to make meanwhile.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        database: Persistent,
        config: Settings,
        metrics: Metrics,
        hears: Callable[[], bool],
        is_busy: Callable[[], bool],
        clock: MonotonicClock = monotonic_s,
    ) -> None:
        self._hears = hears
        self._is_busy = is_busy
        self._database = database
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._woken = asyncio.Event()
        self._reap_at_s = clock() + reaper.SILENT_S  # what waited for this recorder is to be heard first

    def wake(self) -> None:
        """Says that there may be a new job."""
        self._woken.set()

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            while True:
                self._woken.clear()
                await self._reap()
                began_s = self._clock()
                if await self._slice():
                    breath = BUSY_BREATH if self._is_busy() else IDLE_BREATH
                    await asyncio.sleep(max(BREATH_S, (self._clock() - began_s) * breath))
                else:
                    await self._rest()
        finally:
            self._database.drop()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _slice(self) -> bool:
        began_s = time.perf_counter()
        try:
            done = await self._database.commit(partial(do_slice, config=self._config))
        except SliceRefused as refused:
            job = refused.job
            self._metrics.culprits.inc()
            log.error("PostgreSQL refuses a slice of a job", error=faults.said(refused.error), **_names(job))
            await self._database.commit(lambda connection: connection.execute(sql.PUT_OFF_JOB, job.id, PUT_OFF_S))
            return True
        if done is None:
            return False
        job, made = done
        self._metrics.slice(job.kind, made.changed, time.perf_counter() - began_s)
        if made.finished:
            log.info("job done", changed=job.changed + made.changed, **_names(job))
        return True

    async def _reap(self) -> None:
        if self._clock() < self._reap_at_s or self._hears():
            return  # signs of life may be among what it has not come to yet
        self._reap_at_s = self._clock() + REAP_EVERY_S
        for given_up in await self._database.commit(reaper.give_up_silent):
            log.warning(
                "batch given up: its upload broke off",
                batch=str(given_up.batch_id),
                records=given_up.records,
                trace=given_up.trace,
            )
            self._metrics.broken_uploads.inc()


def _names(job: Job) -> dict[str, str]:
    batch = {} if job.batch_id is None else {"batch": str(job.batch_id)}
    return {"kind": job.kind, "job": str(job.id), **batch, "trace": job.trace}
