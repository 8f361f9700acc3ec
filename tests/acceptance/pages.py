"""Pages with known counts, under many loopback addresses: so many hosts, and none of them hammered."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.integration.servers import free_port

HOSTS = tuple(f"127.0.{n // 50}.{n % 50 + 10}" for n in range(150))


def count_of(number: int) -> int:
    """How often page `number` says python where a reader sees it."""
    return number % 7


def html_of(number: int) -> str:
    """Page `number`: the words that count, and others that must not."""
    seen = " and ".join(["<b>py</b>thon"] * count_of(number))
    return (
        f"<!DOCTYPE html><title>python {number}</title><p>{seen}</p><p hidden>python</p>"
        f"<script>python</script><p>pythonic, no. {number}</p>"
    )


@dataclass
class Site:
    """A site that serves `/<number>` on each of `HOSTS`, and counts who asks for what."""

    port: int
    delay_s: float = 0.05
    hits: dict[int, int] = field(default_factory=dict)
    began_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    """Monotonic seconds, of each request in turn."""

    def url(self, number: int) -> str:
        return f"http://{HOSTS[number % len(HOSTS)]}:{self.port}/{number}"

    async def serve(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        self.hits[number] = self.hits.get(number, 0) + 1
        self.began_s.append(time.monotonic())
        await asyncio.sleep(self.delay_s)
        self.ended_s.append(time.monotonic())
        return web.Response(text=html_of(number), content_type="text/html")


async def _open(pages: Site) -> web.AppRunner:
    app = web.Application()
    app.add_routes([web.get(r"/{number:\d+}", pages.serve)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    for host in HOSTS:
        await web.TCPSite(runner, host, pages.port, reuse_address=True).start()
    return runner


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Serves until the block ends, in a thread of its own: a test that starts and kills processes may be busy."""
    pages, loop = Site(port=free_port()), asyncio.new_event_loop()

    def there(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    thread = threading.Thread(target=loop.run_forever, name="site", daemon=True)
    thread.start()
    try:
        runner = await there(_open(pages))
        try:
            yield pages
        finally:
            await there(runner.cleanup())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()
