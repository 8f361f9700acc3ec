"""Pages a second of 1, 2 and 4 fetchers, where pages take 200 ms and the processor is no limit."""

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import pages
from bench.site import Site
from bench.stack import HOST_RATE_PER_S, POSTGRES, Stack
from bench.table import Row
from tests.acceptance.fleet import fleet
from tests.integration.servers import free_port

MAX_IN_FLIGHT = 67
"""Of which bulk may have 50."""
SECONDS = 20
DELAY_MS = 200
HOSTS = 440
NUMBERS = (1, 2, 4)
_LEAST_IDLE = 0.10
_PER_FETCHER = 50 * 1000 / DELAY_MS


class Slow(Site):
    """The slow pages."""

    def urls(self, count: int, *, run: str, hosts: int = HOSTS) -> Iterator[str]:
        """So many addresses, no two alike."""
        return (f"http://{pages.host(number % hosts)}:{self.port}/{run}-{number}" for number in range(count))


def idle_s() -> float:
    """Time that all processors together had nothing to do so far, in seconds; Linux."""
    return int(Path("/proc/stat").read_text().split()[4]) / os.sysconf("SC_CLK_TCK")


async def rate(slow: Slow, fetchers: int, seconds: float) -> tuple[float, float]:
    """Pages a second, and the share of the processors' time that nobody needed."""
    settings: dict[str, Any] = {"host_rate_per_s": HOST_RATE_PER_S, "host_concurrency": 4}
    settings |= {"max_in_flight": MAX_IN_FLIGHT}
    async with fleet(fetchers=fetchers, postgres_settings=POSTGRES, log_level="warning", **settings) as fleet_:
        stack = Stack(fleet_, slow)
        await stack.batch(2 * HOSTS)
        idle, began_s = idle_s(), time.perf_counter()
        took = await stack.batch(int(seconds * fetchers * _PER_FETCHER))
        share = (idle_s() - idle) / (time.perf_counter() - began_s) / (os.cpu_count() or 1)
        return took.pages_per_s, share


async def measure(_site: Site, rounds: int, share: float) -> list[Row]:
    """1 2 4 1 2 4."""
    port, found, idle = free_port(), {number: list[float]() for number in NUMBERS}, list[float]()
    async with pages.serving(port, hosts=HOSTS, delay_ms=DELAY_MS, kind="small"):
        for _ in range(rounds):
            for number in NUMBERS:
                per_s, idle_share = await rate(Slow(port), number, SECONDS * share)
                found[number].append(per_s)
                idle.append(idle_share)
    medians = {number: statistics.median(rates) for number, rates in found.items()}
    value = min(medians[number] / medians[1] / number for number in NUMBERS)
    shown = f"{value:.2f} N ({', '.join(f'{rate_:.0f}' for rate_ in medians.values())}; least idle {min(idle):.0%})"
    if min(idle) < _LEAST_IDLE:
        value, shown = 0.0, f"void: {shown}"
    return [Row("pages/s of 1, 2, 4 fetchers, 50 in flight each, pages of 200 ms", value, shown, 0.9, 0.98)]
