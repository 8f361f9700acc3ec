"""What a claim costs while much more is queued than may start: it must not depend on how much that is."""

import re
import statistics
from dataclasses import dataclass

import asyncpg
import pytest

from shared import claims, settings
from shared.db import connect
from tests import factories
from tests.integration.recorder.database import Database
from tests.integration.scheduler.crowds import Crowd

FREE_HOSTS = 10
# A check that is claimed: its row and place in the queue, its lease, its host, and their indices.
BUFFERS_PER_CHECK = 80
BUFFERS_BESIDES = 300
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM claim_checks(NULL, 500, 2, 4, 60, '{}')"


@dataclass(frozen=True)
class Cost:
    """Of one claim: checks, milliseconds in PostgreSQL, and pages looked at (of 8 KiB, as often as they were)."""

    claimed: int
    took_ms: float
    buffers: int


async def explained(scheduler: asyncpg.Connection) -> Cost:
    """A claim as the scheduler makes it."""
    lines = [row[0] for row in await scheduler.fetch(_EXPLAIN)]
    text = "\n".join(lines)
    claimed = re.search(r"rows=([\d.]+) loops", lines[0])
    took = re.search(r"Execution Time: ([\d.]+) ms", text)
    buffers = re.search(r"Buffers: (.*)", text)
    assert claimed, text
    assert took, text
    assert buffers, text
    looked_at = sum(int(number) for number in re.findall(r"(?:hit|read)=(\d+)", buffers[1]))
    return Cost(int(float(claimed[1])), float(took[1]), looked_at)


async def measured(crowd: Crowd, scheduler: asyncpg.Connection, *, calls: int, first: int) -> list[Cost]:
    """Claims, each with ten other hosts free and all the rest full."""
    costs = []
    for n in range(calls):
        await crowd.free(crowd.names(first + n * FREE_HOSTS, FREE_HOSTS))
        costs.append(await explained(scheduler))
    return costs


async def live(crowd: Crowd, url: str, lives: int) -> None:
    """So many checks are claimed and counted, on all hosts in turn, and what they leave behind stays there."""
    for table in ("checks", "queue", "leases", "hosts", "results"):
        await crowd.admin.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    recorder = Database(url, await connect.connect(url, role="wordwatch_recorder"))
    scheduler = await connect.connect(url, role="wordwatch_scheduler")
    lived = first = 0
    unpaced = settings.load({"WORDWATCH_HOST_RATE_PER_S": "0"})
    try:
        while lived < lives:
            await crowd.free(crowd.names(first, 250))
            rows = await scheduler.fetch(claims.CLAIM, *claims.claim_arguments(unpaced, None))
            claimed = [claims.from_row(row) for row in rows]
            # The commit of the results claims the next ones, so that the hosts are full again.
            following = (await recorder.flush(*map(factories.counted, claimed), config=unpaced)).claimed
            assert len(claimed) == len(following) == 500
            lived += len(claimed)
            first += 250
    finally:
        await recorder.recorder.close()
        await scheduler.close()


def shown(name: str, costs: list[Cost]) -> str:
    """The figures, for a person."""
    took = sorted(cost.took_ms for cost in costs)
    p95 = took[int(len(took) * 0.95)]
    pages = statistics.median(cost.buffers for cost in costs)
    return f"{name}: p50 {statistics.median(took):.2f} p95 {p95:.2f} max {took[-1]:.2f} ms, {pages:.0f} pages a call"


async def test_a_claim_looks_at_what_it_claims_and_not_at_what_is_queued(database_url: str) -> None:
    crowd = await Crowd.gather(database_url, hosts=1_000, checks=100_000)
    scheduler = await connect.connect(database_url, role="wordwatch_scheduler")
    await measured(crowd, scheduler, calls=3, first=900)  # the first ones look into the catalogue
    costs = await measured(crowd, scheduler, calls=20, first=0)
    idle = await explained(scheduler)
    print(shown("100,000 checks on 1,000 hosts", costs), idle)
    assert [cost.claimed for cost in costs] == [2 * FREE_HOSTS] * 20
    assert max(cost.buffers for cost in costs) <= BUFFERS_BESIDES + BUFFERS_PER_CHECK * 2 * FREE_HOSTS
    assert (idle.claimed, idle.buffers <= BUFFERS_BESIDES) == (0, True)
    await scheduler.close()
    await crowd.admin.close()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_claim_takes_under_10_ms_with_1000000_checks_on_10000_hosts(database_url: str) -> None:
    crowd = await Crowd.gather(database_url, hosts=10_000, checks=1_000_000)
    scheduler = await connect.connect(database_url, role="wordwatch_scheduler")
    await measured(crowd, scheduler, calls=3, first=9_900)
    fresh = await measured(crowd, scheduler, calls=200, first=0)
    print(shown("fresh", fresh))
    await live(crowd, database_url, 20_000)
    bloated = await measured(crowd, scheduler, calls=200, first=5_000)
    print(shown("after 20,000 lives without vacuum", bloated))
    for costs in (fresh, bloated):
        assert {cost.claimed for cost in costs} == {2 * FREE_HOSTS}
        assert statistics.median(cost.took_ms for cost in costs) < 10
    await scheduler.close()
    await crowd.admin.close()
