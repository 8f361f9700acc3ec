"""All that touches hosts, leases and checks, at random and at once; an observer looks whether the limits hold."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.recorder.audit import broken_rules
from services.recorder.items import Asked
from services.recorder.store import flush
from services.scheduler import sql as scheduler_sql
from shared import claims, messages
from shared.db import connect
from shared.ids import new_id
from shared.messages import ClaimedCheck
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.recorder.uploads import checks_of, upload

CONCURRENCY, RATE_PER_S = 2, 40.0
HOSTS = [f"h{n}" for n in range(8)]
TRUSTED = "trusted"
CAPACITY = 40
CONFIG = config(host_concurrency=CONCURRENCY, host_rate_per_s=RATE_PER_S, trusted_hosts=TRUSTED, retry_base_s=0.05)
MOST_OPEN = 400

_OVER = f"""
SELECT l.host, count(*) FROM leases l, (SELECT clock_timestamp() AS t) now
WHERE l.not_after > now.t AND l.host <> '{TRUSTED}' GROUP BY l.host HAVING count(*) > {CONCURRENCY}
"""  # noqa: S608
# Each open check waits in the queue or is claimed, and never both; what is final waits for nothing.
_ASTRAY = """
SELECT c.id, c.status, c.first_attempt, c.last_attempt, q.attempt AS queued, l.attempt AS leased
FROM checks c LEFT JOIN queue q ON q.check_id = c.id
LEFT JOIN leases l ON l.check_id = c.id AND l.attempt = c.last_attempt AND l.attempt >= c.first_attempt
WHERE CASE WHEN c.status IN ('queued', 'running') THEN (q.check_id IS NULL) = (l.check_id IS NULL)
           ELSE q.check_id IS NOT NULL END
"""
_STRAY_QUEUE = """
SELECT count(*) FROM queue q LEFT JOIN checks c ON c.id = q.check_id
WHERE c.id IS NULL OR q.attempt <> c.last_attempt + 1 OR q.host <> c.host OR q.bulk <> c.bulk
"""
_SHORTEN = """
WITH few AS (SELECT check_id, attempt, host FROM leases WHERE not_after > clock_timestamp() + interval '1 s'
              ORDER BY random() LIMIT 3 FOR UPDATE SKIP LOCKED)
UPDATE leases l SET not_after = clock_timestamp() + random() * interval '300 ms'
FROM few WHERE l.check_id = few.check_id AND l.attempt = few.attempt
"""


@dataclass
class Arena:
    """What all share: what is claimed and not reported yet, all ids, all starts that were planned."""

    db: Database
    rng: random.Random
    until_s: float
    held: list[ClaimedCheck] = field(default_factory=list)
    ids: list[UUID] = field(default_factory=list)
    deleted: set[UUID] = field(default_factory=set)
    starts: dict[str, list[float]] = field(default_factory=dict)
    names: set[tuple[UUID, int]] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    most_out: int = 0

    def take(self, claimed: list[ClaimedCheck]) -> None:
        """Notes what was claimed; no attempt may be handed out twice."""
        for check in claimed:
            name = (check.check_id, check.attempt)
            assert name not in self.names, f"attempt {name} was claimed twice"
            self.names.add(name)
            self.starts.setdefault(check.host, []).append(check.not_before.timestamp())
        self.held += claimed
        self.seen["claimed"] += len(claimed)

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self.until_s

    def some_held(self) -> list[ClaimedCheck]:
        """Takes some of what is claimed out of everybody's hands."""
        self.rng.shuffle(self.held)
        number = self.rng.randint(0, min(12, len(self.held)))
        taken, self.held = self.held[:number], self.held[number:]
        return taken


