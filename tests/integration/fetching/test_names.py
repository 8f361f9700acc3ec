"""Looking names up, with the lookup itself in the test's hands: there is no DNS to rely on."""

import asyncio
import socket
import threading
from typing import Any

import pytest

from services.fetcher.fetching.resolver import ThreadPerLookupResolver
from shared.errors import FetchError
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.pages import answer, page_server


def _failing(code: int) -> Any:
    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror(code, "no")

    return lookup


async def _failure_with(lookup: Any) -> FetchError:
    resolver = ThreadPerLookupResolver(lookup=lookup)
    async with open_fetcher(connect_timeout_s=0.2, resolver=resolver) as fetcher:
        error, trail = await failure(fetcher, "http://name.example/")
    assert trail.address is None
    assert set(trail.timings_ms) == {"dns"}
    return error


@pytest.mark.parametrize(
    ("eai", "code", "retried"),
    [
        (socket.EAI_NONAME, "dns_not_found", False),
        (socket.EAI_NODATA, "dns_not_found", False),
        (socket.EAI_AGAIN, "dns_failed", True),
        (socket.EAI_FAIL, "dns_failed", True),
        (socket.EAI_SYSTEM, "dns_failed", True),
    ],
)
async def test_what_the_resolver_says(eai: int, code: str, retried: bool) -> None:
    error = await _failure_with(_failing(eai))
    assert error.code == code
    assert error.retryable is retried


async def test_a_resolver_that_does_not_answer() -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[tuple[Any, ...]]:
        release.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    try:
        error = await _failure_with(hang)
    finally:
        release.set()
    assert error.code == "dns_failed"


@pytest.mark.parametrize("host", ["nobody.invalid", "invalid", "nobody.invalid.", "example.onion"])
async def test_names_that_never_exist_are_not_looked_up(host: str) -> None:
    async with open_fetcher() as fetcher:
        error, _ = await failure(fetcher, f"http://{host}/")
    assert error.code == "dns_not_found"


async def test_localhost_is_found_and_reached_where_allowed() -> None:
    async with page_server({"/": answer("python")}) as pages, open_fetcher() as fetcher:
        page = await fetcher.fetch(pages.url(host="localhost"))
    assert page.body == b"python"
    assert page.final_url == pages.url(host="localhost")
    assert page.address == "127.0.0.1"
    assert pages.requests[0].headers["host"] == f"localhost:{pages.port}"


async def test_lookups_are_bounded_and_one_that_hangs_holds_up_no_other() -> None:
    release = threading.Event()
    at_once = most = 0
    lock = threading.Lock()

    def lookup(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        if host == "hangs.example":
            release.wait(10)
        with lock:
            at_once -= 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    resolver = ThreadPerLookupResolver(max_lookups=3, lookup=lookup)
    hanging = [asyncio.create_task(resolver.resolve("hangs.example")) for _ in range(2)]
    try:
        async with asyncio.timeout(5):
            found = await asyncio.gather(*(resolver.resolve(f"{number}.example", 80) for number in range(20)))
    finally:
        release.set()
    await asyncio.gather(*hanging)
    assert [result[0]["host"] for result in found] == ["192.0.2.1"] * 20
    assert most == 3


async def test_a_cancelled_lookup_keeps_its_thread_s_place_until_it_ends() -> None:
    release = threading.Event()

    def lookup(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        release.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    resolver = ThreadPerLookupResolver(max_lookups=1, lookup=lookup)
    first = asyncio.create_task(resolver.resolve("a.example"))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(resolver.resolve("b.example"))
    done, _ = await asyncio.wait([second], timeout=0.1)
    assert not done
    release.set()
    assert (await second)[0]["host"] == "192.0.2.1"
    assert complaints == []
