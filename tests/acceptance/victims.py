"""Which processes there are to kill, and what each had in hand when it died."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from tests.acceptance.fleet import Fleet
from tests.acceptance.pages import Site
from tests.acceptance.processes import Service
from tests.integration.servers import Nsqd

KINDS = ("fetcher", "nsqd", "scheduler", "recorder", "gateway", "nsqlookupd", "postgres")
"""First those whose work waits for leases to end, so that the rest passes meanwhile."""
DEFAULT_SEED = 20_260
SETTLE_S = 0.03  # what a stopped process has sent is in its peers by then
SYNC_S = 0.2  # twice nsqd's --sync-timeout: what it was told later than that, it may have forgotten
CHECKS = ("checks", "checks.bulk")


Count = Callable[[Fleet], Awaitable[int]]


class Victim(Protocol):
    """What can be killed and started again."""

    async def kill(self) -> None: ...
    async def start(self) -> None: ...


def seeded(name: str) -> random.Random:
    """A source of moments, the same in every run; WORDWATCH_TEST_SEED changes it."""
    seed = f"{os.environ.get('WORDWATCH_TEST_SEED', DEFAULT_SEED)} {name}"
    print(f"seed: WORDWATCH_TEST_SEED={seed}")
    return random.Random(seed)


def of_kind(stack: Fleet, kind: str) -> Sequence[Victim]:
    """All processes of a kind."""
    found: dict[str, Sequence[Victim]] = {
        "gateway": stack.gateways,
        "fetcher": stack.fetchers,
        "recorder": stack.recorders,
        "scheduler": stack.schedulers,
        "nsqd": stack.nsqds,
        "nsqlookupd": stack.lookupds,
        "postgres": [stack.postgres],
    }
    return found[kind]


@dataclass(frozen=True)
class Death:
    """One kill.

    Attributes:
        at: seconds since 1970.
        under_way: checks that were accepted and in no final state just before.
        may_repeat: how many fetches more than one per check it excuses at most.
    """

    kind: str
    at: float
    under_way: int
    may_repeat: int


async def kill(stack: Fleet, kind: str, victim: Victim, pages: Site, *, count: Count | None = None) -> Death:
    """Kills one process, and finds out what it had in hand.

    A fetcher or a recorder is stopped first, so that nsqd tells exactly what it has delivered to it and heard no FIN
    of; nsqd itself is asked just before, and all fetches that began or ended in those moments are added.

    Args:
        count: counts what is under way; None: PostgreSQL is asked.
    """
    may_repeat = 0
    if isinstance(victim, Service) and kind in ("fetcher", "recorder"):
        victim.freeze()
        await asyncio.sleep(SETTLE_S)
        may_repeat = await in_flight(stack, CHECKS if kind == "fetcher" else ("commands",), pid=victim.pid)
    still = await (count or under_way)(stack)
    if isinstance(victim, Nsqd):
        asked_s = time.monotonic()
        may_repeat = await in_flight(stack, CHECKS, nsqds=[victim])
        await victim.kill()
        seen = await pages.seen()
        may_repeat += sum(1 for began_s in seen.began_s if began_s >= asked_s)
        may_repeat += sum(1 for ended_s in seen.ended_s if ended_s >= asked_s - SYNC_S)
    at = time.time()
    await victim.kill()
    return Death(kind, at, still, may_repeat)


async def under_way(stack: Fleet) -> int:
    """Checks that are accepted and in no final state."""
    found: int = await stack.postgres.ask("SELECT count(*) FROM checks WHERE status IN ('queued', 'running')")
    return found


async def _channels(stack: Fleet, topics: Sequence[str], nsqds: Sequence[Nsqd] | None = None) -> list[dict[str, Any]]:
    found = []
    async with aiohttp.ClientSession() as http:
        for nsqd in stack.nsqds if nsqds is None else nsqds:
            try:
                async with http.get(f"http://{nsqd.http}/stats", params={"format": "json"}) as answer:
                    stats: dict[str, Any] = await answer.json(content_type=None)
            except aiohttp.ClientConnectorError:
                continue  # it is dead
            mine = [topic for topic in stats["topics"] if topic["topic_name"] in topics]
            found += [channel for topic in mine for channel in topic["channels"]]
    return found


async def in_flight(
    stack: Fleet, topics: Sequence[str], *, pid: int | None = None, nsqds: Sequence[Nsqd] | None = None
) -> int:
    """Messages that consumers have (those of one process), as all nsqds see it, or those named."""
    return sum(
        client["in_flight_count"]
        for channel in await _channels(stack, topics, nsqds)
        for client in channel["clients"] or ()
        if pid is None or client["client_id"].endswith(f"-{pid}")
    )


async def waiting(stack: Fleet, topics: Sequence[str], nsqd: Nsqd) -> int:
    """Messages that one nsqd has, in anybody's hands or in nobody's."""
    channels = await _channels(stack, topics, [nsqd])
    return sum(max(0, c["depth"]) + c["in_flight_count"] + c["deferred_count"] for c in channels)


async def unfinished(stack: Fleet, topics: Sequence[str]) -> int:
    """Messages that were delivered and that nsqd has had no FIN for, those of consumers that are dead among them."""
    return sum(channel["in_flight_count"] for channel in await _channels(stack, topics))


async def all_quiet(stack: Fleet) -> bool:
    """Whether no message waits anywhere and nobody has one, and PostgreSQL has no check that waits for its attempt."""
    channels = await _channels(stack, (*CHECKS, "commands", "results"))
    # nsqd may count less than 0 after it was killed.
    moving = [c for c in channels if c["depth"] > 0 or c["in_flight_count"] > 0 or c["deferred_count"] > 0]
    return not moving and await stack.postgres.ask("SELECT count(*) FROM queue") == 0


def dead_by_themselves(stack: Fleet) -> list[str]:
    """Services that ended though nobody killed them."""
    return [
        f"{service.name}: {service.returncode}\n{service.log[-2000:]}"
        for service in stack.services
        if service.returncode is not None
    ]