def reports(arena: Arena) -> list[messages.Report]:
    """What fetchers say of some of the checks they have: counts, failures, too late, nothing, or the same twice."""
    made: list[messages.Report] = []
    for check in arena.some_held():
        kind = arena.rng.choices(["count", "failure", "late", "started", "silence", "twice"], [8, 3, 2, 2, 1, 1])[0]
        arena.seen[kind] += 1
        if kind in ("count", "twice"):
            made += [factories.counted(check)] * (2 if kind == "twice" else 1)
        elif kind == "failure":
            made.append(factories.failed(check, retry=arena.rng.random() < 0.8))
        elif kind == "late":
            made.append(messages.AttemptsLate(fetcher="f", attempts=(factories.ref(check),)))
        elif kind == "started":
            made.append(messages.AttemptsStarted(fetcher="f", attempts=(factories.ref(check),)))
            arena.held.append(check)
    return made


def commands(arena: Arena) -> list[messages.LoneCommand]:
    """What people ask for: new checks while there are not too many, and changes of old ones."""
    made: list[messages.LoneCommand] = []
    if arena.seen["submitted"] - arena.seen["count"] < MOST_OPEN:
        for _ in range(arena.rng.randint(0, 8)):
            host = arena.rng.choice([*HOSTS, TRUSTED])
            new = factories.submit(host=host)
            made.append(new)
            arena.ids.append(new.check_id)
            arena.seen["submitted"] += 1
    for _ in range(arena.rng.randint(0, 3) if arena.ids else 0):
        kinds: list[type[messages.CheckCommand]] = [messages.CancelCheck, messages.RetryCheck, messages.DeleteCheck]
        kind = arena.rng.choices(kinds, [4, 5, 1])[0]
        expires_at = factories.now() + timedelta(seconds=60)
        check_id = arena.rng.choice(arena.ids[-200:])
        order: messages.CheckCommand = kind(id=new_id(), expires_at=expires_at, check_id=check_id)
        made.append(order)
        arena.seen[kind.__name__] += 1
        if kind is messages.DeleteCheck:
            arena.deleted.add(check_id)
    return made


async def record(arena: Arena) -> None:
    """A recorder: flushes what fetchers and people say; what fails for a lost race is flushed again, as it is."""
    connection = await connect.connect(arena.db.url, role="wordwatch_recorder")
    try:
        while arena.is_open:
            here = [factories.here(capacity=CAPACITY)] if arena.rng.random() < 0.1 else []
            items = [*here, *reports(arena), *(Asked(command) for command in commands(arena))]
            for _ in range(20):
                try:
                    done = await flush(connection, items, CONFIG, lambda: arena.rng.uniform(0.5, 1.5))
                    break
                except asyncpg.DeadlockDetectedError:
                    arena.seen["deadlocks of recorders"] += 1
            else:
                raise AssertionError("a flush met a deadlock twenty times")
            arena.take(done.claimed)
            await asyncio.sleep(arena.rng.uniform(0, 0.01))
    finally:
        await connection.close()


async def schedule(arena: Arena) -> None:
    """A scheduler: claims, and loses what it claimed now and then."""
    connection = await connect.connect(arena.db.url, role="wordwatch_scheduler")
    arguments = claims.claim_arguments(CONFIG, None)
    try:
        while arena.is_open:
            rows = await connection.fetch(claims.CLAIM, *arguments)
            arena.take([claims.from_row(row) for row in rows])
            arena.seen["claimed by schedulers"] += len(rows)
            if arena.rng.random() < 0.05:
                arena.some_held()
            await asyncio.sleep(arena.rng.uniform(0, 0.02))
    finally:
        await connection.close()


async def sweep(arena: Arena) -> None:
    """A scheduler's sweep, and time that flies: some leases end sooner than they should have."""
    scheduler = await connect.connect(arena.db.url, role="wordwatch_scheduler")
    admin = await connect.connect(arena.db.url)
    arguments = (0.2, 500, CONCURRENCY, RATE_PER_S, [TRUSTED])
    try:
        while arena.is_open:
            await admin.execute(_SHORTEN)
            arena.seen["swept"] += await scheduler.fetchval(scheduler_sql.SWEEP, *arguments)
            await asyncio.sleep(arena.rng.uniform(0.02, 0.1))
    finally:
        await scheduler.close()
        await admin.close()


