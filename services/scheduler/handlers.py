"""The scheduler's round: give up ended leases, claim what is due, publish it."""

import asyncio
import random

import asyncpg
import structlog

from services.scheduler import sql
from services.scheduler.draining import DrainWatch
from services.scheduler.metrics import Metrics
from shared import claims
from shared.backoff import Backoff
from shared.clock import MonotonicClock
from shared.db.connect import UNAVAILABLE, DatabaseError
from shared.db.single import SingleConnection
from shared.messages import ClaimedCheck
from shared.nsq.errors import NsqError
from shared.nsq.producer import Producer
from shared.settings import Settings

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.1
SWEEP_EVERY_S = 1.0
STALLED_AFTER_S = 2.0
ROUND_WITHIN_S = 20.0
_PAUSE_MOST_S = 2.0

# What a database that is going down, or a lost race for locks, raises: the next round may do better.
_PASSING = (*UNAVAILABLE, DatabaseError, asyncpg.TransactionRollbackError, asyncpg.QueryCanceledError)


class Scheduler:
    """Looks for due work ten times a second, for ever."""

    def __init__(
        self,
        *,
        database: SingleConnection,
        producer: Producer,
        watch: DrainWatch,
        config: Settings,
        metrics: Metrics,
        clock: MonotonicClock,
    ) -> None:
        self._database = database
        self._producer = producer
        self._watch = watch
        self._config = config
        self._clock = clock
        self._swept_at_s = 0.0
        self._woken = False
        self._metrics = metrics

    async def run(self) -> None:
        """Makes one round after another until cancelled."""
        try:
            await self._rounds()
        finally:
            self._database.drop()

    async def _rounds(self) -> None:
        backoff = Backoff(rng=random.Random(), cap_s=_PAUSE_MOST_S)  # noqa: S311 - jitter
        while True:
            began_s = self._clock()
            try:
                with self._metrics.round_seconds.time():
                    claimed = await self.round()
                backoff.reset()
            except _PASSING as error:
                claimed = 0
                self._metrics.failed.inc()
                log.warning("round failed, tried again", error=repr(error))
                self._database.drop()
                self._watch.database_stalled()
                await asyncio.sleep(backoff.next_s())
            if self._clock() - began_s > STALLED_AFTER_S:
                self._watch.database_stalled()
            if claimed < claims.MOST_PER_CLAIM:
                await asyncio.sleep(max(0.0, LOOK_EVERY_S - (self._clock() - began_s)))

    async def round(self) -> int:
        """One look: returns how many checks were claimed and published."""
        checks = await self._database.run(self._look, timeout_s=ROUND_WITHIN_S)
        try:
            await claims.publish(self._producer, checks)
        except NsqError as error:
            log.error("claimed checks not published; their leases have to end", checks=len(checks), error=repr(error))
            return 0
        self._metrics.claimed.inc(len(checks))
        self._metrics.claims.published(checks)
        return len(checks)

    async def _look(self, connection: asyncpg.Connection) -> list[ClaimedCheck]:
        if not self._woken:
            await connection.execute(sql.WAKE_HOSTS, claims.trusted(self._config))
            self._woken = True
        if self._clock() - self._swept_at_s >= SWEEP_EVERY_S:
            self._swept_at_s = self._clock()
            await self._sweep(connection)
        if not self._producer.ready():
            return []  # a claim that can't be published would wait for its lease to end
        # In a transaction of our own: a server that comes to a claim late, when we have given it up, must not make it.
        async with connection.transaction():
            rows = await connection.fetch(claims.CLAIM, *claims.claim_arguments(self._config, None))
        return [claims.from_row(row) for row in rows]

    async def _sweep(self, connection: asyncpg.Connection) -> None:
        config, asked_s = self._config, self._clock()
        # The transaction's start tells the database's time: one that pauses after it has no more leases ended by that.
        async with connection.transaction():
            began_s = self._clock()
            if began_s - asked_s > STALLED_AFTER_S:
                self._watch.database_stalled()
            lost: int = await connection.fetchval(
                sql.SWEEP,
                self._watch.ended_for_s(began_s),
                claims.MOST_PER_CLAIM,
                config.host_concurrency,
                config.host_rate_per_s,
                claims.trusted(config),
            )
        if lost:
            self._metrics.lost.inc(lost)
            log.warning("leases ended without a result", checks=lost)
