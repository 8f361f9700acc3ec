"""What asks for robots.txt, over a real session, without the fetcher around it."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from services.fetcher.fetching.addresses import parse_allow
from services.fetcher.fetching.client import open_session, tls_context
from services.fetcher.fetching.fetch import FetchLimits
from services.fetcher.fetching.limits import HopLimits
from services.fetcher.robots.asking import Asking, Cost, limits_within
from services.fetcher.robots.big_files import BigFiles
from services.fetcher.robots.cache import Cache
from services.fetcher.robots.gate import Robots
from services.fetcher.robots.metrics import Metrics
from shared.clock import monotonic_s
from shared.errors import FetchError
from shared.urls import normalize

_TLS = tls_context()  # reading the system's certificates takes longer than most of these tests
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Day:
    """A clock that goes on by itself, and can be set forward."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return monotonic_s() + self.ahead_s


@dataclass
class Gate:
    """`Robots`, and the clock of its cache."""

    robots: Robots
    day: Day
    registry: CollectorRegistry

    async def may(self, url: str, *, first: bool = True) -> Cost:
        """Ask as a check of that address would."""
        address, cost = normalize(url), Cost()
        await self.robots.require(address, home=address.host_key, first=first, cost=cost)
        return cost

    async def refusal(self, url: str) -> FetchError:
        """Ask where the answer is no; return it."""
        with pytest.raises(FetchError) as caught:
            await self.may(url)
        return caught.value

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"wordwatch_fetcher_robots_{name}", labels) or 0


@asynccontextmanager
async def open_gate(
    *,
    allow: str = "127.0.0.0/8",
    ignored: Collection[str] = (),
    hops: HopLimits | None = None,
    limits: FetchLimits | None = None,
) -> AsyncIterator[Gate]:
    day, registry = Day(), CollectorRegistry()
    async with open_session(allow=parse_allow(allow), user_agent="wordwatch-test", tls=_TLS) as session:
        asking = Asking(
            session,
            limits or limits_within(15),
            HopLimits(concurrency=10, spacing_s=0) if hops is None else hops,
            BigFiles(),
            utc_now=lambda: NOW,
            clock=monotonic_s,
        )
        robots = Robots(asking, Cache(clock=day), ignored=ignored, metrics=Metrics(registry))
        try:
            yield Gate(robots, day, registry)
        finally:
            await robots.stop()
            robots.close()
