"""Does jobs slice by slice, and gives up uploads that broke off without a word."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import structlog

from services.recorder import faults
from services.recorder.batches import reaper, sql
from services.recorder.batches.jobs import Job
from services.recorder.batches.slices import SliceRefused
from services.recorder.batches.turns import Setbacks, Turn
from services.recorder.metrics import Metrics
from services.recorder.persistence import NotWanted, Persistent
from shared.clock import MonotonicClock, monotonic_s
from shared.settings import Settings

log = structlog.get_logger(__name__)

SLICE_WITHIN_S: Final = 15.0
LOOK_EVERY_S: Final = 1.0
"""For jobs that another recorder has left, or just made."""
BREATH_S, LONGEST_BREATH_S = 0.005, 1.0
IDLE_BREATH, BUSY_BREATH = 0.25, 8.0
"""Between two slices others get their turn: a command about the batch, which waits for the row of the job, and whoever
needs the processor and the disk. At least `BREATH_S`, and so many times what the slice took, by whether there are
flushes that it may have slowed down; but a slice under which PostgreSQL was away for long has slowed nobody down."""
REAP_EVERY_S: Final = 5.0
SURVEY_EVERY_S: Final = 5.0


class JobWorker:
    """One slice after another while there are jobs, for ever.

    Args:
        database: a connection that nobody else uses.
        config: limits of hosts.
        metrics: the recorder's.
        hears: whether there are commands about batches that wait to be applied.
        is_busy: whether the recorder has flushes to make, or had of late.
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
        self._setbacks = Setbacks(random.Random())  # noqa: S311 - spreads retries, guards nothing
        self._survey_at_s = clock()
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
                await self._survey()
                began_s = self._clock()
                if await self._slice():
                    breath = BUSY_BREATH if self._is_busy() else IDLE_BREATH
                    took_s = self._clock() - began_s
                    await asyncio.sleep(min(max(BREATH_S, took_s * breath), LONGEST_BREATH_S))
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
        """Whether one was done."""
        began_s = time.perf_counter()
        turn = Turn(self._config)
        try:
            done = await self._database.commit(turn.run, wanted=turn.may_go_on)
        except SliceRefused as refused:
            self._metrics.culprits.inc()
            await self._put_off(refused.job, "PostgreSQL refuses a slice of a job", faults.said(refused.error))
            return False
        except NotWanted as failed:
            assert turn.blamed is not None  # noqa: S101 - nobody else denies a try
            await self._put_off(turn.blamed, "a slice of a job fails each time", repr(failed.__cause__))
            return False
        if done is None:
            return False
        job, made = done
        self._setbacks.is_over(job.id)
        self._metrics.slice(job.kind, made.changed, time.perf_counter() - began_s)
        if made.finished:
            log.info("job done", changed=job.changed + made.changed, **_names(job))
        return True

    async def _put_off(self, job: Job, why: str, error: str) -> None:
        """Has others go before a job that can't be done as things are. It is kept: somebody was promised it."""
        pause_s = self._setbacks.next_s(job.id)
        self._metrics.put_off(job.kind)
        log.error("job put off", why=why, error=error, again_in_s=round(pause_s), **_names(job))
        await self._database.commit(lambda connection: connection.execute(sql.PUT_OFF_JOB, job.id, pause_s))

    async def _survey(self) -> None:
        if self._clock() >= self._survey_at_s:
            self._survey_at_s = self._clock() + SURVEY_EVERY_S
            oldest_s: float = await self._database.commit(lambda connection: connection.fetchval(sql.OLDEST_JOB_S))
            self._metrics.oldest_job_s.set(oldest_s)

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
