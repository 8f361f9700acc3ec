"""What is told of a forbidden address, and what an operator's word opens. All the ways in are in test_no_way_in."""

import asyncio
import socket

import pytest

from services.fetcher.fetching.resolver import ThreadPerLookupResolver
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.fetching.name_server import DnsLookup, name_server, says
from tests.integration.pages import answer, page_server, redirect


async def test_what_is_told_of_it() -> None:
    async with page_server({"/": answer("secret")}) as pages, open_fetcher(allow="") as fetcher:
        error, trail = await failure(fetcher, pages.url(host="0x7f.1"))
        assert error.code == "forbidden_address"
        assert error.detail == "127.0.0.1 may not be reached"
        assert not error.retryable
        assert trail.address is None
        assert trail.final_url == pages.url()
        assert pages.connections == 0


async def test_what_is_told_of_it_behind_a_redirect() -> None:
    async with page_server({"/": answer("secret")}) as inside, page_server() as outside:
        outside.routes["/"] = redirect(inside.url())
        async with open_fetcher(allow=f"127.0.0.1:{outside.port}") as fetcher:
            error, trail = await failure(fetcher, outside.url())
        assert error.code == "forbidden_address"
        assert trail.redirects == [inside.url()]
        assert trail.http_status is None
        assert trail.address is None
        assert inside.connections == 0


async def test_one_port_alone_can_be_allowed() -> None:
    async with page_server({"/": answer("a")}) as open_one, page_server({"/": answer("b")}) as closed_one:
        async with open_fetcher(allow=f"127.0.0.1:{open_one.port}") as fetcher:
            assert (await fetcher.fetch(open_one.url())).body == b"a"
            error, _ = await failure(fetcher, closed_one.url())
        assert error.code == "forbidden_address"
        assert closed_one.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"])
async def test_what_is_allowed_is_so_in_each_spelling(host: str) -> None:
    async with page_server({"/": answer("python")}) as pages, open_fetcher(allow=f"127.0.0.1:{pages.port}") as fetcher:
        assert (await fetcher.fetch(pages.url(host=host))).body == b"python"


async def test_an_open_address_that_fails_says_more_than_a_closed_one() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        async with name_server({"several.example": [says("127.0.0.1", "10.0.0.1")]}) as server:
            resolver = ThreadPerLookupResolver(lookup=DnsLookup(server.port))
            async with open_fetcher(allow=f"127.0.0.1:{port}", resolver=resolver) as fetcher:
                error, _ = await failure(fetcher, f"http://several.example:{port}/")
    assert error.code == "connect_failed"


async def test_a_kept_connection_serves_only_its_own_host() -> None:
    """A pool that mixed hosts up would be a way around the check."""
    async with page_server({"*": answer("a")}) as pages, open_fetcher(allow=f"127.0.0.1:{pages.port}") as fetcher:
        await asyncio.gather(*(fetcher.fetch(pages.url(f"/{number}")) for number in range(5)))
        error, _ = await failure(fetcher, f"http://127.0.0.2:{pages.port}/")
    assert error.code == "forbidden_address"
