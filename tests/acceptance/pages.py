"""Pages with known counts, under many loopback addresses: so many hosts, and none of them hammered.

    async with site() as pages:
        ...                             # ask for pages.url(7): it says python count_of(7) times
        hits = (await pages.seen()).hits

How a page behaves stands in its address. So one that was asked for stays as it is, and whoever says how the next one is
to be needs nobody's ear for it.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import msgspec

from tests.integration.servers import HOST, free_port

RESET = 0
"""Instead of a status: the connection is reset."""
HOSTS = tuple(f"127.0.{n // 50}.{n % 50 + 10}" for n in range(150))
SEEN = "/seen"
"""Where the server, at `HOST`, says what was asked of it."""
READY = b"ready\n"
_ROOT = Path(__file__).parents[2]
_READY_WITHIN_S = 30.0
_TOLD_WITHIN_S = 20.0
_ENDED_WITHIN_S = 10.0


def count_of(number: int) -> int:
    """How often page `number` says python where a reader sees it."""
    return number % 7


def number_of(url: str) -> int:
    """The number of the page with this address."""
    return int(urlsplit(url).path.rpartition("/")[2])


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
        delay_s: how long it takes; None: as long as the site's pages take when its address is made.
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

    def query(self, delay_s: float) -> str:
        """All of it as options of an address; `delay_s` holds where it has none of its own."""
        own_s = delay_s if self.delay_s is None else self.delay_s
        options = [("delay_s", f"{own_s:.3f}"), *(("fails", status) for status in self.failures)]
        return urlencode([*options, *([("gone", 1)] if self.gone else [])])

    @classmethod
    def of(cls, query: str) -> Self:
        """The reverse of `query`; what is not said is as with any page."""
        options = parse_qs(query)
        (delay_s,) = options.get("delay_s", ["0"])
        failures = tuple(int(status) for status in options.get("fails", ()))
        return cls(float(delay_s), failures, gone="gone" in options)


PLAIN = Page()


@dataclass(frozen=True)
class Seen:
    """What was asked of a site so far: how often each page, and when each request began and ended.

    Monotonic seconds, which are the same in all processes of a machine.
    """

    hits: dict[int, int] = field(default_factory=dict)
    began_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)


@dataclass
class Site:
    """A site that has `/<number>` on each of `HOSTS`.

    Attributes:
        delay_s: how long its pages take, if nothing else is said of them.
        pages: those that are no plain ones, by number.
    """

    port: int
    delay_s: float = 0.05
    pages: dict[int, Page] = field(default_factory=dict)

    def url(self, number: int) -> str:
        """Where page `number` is; another place when it is to behave otherwise than before."""
        return f"http://{HOSTS[number % len(HOSTS)]}:{self.port}/{number}?{self.page(number).query(self.delay_s)}"

    def page(self, number: int) -> Page:
        return self.pages.get(number, PLAIN)

    async def seen(self) -> Seen:
        """What was asked of it until now."""
        timeout = aiohttp.ClientTimeout(total=_TOLD_WITHIN_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"http://{HOST}:{self.port}{SEEN}") as answer,
        ):
            return msgspec.json.decode(await answer.read(), type=Seen)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Serves until the block ends, or the process that it is in: see `page_server`."""
    port = free_port()
    command = [sys.executable, "-m", "tests.acceptance.page_server", str(port)]
    # Ctrl-C at a terminal is for us: what runs is judged with its pages still there.
    process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdin=PIPE, stdout=PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_READY_WITHIN_S):
            assert await process.stdout.readline() == READY, "the pages' server did not start"
        yield Site(port)
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    try:
        async with asyncio.timeout(_ENDED_WITHIN_S):
            await process.communicate(b"")  # closes its input, which tells it to end
    except TimeoutError:
        process.kill()
        await process.wait()
