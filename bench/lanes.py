"""How long a person's check takes while a batch runs: `python -m bench.lanes [CHECKS] [ROUNDS]`.

Side by side in one run, A B A B: idle, beside batches of 10,000 lines, beside one of 100,000, and beside one whose
hosts allow half of the rate that was reached without limits (once all of its lines have their checks). Prints
percentiles of each round, and the medians over the rounds. All runs on this machine, with a page server under many
loopback addresses.
"""

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import pages
from bench.figures import percentile
from bench.stack import POSTGRES, state_of, upload
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.servers import eventually, free_port

BULK_HOSTS = 400
PERSONS_HOSTS = 40
THINKS_S = 0.05
"""At most, between two checks. Who asks without a pause fills two processors with single checks alone (it did, to 85 %
by the fastest two), and what is asked here is what a batch costs a person, not what persons cost each other."""
_JOBS = "SELECT count(*) FROM jobs WHERE finished_at IS NULL"
_UNDER_WAY = f"SELECT ({_JOBS}) + (SELECT count(*) FROM leases WHERE not_after > now())"  # noqa: S608 - put together of constants


@dataclass
class Round:
    """What one round showed."""

    took_s: list[float] = field(default_factory=list)
    batch_per_s: float = 0.0

    @property
    def p95_ms(self) -> float:
        """Its 95th percentile, in milliseconds."""
        return percentile(self.took_s, 0.95) * 1000

    def __str__(self) -> str:
        return (
            f"p50 {percentile(self.took_s, 0.5) * 1000:6.1f} ms, p95 {self.p95_ms:6.1f} ms, "
            f"p99 {percentile(self.took_s, 0.99) * 1000:6.1f} ms of {len(self.took_s)}; "
            f"batch {self.batch_per_s:6.0f} lines/s"
        )


Run = Callable[[], Awaitable[Round]]


class Bench:
    """One stack and its page server."""

    def __init__(self, stack: Fleet, port: int, checks: int) -> None:
        self._stack = stack
        self._port = port
        self._checks = checks
        self._number = 0

    async def upload(self, lines: int) -> str:
        """A batch over all bulk hosts in turn; returns its address."""
        hosts = (pages.host(PERSONS_HOSTS + n % BULK_HOSTS) for n in range(lines))
        text = "".join(f"http://{host}:{self._port}/{self._number}-{n}\n" for n, host in enumerate(hosts))
        self._number += 1
        return await upload(self._stack, text.encode(), "text/plain")

    async def drop(self, place: str) -> None:
        """Deletes a batch and waits until nothing of it is under way."""
        async with self._stack.api.delete(place) as answer:
            assert answer.status == 204, await answer.text()
        await eventually(self._is_quiet, timeout_s=300, what="nothing under way")

    async def _is_quiet(self) -> bool:
        return not await self._stack.postgres.ask(_UNDER_WAY)

    async def persons(self) -> Round:
        """So many checks, one after another, by a person who waits for each and then thinks for a moment."""
        found, rng = Round(), random.Random(self._checks)  # noqa: S311 - spreads checks, guards nothing
        self._number += 1
        for number in range(self._checks):
            url = f"http://{pages.host(number % PERSONS_HOSTS)}:{self._port}/p{self._number}-{number}"
            began_s = time.perf_counter()
            waiting = {"Prefer": "wait=30"}
            async with self._stack.api.post("/api/v1/checks", json={"url": url}, headers=waiting) as answer:
                body = await answer.json()
                assert (answer.status, body.get("counts")) == (200, {"python": pages.COUNT}), body
            found.took_s.append(time.perf_counter() - began_s)
            await asyncio.sleep(rng.uniform(0, THINKS_S))
        return found

    async def idle(self) -> Round:
        """With no batch."""
        return await self.persons()

    async def beside(self, lines: int, *, filed: bool = False) -> Round:
        """With batches of so many lines, the next one as soon as little of one is left.

        Args:
            lines: of each batch.
            filed: begin only when all lines of the first have their checks, as that is work of its own.
        """
        place = await self.upload(lines)
        stop = asyncio.Event()
        finished: list[str] = []

        async def keep_busy() -> None:
            nonlocal place
            while not stop.is_set():
                left = (await state_of(self._stack, place))["queued"]
                if left < min(3_000, lines / 2):
                    finished.append(place)
                    place = await self.upload(lines)
                await asyncio.sleep(0.25)

        async def moving() -> bool:
            return bool((await state_of(self._stack, place))["done"] >= 200)

        async def complete() -> bool:
            return not await self._stack.postgres.ask(_JOBS)

        await eventually(moving, timeout_s=60, what="a batch that runs")
        if filed:
            await eventually(complete, timeout_s=180, what="a batch whose lines all have their checks")
        busy = asyncio.create_task(keep_busy())
        done, done_s = await self._done(), time.monotonic()
        found = await self.persons()
        found.batch_per_s = (await self._done() - done) / (time.monotonic() - done_s)
        stop.set()
        await busy
        for each in (*finished, place):
            await self.drop(each)
        return found

    async def _done(self) -> float:
        count: float = await self._stack.postgres.ask("SELECT coalesce(sum(done), 0) FROM batches")
        return count


async def measure(checks: int, rounds: int) -> None:
    """All rounds, and what they come to."""
    port = free_port()
    settings: dict[str, Any] = {"host_rate_per_s": 0, "lease_s": 60, "fetch_timeout_s": 30, "log_level": "warning"}
    async with pages.serving(port, hosts=PERSONS_HOSTS + BULK_HOSTS):
        async with fleet(fetchers=2, postgres_settings=POSTGRES, **settings) as stack:
            bench = Bench(stack, port, checks)
            await bench.persons()  # warm
            kinds: dict[str, Run] = {"idle": bench.idle}
            kinds |= {f"{n:,}": partial(bench.beside, n) for n in (10_000, 100_000)}
            full = await compare(kinds, rounds)
        rate = statistics.median(each.batch_per_s for each in full["100,000"])
        held: dict[str, Any] = settings | {"host_rate_per_s": round(rate / 2 / BULK_HOSTS, 2)}
        trusted = ",".join(f"{pages.host(n)}:{port}" for n in range(PERSONS_HOSTS))
        async with fleet(fetchers=2, postgres_settings=POSTGRES, trusted_hosts=trusted, **held) as stack:
            bench = Bench(stack, port, checks)
            await bench.persons()
            half = await compare({"idle": bench.idle, "half": partial(bench.beside, 100_000, filed=True)}, rounds)
    p95 = {name: statistics.median(each.p95_ms for each in found) for name, found in full.items()}
    ratio = p95["100,000"] / p95["10,000"]
    print(f"p95 beside 100,000 lines: {p95['100,000']:.0f} ms (bar 250), {ratio:.2f} of that beside 10,000 (bar 1.5)")
    idle, beside = (statistics.median(each.p95_ms for each in half[name]) for name in ("idle", "half"))
    bar = max(2 * idle, 60)
    print(f"p95 with bulk held to half its rate: {beside:.0f} ms (bar {bar:.0f}, with {idle:.0f} when idle)")


async def compare(kinds: dict[str, Run], rounds: int) -> dict[str, list[Round]]:
    """Each kind in turn, so many times."""
    found: dict[str, list[Round]] = {name: [] for name in kinds}
    for number in range(rounds):
        for name, run in kinds.items():
            found[name].append(await run())
            print(f"round {number + 1}, {name:>8}: {found[name][-1]}", flush=True)
    return found


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(measure(*(arguments + [500, 3][len(arguments) :])))
