"""Leases while those who hold them, or the database itself, stand still or are gone."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.fetcher.watchdog import Patience
from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.victims import CHECKS, in_flight
from tests.acceptance.visits import all_done, depths, place, rows, submit
from tests.integration.servers import eventually

LEASE_S, FETCH_TIMEOUT_S = 16, 1
CAPACITY_FORGOTTEN_S = 10


@dataclass
class Pile:
    """What is out over some time, looked at again and again."""

    deepest: int = 0
    most_leases: int = 0
    claimed: set[tuple[str, int]] = field(default_factory=set)

    async def watch(self, stack: Fleet, seconds: float) -> None:
        """Looks for so long."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            found = await depths(stack)
            self.deepest = max(self.deepest, found.get("checks", 0) + found.get("checks.bulk", 0))
            leases = await stack.postgres.ask("SELECT array_agg(check_id || ' ' || attempt) FROM leases") or []
            self.most_leases = max(self.most_leases, len(leases))
            self.claimed |= {(name.split()[0], int(name.split()[1])) for name in leases}
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("down_s", [34, pytest.param(600, marks=[pytest.mark.long, pytest.mark.timeout(720)])])
async def test_rules_11_and_14_a_fleet_that_is_gone_makes_no_pile_and_one_that_slept_starts_nothing_stale(
    down_s: float,
) -> None:
    capacity, fetchers, hosts = 4, 3, 60
    settings: dict[str, Any] = {
        "max_in_flight": capacity,
        "host_rate_per_s": 0,
        "lease_s": LEASE_S,
        "fetch_timeout_s": FETCH_TIMEOUT_S,
    }
    async with fleet(fetchers=fetchers, **settings) as stack, place() as pages:
        asleep = stack.fetchers[0]
        asleep.freeze()
        for fetcher in stack.fetchers[1:]:
            await fetcher.kill()
        ids = await submit(stack.api, (pages.url(f"127.0.4.{n + 1}", n) for n in range(hosts)))
        pile = Pile()
        await pile.watch(stack, CAPACITY_FORGOTTEN_S + 2)
        claimed = set(pile.claimed)
        assert claimed, "nothing was released while the fetchers were still counted on"
        await pile.watch(stack, down_s - CAPACITY_FORGOTTEN_S - 2)
        found = await rows(stack)

        assert pages.visits == []
        assert pile.deepest <= 2 * capacity * fetchers
        assert pile.most_leases <= 2 * capacity * fetchers
        assert pile.claimed == claimed, "something was claimed though nobody was there"
        assert await stack.postgres.ask("SELECT count(*) FROM leases") == 0
        assert sum(row["lost"] for row in found.values()) == len(claimed)
        assert await stack.postgres.ask("SELECT count(*) FROM queue") == hosts

        asleep.thaw()
        if (
            down_s > Patience().loop_s
        ):  # its watchdog takes so long a sleep for a hang, and a supervisor starts it again
            await eventually(lambda: not asleep.is_running, what="its end")
            await asleep.kill()
            await asleep.start()
        await all_done(stack, hosts, timeout_s=40)
        found = await rows(stack)
    assert pages.paths_of_all() == sorted(str(n) for n in range(hosts))  # each of them once
    assert [found[id_]["attempts"] for id_ in ids] == [1] * hosts
    for id_, attempt in claimed:
        assert found[id_]["counted_by"] > attempt


async def test_rule_14_a_fetcher_that_slept_longer_than_its_leases_starts_nothing_stale_when_it_wakes() -> None:
    hosts, lease_s = 24, 20
    settings: dict[str, Any] = {
        "max_in_flight": 8,
        "host_rate_per_s": 0,
        "lease_s": lease_s,
        "fetch_timeout_s": FETCH_TIMEOUT_S,
    }
    async with fleet(fetchers=2, msg_timeout_s=3, **settings) as stack, place() as pages:
        asleep = stack.fetchers[0]
        asleep.freeze()
        slept_s = time.time()
        await submit(stack.api, (pages.url(f"127.0.5.{n + 1}", n) for n in range(hosts)))
        assert await in_flight(stack, CHECKS, pid=asleep.pid) > 0, "the sleeper was handed nothing"
        # What it had been handed comes to the other one when nsqd has waited for long enough.
        await all_done(stack, hosts, timeout_s=30)
        await asyncio.sleep(max(0.0, slept_s + lease_s + 3 - time.time()))
        assert len(pages.visits) == hosts
        asleep.thaw()
        await eventually(asleep.answers, what="it is awake")
        await asyncio.sleep(3)  # whatever it still had in hand would have been begun by now
        found = await rows(stack)
    assert pages.paths_of_all() == sorted(str(n) for n in range(hosts))
    assert all(row["status"] == "done" and row["attempts"] == 1 for row in found.values())


async def frozen_database(frozen_s: float, *, lease_s: float, hosts: int = 40) -> None:
    """PostgreSQL stands still while pages are fetched; afterwards none of them may be fetched again."""
    settings: dict[str, Any] = {"host_rate_per_s": 0, "lease_s": lease_s, "fetch_timeout_s": 3, "max_in_flight": 32}
    async with fleet(fetchers=2, **settings) as stack, place() as pages:
        pages.delay_s = lambda _host, _path: 0.5
        await submit(stack.api, (pages.url(f"127.0.6.{n + 1}", n) for n in range(hosts)))
        await eventually(lambda: len(pages.visits) > hosts / 2, what="pages are fetched")
        stack.postgres.freeze()
        await asyncio.sleep(frozen_s)
        stack.postgres.thaw()
        await all_done(stack, hosts, timeout_s=60)
        await asyncio.sleep(CAPACITY_FORGOTTEN_S + 4 if frozen_s > lease_s else 1)  # a sweep would have come by now
        found = await rows(stack)
        lost = await stack.schedulers[0].metric("wordwatch_scheduler_lost_leases_total")
    again = sorted({path for path in pages.paths_of_all() if pages.paths_of_all().count(path) > 1})
    print(
        f"frozen {frozen_s} s, lease {lease_s} s: {len(pages.visits)} fetches of {hosts} pages, {lost:.0f} leases lost"
    )
    assert again == []
    assert all(row["attempts"] == 1 for row in found.values())


async def test_rule_18_a_database_that_stood_still_for_longer_than_a_lease_has_nothing_fetched_again() -> None:
    await frozen_database(19.5, lease_s=18)


@pytest.mark.long
@pytest.mark.timeout(200)
@pytest.mark.parametrize(("frozen_s", "lease_s"), [(30, 18), (30, 20), (30, 45)])
async def test_rule_18_a_database_that_stood_still_has_nothing_fetched_again(frozen_s: float, lease_s: float) -> None:
    await frozen_database(frozen_s, lease_s=lease_s)
