"""The whole of wordwatch beside nginx, as the measurements use it: batches, and what they took."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.processes import cpu_s
from bench.site import HOSTS, Site
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.servers import eventually

POSTGRES = {"listen_addresses": "127.0.0.1", "max_connections": "100", "shared_buffers": "256MB", "max_wal_size": "4GB"}
HOST_RATE_PER_S = 20
"""Politeness stays on and does not bind: over all hosts it is more than any machine fetches."""
LOOK_EVERY_S = 0.25
"""How often it is asked whether all is done; when it was, both sides have written down themselves."""
_WITHIN_S = 900


@dataclass(frozen=True, slots=True)
class Took:
    """What so many pages took, in seconds: by the clock, of the processor in all Python processes, and in fetchers."""

    pages: int
    wall_s: float
    python_cpu_s: float
    fetchers_cpu_s: float

    @property
    def pages_per_s(self) -> float:
        """The rate."""
        return self.pages / self.wall_s

    @property
    def python_ms(self) -> float:
        """Processor time of a page in all Python processes, in milliseconds."""
        return self.python_cpu_s / self.pages * 1000

    @property
    def fetchers_ms(self) -> float:
        """The same, in fetchers alone."""
        return self.fetchers_cpu_s / self.pages * 1000


class Stack:
    """One stack and one site."""

    def __init__(self, fleet_: Fleet, site: Site) -> None:
        self.fleet = fleet_
        self._site = site
        self._runs = 0

    async def batch(self, pages: int) -> Took:
        """Counts so many pages in one batch: from the first byte of the upload until the batch is finished."""
        self._runs += 1
        body = "\n".join(["url", *self._site.urls(pages, run=f"ours{self._runs}")]).encode()
        services, fetchers = ([each.pid for each in group] for group in (self.fleet.services, self.fleet.fetchers))
        cpu, own_cpu, began = cpu_s(services), cpu_s(fetchers), datetime.now(UTC)
        place = await upload(self.fleet, body, "text/csv")

        async def finished() -> bool:
            return bool((await state_of(self.fleet, place))["status"] == "finished")

        await eventually(finished, timeout_s=_WITHIN_S, what="a finished batch", every_s=LOOK_EVERY_S)
        state = await state_of(self.fleet, place)
        assert state["done"] == pages, state
        wall_s = (datetime.fromisoformat(state["finished_at"]) - began).total_seconds()
        return Took(pages, wall_s, cpu_s(services) - cpu, cpu_s(fetchers) - own_cpu)


async def upload(fleet: Fleet, body: bytes, content_type: str) -> str:
    """Uploads a batch that counts "python"; returns its address."""
    headers = {"Content-Type": content_type}
    async with fleet.api.post("/api/v1/batches", data=body, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        return answer.headers["Location"]


async def state_of(fleet: Fleet, place: str) -> dict[str, Any]:
    """What the API says of a batch."""
    async with fleet.api.get(place) as answer:
        found: dict[str, Any] = await answer.json()
        return found


@asynccontextmanager
async def running(site: Site, *, fetchers: int, **settings: Any) -> AsyncIterator[Stack]:
    """A stack that has been warmed up, until the block ends."""
    chosen: dict[str, Any] = {"host_rate_per_s": HOST_RATE_PER_S, "lease_s": 60, "fetch_timeout_s": 30}
    chosen |= {"log_level": "warning"} | settings
    async with fleet(fetchers=fetchers, postgres_settings=POSTGRES, **chosen) as fleet_:
        stack = Stack(fleet_, site)
        await stack.batch(2 * HOSTS)  # connections, robots.txt, plans of queries
        yield stack
