"""Nothing outside the rules may see as much as a connection, by whatever way it is asked for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.fetcher.fetching.fetch import Fetcher
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.pages import answer, page_server, redirect


class _Names(AbstractResolver):
    """Answers every name with the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def _fetcher_with_names(allow: str, *addresses: str) -> AsyncIterator[Fetcher]:
    async with open_fetcher(allow=allow, resolver=_Names(*addresses)) as fetcher:
        yield fetcher


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "１２７.0.0.1"),
        *("localhost", "0.0.0.0", "0", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    ],
)
async def test_loopback_in_every_spelling(host: str) -> None:
    async with page_server({"/": answer("secret")}) as pages, open_fetcher(allow="") as fetcher:
        error, trail = await failure(fetcher, f"http://{host}:{pages.port}/")
        assert error.code == "forbidden_address"
        assert not error.retryable
        assert trail.address is None
        assert pages.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://192.168.1.1/", "http://224.0.0.1/"),
        *("http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[64:ff9b::7f00:1]/", "http://[::]/", "http://[::1]/"),
    ],
)
async def test_other_closed_places(url: str) -> None:
    async with open_fetcher() as fetcher:
        error, _ = await failure(fetcher, url)
    assert error.code == "forbidden_address"


async def test_one_port_alone_can_be_allowed() -> None:
    async with page_server({"/": answer("a")}) as open_one, page_server({"/": answer("b")}) as closed_one:
        async with open_fetcher(allow=f"127.0.0.1:{open_one.port}") as fetcher:
            assert (await fetcher.fetch(open_one.url())).body == b"a"
            error, _ = await failure(fetcher, closed_one.url())
        assert error.code == "forbidden_address"
        assert closed_one.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1"])
async def test_a_redirect_is_no_way_in(host: str) -> None:
    async with page_server({"/": answer("secret")}) as inside, page_server() as outside:
        outside.routes["/"] = redirect(inside.url(host=host))
        async with open_fetcher(allow=f"127.0.0.1:{outside.port}") as fetcher:
            error, trail = await failure(fetcher, outside.url())
        assert error.code == "forbidden_address"
        assert inside.connections == 0
        assert len(trail.redirects) == 1
        assert trail.http_status is None


async def test_a_name_is_no_way_in() -> None:
    async with page_server({"/": answer("secret")}) as pages:
        async with _fetcher_with_names("", "127.0.0.1", "10.0.0.1", "::1") as fetcher:
            error, _ = await failure(fetcher, pages.url(host="rebound.example"))
        assert error.code == "forbidden_address"
        assert pages.connections == 0


async def test_of_several_addresses_the_open_one_is_taken() -> None:
    async with (
        page_server({"/": answer("python")}) as pages,
        _fetcher_with_names(f"127.0.0.1:{pages.port}", "10.0.0.1", "::1", "127.0.0.1") as fetcher,
    ):
        page = await fetcher.fetch(pages.url(host="several.example"))
    assert page.address == "127.0.0.1"


async def test_an_open_address_that_fails_says_more_than_a_closed_one() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        async with _fetcher_with_names(f"127.0.0.1:{port}", "127.0.0.1", "10.0.0.1") as fetcher:
            error, _ = await failure(fetcher, f"http://several.example:{port}/")
    assert error.code == "connect_failed"


async def test_a_kept_connection_serves_only_its_own_host() -> None:
    """A pool that mixed hosts up would be a way around the check."""
    async with page_server({"*": answer("a")}) as pages, open_fetcher(allow=f"127.0.0.1:{pages.port}") as fetcher:
        await asyncio.gather(*(fetcher.fetch(pages.url(f"/{number}")) for number in range(5)))
        error, _ = await failure(fetcher, f"http://127.0.0.2:{pages.port}/")
    assert error.code == "forbidden_address"
