"""Names with several addresses, and names whose addresses change: the check is of the address really connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace

import pytest
import trustme

from services.fetcher.fetching.addresses import AllowList, parse_allow
from services.fetcher.fetching.client import open_session
from services.fetcher.fetching.fetch import Fetcher
from services.fetcher.fetching.resolver import ThreadPerLookupResolver
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.fetching.name_server import DnsLookup, Says, name_server, says
from tests.integration.pages import PageServer, Request, answer, page_server, redirect

OPEN, HANGING = "127.0.0.1", "127.0.0.3"
CLOSED = ("127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "fd00::1")


@asynccontextmanager
async def _fetcher(names: dict[str, list[Says]], allow: str, connect_timeout_s: float = 5) -> AsyncIterator[Fetcher]:
    async with name_server(names) as server:
        resolver = ThreadPerLookupResolver(lookup=DnsLookup(server.port))
        async with open_fetcher(allow=allow, connect_timeout_s=connect_timeout_s, resolver=resolver) as fetcher:
            yield fetcher


@asynccontextmanager
async def _two_places() -> AsyncIterator[tuple[PageServer, list[str]]]:
    """Serve a page at an open and at a closed address; the list grows by the one of each request."""
    asked: list[str] = []

    async def note(request: Request) -> None:
        asked.append(request.writer.get_extra_info("sockname")[0])
        await request.send(answer("python", connection="close"))

    async with AsyncExitStack() as stack:
        pages = await stack.enter_async_context(page_server({"*": note}, host=OPEN))
        await stack.enter_async_context(await asyncio.start_server(pages.serve, CLOSED[0], pages.port))
        yield pages, asked


@contextmanager
def _hangs(port: int) -> Iterator[None]:
    """Have nobody accept, and the queue full, at one address."""
    with socket.create_server((HANGING, port), backlog=0), socket.socket() as first, socket.socket() as second:
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex((HANGING, port))
        yield


def _untrusted() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("many.example", "several.example").configure_cert(context)
    return context


@pytest.mark.parametrize(
    "addresses",
    [
        (OPEN, *CLOSED),
        (*CLOSED, OPEN),
        (*CLOSED[:2], OPEN, *CLOSED[2:]),
        (HANGING, *CLOSED, OPEN),
        (*CLOSED, HANGING, OPEN),
        (*CLOSED[:1], HANGING, *CLOSED[1:], OPEN),
    ],
)
async def test_only_the_open_ones_are_connected_to(addresses: tuple[str, ...]) -> None:
    async with _two_places() as (pages, asked):
        names = {"several.example": [says(*addresses)]}
        allow = f"{OPEN}:{pages.port},{HANGING}:{pages.port}"
        with _hangs(pages.port):
            async with _fetcher(names, allow) as fetcher:
                page = await fetcher.fetch(pages.url(host="several.example"))
        assert page.address == OPEN
        assert asked == [OPEN]
        assert pages.connections == 1


async def test_what_an_open_address_that_hangs_is_called() -> None:
    names = {"several.example": [says(HANGING, *CLOSED)]}
    async with _two_places() as (pages, asked):
        async with _fetcher(names, f"{HANGING}:{pages.port}", connect_timeout_s=0.5) as fetcher:
            with _hangs(pages.port):
                error, _ = await failure(fetcher, pages.url(host="several.example"))
        assert error.code == "connect_timeout"
        assert (asked, pages.connections) == ([], 0)


async def test_a_kept_answer_is_checked_at_each_connection() -> None:
    """The connector keeps an answer for some seconds, and takes its addresses in turn."""
    names = {"several.example": [says(CLOSED[0], OPEN, "127.0.0.4")]}
    async with _two_places() as (pages, asked), _fetcher(names, f"{OPEN}:{pages.port}") as fetcher:
        for number in range(12):
            await fetcher.fetch(pages.url(f"/{number}", host="several.example"))
        assert asked == [OPEN] * 12
        assert pages.connections == 12


async def test_a_kept_connection_is_no_way_to_another_name_s_address() -> None:
    names = {"open.example": [says(OPEN)], "closed.example": [says(CLOSED[0])]}
    async with page_server({"*": answer("python")}, host="0.0.0.0") as pages:
        async with _fetcher(names, f"{OPEN}:{pages.port}") as fetcher:
            for _ in range(2):
                await fetcher.fetch(pages.url(host="open.example"))
            error, _ = await failure(fetcher, pages.url(host="closed.example"))
        assert error.code == "forbidden_address"
        assert pages.connections == 1


async def test_a_name_that_leads_inside_at_the_second_look() -> None:
    """A redirect to another port is looked up anew."""
    names = {"rebound.example": [says(OPEN), says(CLOSED[0])]}
    async with _two_places() as (inside, asked), page_server() as outside:
        outside.routes["/"] = redirect(inside.url(host="rebound.example"))
        async with _fetcher(names, f"{OPEN}/32") as fetcher:
            error, trail = await failure(fetcher, outside.url(host="rebound.example"))
        assert error.code == "forbidden_address"
        assert trail.address is None
        assert outside.connections == 1
        assert (asked, inside.connections) == ([], 0)


async def test_a_name_that_leads_inside_at_the_second_attempt() -> None:
    changing = {"rebound.example": [says(OPEN), says(CLOSED[0])]}
    async with _two_places() as (pages, asked), name_server(changing) as server:
        lookup = DnsLookup(server.port)
        async with open_fetcher(allow=f"{OPEN}/32", resolver=ThreadPerLookupResolver(lookup=lookup)) as fetcher:
            await fetcher.fetch(pages.url(host="rebound.example"))
        async with open_fetcher(allow=f"{OPEN}/32", resolver=ThreadPerLookupResolver(lookup=lookup)) as fetcher:
            error, _ = await failure(fetcher, pages.url(host="rebound.example"))
        assert error.code == "forbidden_address"
        assert asked == [OPEN]


async def test_the_addresses_of_one_name_are_bounded() -> None:
    """Whoever has a name could otherwise have thousands of strangers connected to."""
    every = [*(f"127.1.0.{number}" for number in range(1, 101)), *(f"::{number:x}" for number in range(1, 101))]
    async with name_server({"many.example": [says(*every)]}) as server:
        resolver = ThreadPerLookupResolver(lookup=DnsLookup(server.port))
        found = [result["host"] for result in await resolver.resolve("many.example", 80)]
    assert len(found) == 16
    assert sum(":" in host for host in found) == 8
    assert set(found) <= set(every)


async def test_each_address_is_tried_once() -> None:
    """By itself aiohttp leaves one out and tries all others again, and so on: 36 connections here."""
    tried: list[str] = []

    class Noting(AllowList):
        def allowed(self, ip: str, port: int) -> bool:
            tried.append(ip)
            return AllowList.allowed(self, ip, port)

    loopback = [f"127.1.0.{number}" for number in range(1, 9)]
    async with name_server({"many.example": [says(*loopback)]}) as server:
        resolver = ThreadPerLookupResolver(lookup=DnsLookup(server.port))
        session = open_session(allow=Noting(parse_allow("127.0.0.0/8").networks), user_agent="test", resolver=resolver)
        async with session, open_fetcher() as other:
            error, _ = await failure(replace(other, session=session), "http://many.example:9/")
    assert error.code == "connect_failed"
    assert sorted(tried) == loopback


@pytest.mark.parametrize("addresses", [(OPEN, CLOSED[1]), (CLOSED[1], OPEN), (OPEN, CLOSED[0], CLOSED[4])])
async def test_a_bad_certificate_says_more_than_a_closed_address(addresses: tuple[str, ...]) -> None:
    async with (
        page_server({"/": answer("python")}, tls=_untrusted()) as pages,
        _fetcher({"several.example": [says(*addresses)]}, f"{OPEN}/32") as fetcher,
    ):
        error, _ = await failure(fetcher, pages.url(host="several.example"))
    assert error.code == "tls_failed"
