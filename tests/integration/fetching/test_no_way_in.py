"""The whole table of ways in, by each road that leads to a connection."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Callable, Mapping

import pytest

from services.fetcher.fetching import plain_get
from services.fetcher.fetching.addresses import AllowList
from services.fetcher.fetching.fetch import Fetcher, Trail
from services.fetcher.fetching.hop import Hop
from services.fetcher.fetching.resolver import ThreadPerLookupResolver
from shared.errors import FetchError
from shared.urls import normalize
from tests.integration.fetching.fetchers import open_fetcher
from tests.integration.fetching.name_server import DnsLookup, name_server, says
from tests.integration.fetching.ways_in import ADDRESSES, FORBIDDEN, REACHED, SPELLINGS, WHOLE_URLS, in_url
from tests.integration.pages import Request, answer, page_server, redirect

CLOSED = [address for address, outcome in ADDRESSES.items() if outcome == FORBIDDEN]


@pytest.mark.parametrize("address", ADDRESSES)
def test_each_address_is_judged(address: str) -> None:
    assert AllowList().allowed(address, 80) is (ADDRESSES[address] == REACHED)


def test_the_table_is_worth_its_name() -> None:
    assert len(ADDRESSES) + len(SPELLINGS) + len(WHOLE_URLS) >= 280
    assert len(CLOSED) >= 90


async def _outcomes(fetcher: Fetcher, urls: Mapping[str, str]) -> dict[str, str]:
    """Fetch each URL; return what became of it, by the same names."""

    turns = asyncio.Semaphore(8)  # few connections, kept alive, are faster than many

    async def outcome(url: str) -> str:
        trail = Trail()
        try:
            async with turns:
                page = await fetcher.fetch(url, trail=trail)
        except FetchError as error:
            return error.code if trail.address is None or trail.http_status else f"{error.code} at {trail.address}"
        return f"reached {page.address}"

    outcomes = await asyncio.gather(*(outcome(url) for url in urls.values()))
    return dict(zip(urls, outcomes, strict=True))


async def test_as_the_host_of_a_url() -> None:
    async with page_server({"*": answer("secret")}, host="0.0.0.0") as inside, open_fetcher(allow="") as fetcher:
        urls = {host: f"http://{host}:{inside.port}/" for host in SPELLINGS}
        assert await _outcomes(fetcher, urls) == SPELLINGS
        urls = {address: inside.url(host=in_url(address)) for address in CLOSED}
        assert await _outcomes(fetcher, urls) == dict.fromkeys(CLOSED, FORBIDDEN)
        urls = {url: url.format(port=inside.port) for url in WHOLE_URLS}
        assert await _outcomes(fetcher, urls) == WHOLE_URLS
        assert inside.connections == 0
        async with open_fetcher(allow="127.0.0.0/8") as allowed:  # the server could have been reached
            assert await _outcomes(allowed, {"0x7f.1": inside.url(host="0x7f.1")}) == {"0x7f.1": "reached 127.0.0.1"}


async def test_as_the_host_of_a_plain_request() -> None:
    """That is how robots.txt is asked for, before any page."""
    async with page_server({"*": answer("secret")}, host="0.0.0.0") as inside, open_fetcher(allow="") as fetcher:
        for host in [*map(in_url, CLOSED), *(host for host, outcome in SPELLINGS.items() if outcome == FORBIDDEN)]:
            with pytest.raises(FetchError) as caught:
                await plain_get.get(
                    fetcher.session, normalize(inside.url("/robots.txt", host=host)), fetcher.limits, Hop()
                )
            assert caught.value.code == FORBIDDEN, host
        assert inside.connections == 0


async def test_as_the_answer_of_a_name_server() -> None:
    names = {f"a{number}.example": [says(address)] for number, address in enumerate(CLOSED)}
    async with page_server({"*": answer("secret")}, host="0.0.0.0") as inside, name_server(names) as server:
        resolver = ThreadPerLookupResolver(lookup=DnsLookup(server.port))
        async with open_fetcher(allow="", resolver=resolver) as fetcher:
            urls = {address: inside.url(host=name) for address, name in zip(CLOSED, names, strict=True)}
            assert await _outcomes(fetcher, urls) == dict.fromkeys(CLOSED, FORBIDDEN)
        assert inside.connections == 0
        assert {name for name, _ in server.queries} == set(names)


def _by_location(target: str) -> bytes:
    return redirect(target)


def _by_refresh_header(target: str) -> bytes:
    return answer("moved", refresh=f"0; url={target}")


def _by_meta(target: str) -> bytes:
    return answer(f'<meta http-equiv="refresh" content="0; url={html.escape(target)}">')


async def _check_targets(lead: Callable[[str], bytes], expected: Mapping[str, str]) -> None:
    """Fetch pages that lead to each target, from a site that may be reached."""
    async with page_server({"*": answer("secret")}, host="0.0.0.0") as inside, page_server() as outside:
        targets = [target.format(port=inside.port) for target in expected]

        async def turn_away(request: Request) -> bytes:
            return lead(targets[int(request.target.partition("?")[2])])

        outside.routes["/"] = turn_away
        async with open_fetcher(allow=f"127.0.0.1:{outside.port}") as fetcher:
            urls = {target: outside.url(f"/?{number}") for number, target in enumerate(expected)}
            assert await _outcomes(fetcher, urls) == expected
        assert len(outside.requests) == len(expected)
        assert inside.connections == 0


_TARGETS = {
    # A line feed would end the header; without a scheme, or with one and no slashes, it is a path of the same site.
    **{f"http://{host}:{{port}}/": outcome for host, outcome in SPELLINGS.items() if host.isprintable()},
    **{f"http://{in_url(address)}:{{port}}/": FORBIDDEN for address in CLOSED},
    **{url: outcome for url, outcome in WHOLE_URLS.items() if not re.match(r"[0-9/]|http:/?[0-9]", url)},
}


async def test_as_a_redirect_s_target() -> None:
    """What is no address in a URL is no target of a redirect either, but that is the redirecting site's mistake."""
    expected = {target: "http_error" if outcome == "invalid_url" else outcome for target, outcome in _TARGETS.items()}
    await _check_targets(_by_location, expected)


@pytest.mark.parametrize("lead", [_by_refresh_header, _by_meta])
async def test_as_the_target_of_a_page_that_refreshes_itself(lead: Callable[[str], bytes]) -> None:
    await _check_targets(lead, {target: FORBIDDEN for target, outcome in _TARGETS.items() if outcome == FORBIDDEN})
