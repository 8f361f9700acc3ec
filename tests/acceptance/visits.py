"""A page server under every loopback address at once that notes when each request began and ended, by its own clock."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.acceptance.fleet import Fleet
from tests.integration.servers import eventually, free_port

_SUBMIT_AT_ONCE = 20
_TO_BULK = """
WITH moved AS (UPDATE checks SET bulk = true WHERE id = ANY ($1::uuid[]))
UPDATE queue SET bulk = true WHERE check_id = ANY ($1::uuid[])
"""
_WAKE_BULK = "UPDATE hosts SET wake_bulk = clock_timestamp() WHERE host IN (SELECT host FROM queue WHERE bulk)"


@dataclass
class Visit:
    """One request. Seconds since 1970; one that has not ended, or was broken off, ends at infinity."""

    host: str
    path: str
    began_s: float
    ended_s: float = float("inf")


@dataclass
class Place:
    """The server; `delay_s` says how long a page takes, by host and path."""

    port: int
    delay_s: Callable[[str, str], float] = lambda _host, _path: 0.0
    visits: list[Visit] = field(default_factory=list)

    def url(self, host: str, path: object) -> str:
        return f"http://{host}:{self.port}/{path}"

    def of(self, host: str) -> list[Visit]:
        """The visits of one host, in the order of their starts."""
        return [visit for visit in self.visits if visit.host == host]

    def paths(self, host: str) -> list[str]:
        """What was asked for, as often as it was."""
        return sorted(visit.path for visit in self.of(host))

    def paths_of_all(self) -> list[str]:
        """The same, of all hosts."""
        return sorted(visit.path for visit in self.visits)

    async def serve(self, request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        visit = Visit(host, request.path.lstrip("/"), time.time())
        self.visits.append(visit)
        try:
            await asyncio.sleep(self.delay_s(host, visit.path))
        finally:
            visit.ended_s = time.time()
        return web.Response(text="<p>python", content_type="text/html")


async def _absent(_request: web.Request) -> web.Response:
    """Answers who asks for robots.txt: there is none, and asking is no visit."""
    raise web.HTTPNotFound


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Serves until the block ends."""
    made = Place(port=free_port())
    app = web.Application()
    app.add_routes([web.get("/robots.txt", _absent), web.get("/{path}", made.serve)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", made.port, reuse_address=True, backlog=1024).start()
        yield made
    finally:
        await runner.cleanup()


def most_at_once(visits: Sequence[Visit]) -> int:
    """How many there were at the same time at most."""
    moments = [(visit.began_s, 1) for visit in visits] + [(visit.ended_s, -1) for visit in visits]
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


def excess(visits: Sequence[Visit], *, rate_per_s: float, concurrency: int) -> float:
    """By how many starts the worst of all windows exceeds `rate × T + concurrency + 1`; ≤ 0: none does."""
    starts = sorted(visit.began_s for visit in visits)
    # A window of the starts i to j has j - i + 1 of them. Minus what is allowed, that is a sum of a term of j and a
    # term of i, so that one look back is enough: all pairs are judged by it.
    best, worst = float("inf"), -float("inf")
    for n, start in enumerate(starts):
        best = min(best, n - rate_per_s * start)
        worst = max(worst, n + 1 - rate_per_s * start - best)
    return worst - concurrency - 1


async def submit(api: aiohttp.ClientSession, urls: Iterable[str]) -> list[str]:
    """Submits checks, some at once; returns their ids, in order."""
    gate = asyncio.Semaphore(_SUBMIT_AT_ONCE)

    async def one(url: str) -> str:
        async with gate, api.post("/api/v1/checks", json={"url": url, "words": ["python"]}) as answer:
            body = await answer.json()
            assert answer.status == 202, body
            return str(body["id"])

    return list(await asyncio.gather(*(one(url) for url in urls)))


async def to_bulk(stack: Fleet, ids: list[str]) -> None:
    """Moves checks that wait to the lane of batches, as those of a batch would be."""
    await stack.postgres.ask(_TO_BULK, ids)
    await stack.postgres.ask(_WAKE_BULK)


async def rows(stack: Fleet) -> dict[str, dict[str, Any]]:
    """All checks as PostgreSQL has them, by id, with who fetched them."""
    text = (
        "SELECT jsonb_object_agg(c.id, to_jsonb(c) || jsonb_build_object('fetcher', r.fetcher, "
        "'counted_by', r.attempt))::text FROM checks c LEFT JOIN results r ON r.check_id = c.id"
    )
    found: dict[str, dict[str, Any]] = json.loads(await stack.postgres.ask(text) or "{}")
    return found


async def all_done(stack: Fleet, count: int, *, timeout_s: float) -> None:
    """Waits until so many checks are done."""

    async def reached() -> bool:
        await asyncio.sleep(0.1)
        return bool(await stack.postgres.ask("SELECT count(*) FROM checks WHERE status = 'done'") == count)

    await eventually(reached, timeout_s=timeout_s, what=f"{count} checks are done")


async def depths(stack: Fleet) -> dict[str, int]:
    """Messages of each topic that wait or are in somebody's hands, over all nsqds."""
    found: dict[str, int] = defaultdict(int)
    async with aiohttp.ClientSession() as http:
        for nsqd in stack.nsqds:
            async with http.get(f"http://{nsqd.http}/stats", params={"format": "json"}) as answer:
                for topic in (await answer.json(content_type=None))["topics"]:
                    found[topic["topic_name"]] += topic["depth"]
                    for channel in topic["channels"]:
                        found[topic["topic_name"]] += (
                            channel["depth"] + channel["in_flight_count"] + channel["deferred_count"]
                        )
    return dict(found)
