"""Pages with known counts, under many loopback addresses: so many hosts, and none of them hammered."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.integration.servers import free_port

RESET = 0
"""Instead of a status: the connection is reset."""
_SILENT_S = 0.4
HOSTS = tuple(f"127.0.{n // 50}.{n % 50 + 10}" for n in range(150))


def count_of(number: int) -> int:
    """How often page `number` says python where a reader sees it."""
    return number % 7


def number_of(url: str) -> int:
    """The number of the page with this address."""
    return int(url.rpartition("/")[2])


def html_of(number: int) -> str:
    """Page `number`: the words that count, and others that must not."""
    seen = " and ".join(["<b>py</b>thon"] * count_of(number))
    return (
        f"<!DOCTYPE html><title>python {number}</title><p>{seen}</p><p hidden>python</p>"
        f"<script>python</script><p>pythonic, no. {number}</p>"
    )


@dataclass(frozen=True, slots=True)
class Page:
    """How a page behaves.

    Attributes:
        delay_s: how long it takes; None: as long as the site's pages take at that time.
        failures: what those who ask first get instead of it: a status, or `RESET`.
        gone: it is not there: 404, always.
    """

    delay_s: float | None = None
    failures: tuple[int, ...] = ()
    gone: bool = False

    @property
    def attempts(self) -> int:
        """How many attempts with an outcome a check of it takes."""
        return 1 + len(self.failures)


PLAIN = Page()


@dataclass
class Site:
    """A site that serves `/<number>` on each of `HOSTS`, and counts who asks for what.

    Attributes:
        pages: those that are no plain ones, by number.
    """

    port: int
    delay_s: float = 0.05
    pages: dict[int, Page] = field(default_factory=dict)
    hits: dict[int, int] = field(default_factory=dict)
    began_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    """Monotonic seconds, of each request in turn."""

    def url(self, number: int) -> str:
        return f"http://{HOSTS[number % len(HOSTS)]}:{self.port}/{number}"

    def page(self, number: int) -> Page:
        return self.pages.get(number, PLAIN)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        page, before = self.page(number), self.hits.get(number, 0)
        self.hits[number] = before + 1
        self.began_s.append(time.monotonic())
        status = 404 if page.gone else page.failures[before] if before < len(page.failures) else 200
        answer = web.StreamResponse(status=status or 500, headers={"Content-Type": "text/html; charset=utf-8"})
        delay_s = self.delay_s if page.delay_s is None else page.delay_s
        try:
            while status == 200 and delay_s > _SILENT_S:  # a fetcher does not put up with silence for half its time
                await asyncio.sleep(_SILENT_S)
                delay_s -= _SILENT_S
                if not answer.prepared:
                    await answer.prepare(request)
                await answer.write(b" ")
            await asyncio.sleep(delay_s)
            self.ended_s.append(time.monotonic())
            if status == RESET:
                _reset(request)
            else:
                await answer.prepare(request)
                await answer.write(html_of(number).encode())
        except ConnectionError:
            pass  # who asked has gone, or was reset
        return answer


def _reset(request: web.Request) -> None:
    if request.transport is not None:  # None: who asked has gone
        raw: socket.socket = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


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
