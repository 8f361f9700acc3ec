"""Leases that end without a word, and the scheduler's rounds: on a real PostgreSQL and a real nsqd."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from services.scheduler import app
from services.scheduler.draining import GRACE_S, DrainWatch
from services.scheduler.handlers import LOOK_EVERY_S, STALLED_AFTER_S, Scheduler
from services.scheduler.metrics import Metrics
from shared import messages, topics
from shared.clock import MonotonicClock, monotonic_s
from shared.db.single import SingleConnection
from shared.nsq.lookup import Lookup
from shared.nsq.wiring import Wiring
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.scheduler.waiting import enqueue
from tests.integration.servers import Nsqd, eventually

UNPACED = config(host_rate_per_s=0)
LEASE_S = UNPACED.lease_s


@dataclass
class Clock:
    """Stands still, unless told; `jumps` are seconds that pass before each of the next looks at it."""

    now_s: float = 1000.0
    jumps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.now_s += self.jumps.pop(0) if self.jumps else 0.0
        return self.now_s


@dataclass
class Rounds:
    """A scheduler whose rounds are made by hand."""

    db: Database
    clock: Clock
    watch: DrainWatch
    scheduler: Scheduler

    async def lost(self, *, ended_for_s: float) -> bool:
        """Whether a round gives up a lease that ended so long ago."""
        await self.db.recorder.execute(
            "UPDATE leases SET not_after = clock_timestamp() - make_interval(secs => $1)", ended_for_s
        )
        before = await self.db.count("leases")
        await self.db.recorder.execute("UPDATE fetchers SET capacity = 0, finished_last_s = 0")
        await self.scheduler.round()
        return await self.db.count("leases") < before


@asynccontextmanager
async def rounds(db: Database, nsqd: Nsqd, clock: MonotonicClock | None = None) -> AsyncIterator[Rounds]:
    settings = config(host_rate_per_s=0, nsqd=nsqd.tcp)
    registry, by_hand, watch = CollectorRegistry(), Clock(), DrainWatch(force_s=2 * LEASE_S)
    nsq = Wiring(settings, instance="test", registry=registry)
    producer = nsq.producer()
    database = SingleConnection(db.url, role="wordwatch_scheduler", parameters={})
    scheduler = Scheduler(
        database=database,
        producer=producer,
        watch=watch,
        config=settings,
        metrics=Metrics(registry),
        clock=clock or by_hand,
    )
    async with nsq.lookup, producer:
        await eventually(producer.ready, what="the producer is connected")
        yield Rounds(db, by_hand, watch, scheduler)
        database.drop()


@pytest.fixture
async def hand(db: Database, nsqd: Nsqd) -> AsyncIterator[Rounds]:
    """One check is claimed, and nothing else is to do."""
    await db.flush(factories.submit(), config=UNPACED)
    async with rounds(db, nsqd) as made:
        assert await made.scheduler.round() == 0
        yield made


async def test_rule_18_a_lease_is_given_up_when_results_were_seen_empty_after_its_end_and_10_s_have_passed(
    hand: Rounds,
) -> None:
    assert GRACE_S == 10
    hand.watch.saw_empty(hand.clock())
    hand.clock.now_s += GRACE_S - 0.1
    assert not await hand.lost(ended_for_s=GRACE_S + 1)
    hand.clock.now_s += 1.1  # the round before left the sweep's own second
    assert not await hand.lost(ended_for_s=GRACE_S + 0.5)  # ended after the empty queue was seen
    hand.clock.now_s += 1.0
    assert await hand.lost(ended_for_s=GRACE_S + 5)


async def test_rule_18_without_an_empty_queue_it_takes_two_leases(hand: Rounds) -> None:
    for seconds in range(3):
        hand.clock.now_s += 1 + seconds
        assert not await hand.lost(ended_for_s=2 * LEASE_S - 5)
    hand.clock.now_s += 1
    assert await hand.lost(ended_for_s=2 * LEASE_S + 1)


async def test_rule_18_a_database_that_paused_starts_the_wait_anew(hand: Rounds) -> None:
    hand.watch.saw_empty(hand.clock())
    hand.clock.now_s += GRACE_S + 3
    # The looks at the clock: is a sweep due, when was it, when was it asked for, when did the database answer.
    hand.clock.jumps = [0, 0, 0, STALLED_AFTER_S + 0.1]
    assert not await hand.lost(ended_for_s=GRACE_S + 20)
    hand.watch.saw_empty(hand.clock())
    hand.clock.now_s += GRACE_S + 1
    assert await hand.lost(ended_for_s=GRACE_S + 5)


async def test_rule_18_a_pause_between_question_and_sweep_makes_no_lease_older(db: Database) -> None:
    await db.flush(factories.submit(), config=UNPACED)
    sweep = "SELECT sweep_leases(0, 500, 2, 0, '{}')"
    async with db.scheduler() as paused, paused.transaction():
        await paused.execute("SELECT")
        await db.recorder.execute("UPDATE leases SET not_after = clock_timestamp()")
        assert await paused.fetchval(sweep) == 0
    assert await db.sweep() == 1


async def test_rule_18_pauses_after_lost_leases_grow_to_10_s_at_most(db: Database) -> None:
    await db.flush(factories.submit(), config=UNPACED)
    pauses = []
    for _ in range(7):
        await db.end_leases()
        assert await db.sweep() == 1
        pauses.append(
            float(await db.recorder.fetchval("SELECT extract(epoch FROM due_at - clock_timestamp()) FROM queue"))
        )
        await db.let_pauses_pass()
        assert len(await db.claim(UNPACED)) == 1
    assert all(
        low - 0.2 <= pause <= high
        for pause, (low, high) in zip(
            pauses, [(0, 0), (0.5, 1), (1.5, 3), (3.5, 7), (5, 10), (5, 10), (5, 10)], strict=True
        )
    ), pauses


async def test_rule_18_results_that_wait_anywhere_are_no_empty_queue(nsqd: Nsqd) -> None:
    settings = config(nsqd=nsqd.tcp)
    nsq = Wiring(settings, instance="test", registry=CollectorRegistry())
    producer = nsq.producer()
    watch = DrainWatch(force_s=1000, grace_s=0)
    done = asyncio.Event()
    everywhere = Lookup(nsqd_tcp=(nsqd.tcp,), nsqd_http=(nsqd.http,))
    async with nsq.lookup, everywhere, producer, aiohttp.ClientSession() as session:
        await eventually(producer.ready, what="the producer is connected")
        await producer.publish(topics.RESULTS.name, messages.encode(factories.here()))
        watching = asyncio.create_task(app.watch_results(watch, everywhere, session, monotonic_s))
        await asyncio.sleep(3 * app.WATCH_EVERY_S)
        assert watch.ended_for_s(monotonic_s()) == 1000

        async def take(message: object) -> None:
            done.set()

        reader = nsq.consumer(topics.RESULTS, take, max_in_flight=1)
        reading = asyncio.create_task(reader.run())
        await eventually(lambda: watch.ended_for_s(monotonic_s()) < 1000, what="an empty queue is seen")
        assert done.is_set()
        for task in (watching, reading):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_rule_19_a_claim_that_was_lost_before_its_publishing_waits_for_its_lease(db: Database) -> None:
    await enqueue(db, {"h0": (1, 0)}, UNPACED)
    await db.flush(factories.here())
    (lost,) = await db.claim(UNPACED)  # and the scheduler dies
    assert await db.claim(UNPACED) == []
    assert await db.sweep() == 0
    await db.end_leases()
    assert await db.claim(UNPACED) == []
    assert await db.sweep() == 1
    await db.let_pauses_pass()
    (again,) = await db.claim(UNPACED)
    assert (again.check_id, again.attempt, again.lost) == (lost.check_id, 2, 1)


async def test_rule_19_a_claim_that_a_scheduler_gave_up_is_not_made_later(db: Database, nsqd: Nsqd) -> None:
    await enqueue(db, {"h0": (1, 0)}, UNPACED)
    async with rounds(db, nsqd) as made:
        assert (
            await made.scheduler.round() == 0
        )  # nobody is there to fetch; what comes next is a claim and nothing else
        await db.flush(factories.here())
        async with db.recorder.transaction():
            await db.recorder.execute("LOCK TABLE queue")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(made.scheduler.round(), 0.5)
        await eventually(lambda: nobody_works(db), what="the claim that was given up has ended")
        assert await db.count("leases") == 0
        assert await made.scheduler.round() == 1


async def nobody_works(db: Database) -> bool:
    found = await db.recorder.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return bool(found == 0)


async def test_rule_8_a_scheduler_looks_every_100_ms(db: Database, nsqd: Nsqd) -> None:
    await enqueue(db, {f"h{n}": (1, 0) for n in range(40)}, UNPACED)
    await db.recorder.execute(
        "UPDATE queue SET due_at = clock_timestamp() + interval '1 s' + substr(host, 2)::integer * interval '37 ms'"
    )
    await db.recorder.execute("UPDATE hosts h SET wake_interactive = due_at FROM queue q WHERE q.host = h.host")
    due = {row["host"]: row["due_at"] for row in await db.recorder.fetch("SELECT host, due_at FROM queue")}
    await db.flush(factories.here())
    async with rounds(db, nsqd, clock=monotonic_s) as made:
        running = asyncio.create_task(made.scheduler.run())

        async def all_claimed() -> bool:
            return await db.count("leases") == len(due)

        await eventually(all_claimed, what="all checks are claimed")
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    delays = [
        (row["claimed_at"] - due[row["host"]]).total_seconds()
        for row in await db.recorder.fetch("SELECT * FROM leases")
    ]
    assert min(delays) >= 0
    assert statistics.median(delays) <= LOOK_EVERY_S == 0.1