async def observe(arena: Arena) -> None:
    """Looks, all the time, for a host over its limits, and for a check that is nowhere or in two places."""
    connection = await connect.connect(arena.db.url)
    try:
        while arena.is_open:
            assert await connection.fetch(_OVER) == []
            assert await connection.fetch(_ASTRAY) == []
            assert await connection.fetchval(_STRAY_QUEUE) == 0
            out = await connection.fetchval("SELECT count(*) FROM leases WHERE not_after > clock_timestamp()")
            arena.most_out = max(arena.most_out, out)
            arena.seen["looks"] += 1
            if arena.seen["looks"] % 10 == 0:
                assert await broken_rules(connection, [TRUSTED]) == []
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def settle(arena: Arena) -> None:
    """Everybody is done: what is claimed is counted, what was lost is swept, until nothing is open."""
    deadline_s = time.monotonic() + 30
    while await arena.db.count("checks WHERE status IN ('queued', 'running')"):
        assert time.monotonic() < deadline_s, await arena.db.recorder.fetch(_ASTRAY)
        await arena.db.end_leases()
        async with arena.db.scheduler() as sweeper:
            await sweeper.fetchval(scheduler_sql.SWEEP, 0, 500, CONCURRENCY, RATE_PER_S, [TRUSTED])
        await arena.db.let_pauses_pass()
        await arena.db.flush(factories.here(capacity=1000), config=CONFIG)
        while claimed := await arena.db.claim(CONFIG):
            while claimed:
                claimed = (await arena.db.flush(*map(factories.counted, claimed), config=CONFIG)).claimed


@pytest.mark.parametrize("lasts_s", [20, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(240)])])
async def test_rules_5_to_11_hold_whoever_claims_reports_sweeps_and_changes_checks_at_once(
    db: Database, lasts_s: float
) -> None:
    arena = Arena(db, random.Random(11), time.monotonic() + lasts_s)
    await db.flush(factories.here(capacity=CAPACITY), config=CONFIG)
    async with asyncio.TaskGroup() as group:
        for work in (record, record, schedule, schedule, schedule, sweep, observe):
            group.create_task(work(arena))
        group.create_task(bulk(arena))
    pace = {host: paces(starts) for host, starts in arena.starts.items() if host != TRUSTED}
    print(
        dict(arena.seen),
        f"at most {arena.most_out} out of {2 * CAPACITY}; starts over the pace: {max(pace.values()):+.2f}",
    )
    await settle(arena)

    assert await db.recorder.fetch(_ASTRAY) == []
    assert await broken_rules(db.recorder, [TRUSTED]) == []
    assert await db.count("queue") == 0
    there = {row["id"] for row in await db.recorder.fetch("SELECT id FROM checks")}
    assert set(arena.ids) - arena.deleted <= there, "a check was lost"
    assert max(pace.values()) <= 1e-3
    for kind in ("count", "failure", "late", "swept", "CancelCheck", "RetryCheck", "DeleteCheck", "looks", "batches"):
        assert arena.seen[kind] > 0, kind
    assert arena.seen["deadlocks of recorders"] == 0


def paces(starts: list[float]) -> float:
    """By how many planned starts the worst window exceeds `rate × T + 1`."""
    best, worst = float("inf"), -float("inf")
    for n, start in enumerate(sorted(starts)):
        best = min(best, n - RATE_PER_S * start)
        worst = max(worst, n + 1 - RATE_PER_S * start - best)
    return worst - 1


async def bulk(arena: Arena) -> None:
    """Uploads of many pages, which become checks beside all else."""
    connection = await connect.connect(arena.db.url, role="wordwatch_recorder")
    pages = dict.fromkeys([*HOSTS, TRUSTED], 3)
    try:
        while arena.is_open:
            if arena.seen["submitted"] - arena.seen["count"] < MOST_OPEN:
                batch = await upload(connection, pages, CONFIG)
                arena.ids += checks_of(batch, range(1, sum(pages.values()) + 1))
                arena.seen["submitted"] += sum(pages.values())
                arena.seen["batches"] += 1
            await asyncio.sleep(0.2)
    finally:
        await connection.close()
