"""Looking names up: with the lookup itself in the test's hands, and over DNS messages to a name server of our own."""

import asyncio
import socket
import threading
from typing import Any

import dns.rcode
import pytest

from services.fetcher.fetching.resolver import ThreadPerLookupResolver
from shared.errors import FetchError
from tests.integration.fetching.fetchers import failure, open_fetcher
from tests.integration.fetching.name_server import DnsLookup, Says, name_server, says
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
        (socket.EAI_ADDRFAMILY, "dns_not_found", False),
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


LOCAL = ("127.0.0.1",)


@pytest.mark.parametrize(
    ("turn", "outcome"),
    [
        (says("127.0.0.1"), "reached"),
        (says("127.0.0.1", aliases=("b.example", "c.example")), "reached"),
        (Says(LOCAL, manner="truncated"), "reached"),
        (says(*LOCAL, *(f"::{number:x}" for number in range(100))), "reached"),
        (Says(LOCAL, for_aaaa=Says(rcode=dns.rcode.NXDOMAIN)), "dns_not_found"),
        (says(), "dns_not_found"),
        (says(aliases=("b.example", "name.example")), "dns_not_found"),
        (Says(rcode=dns.rcode.NXDOMAIN), "dns_not_found"),
        (Says(aliases=("gone.example",), rcode=dns.rcode.NXDOMAIN), "dns_not_found"),
        (Says(rcode=dns.rcode.SERVFAIL), "dns_failed"),
        (Says(rcode=dns.rcode.REFUSED), "dns_failed"),
        (Says(rcode=dns.rcode.FORMERR), "dns_failed"),
        (Says(LOCAL, manner="silent"), "dns_failed"),
        (Says(LOCAL, manner="garbage"), "dns_failed"),
        (Says(LOCAL, manner="other id"), "dns_failed"),
    ],
)
async def test_what_a_name_server_says(turn: Says, outcome: str) -> None:
    async with page_server({"/": answer("python")}) as pages, name_server({"name.example": [turn]}) as server:
        resolver = ThreadPerLookupResolver(lookup=DnsLookup(server.port, timeout_s=0.3))
        async with open_fetcher(resolver=resolver) as fetcher:
            if outcome == "reached":
                assert (await fetcher.fetch(pages.url(host="name.example"))).address == "127.0.0.1"
            else:
                error, trail = await failure(fetcher, pages.url(host="name.example"))
                assert (error.code, trail.address) == (outcome, None)
        assert server.queries


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example", ".example", "ü" * 64])
async def test_a_name_that_the_system_cannot_even_ask_for_does_not_exist(host: str) -> None:
    with pytest.raises(socket.gaierror) as caught:
        await ThreadPerLookupResolver().resolve(host, 80)
    assert caught.value.errno == socket.EAI_NONAME


async def test_a_defect_in_a_lookup_is_told_and_blocks_no_place() -> None:
    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise RuntimeError("a defect")

    resolver = ThreadPerLookupResolver(max_lookups=1, lookup=lookup)
    for _ in range(2):
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError, match="a defect"):
                await resolver.resolve("name.example")


async def test_lookups_that_nobody_can_wait_for_end_and_leave_the_queue() -> None:
    """The connector shields lookups, so giving up on one does not take it out of the queue."""
    release = threading.Event()
    asked: list[str] = []

    def lookup(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        if host == "hangs.example":
            release.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    resolver = ThreadPerLookupResolver(max_lookups=1, timeout_s=0.5, lookup=lookup)
    hosts = ["hangs.example", *(f"{number}.example" for number in range(20))]
    try:
        failures = await asyncio.gather(*(resolver.resolve(host) for host in hosts), return_exceptions=True)
    finally:
        release.set()
    assert {type(error) for error in failures} == {socket.gaierror}
    assert {getattr(error, "errno", None) for error in failures} == {socket.EAI_AGAIN}
    assert await resolver.resolve("after.example")
    assert asked == ["hangs.example", "after.example"]


async def test_no_thread_for_a_lookup_is_a_failure_that_may_pass() -> None:
    async with page_server({"/": answer("python")}) as pages, open_fetcher() as fetcher:
        usual = threading.stack_size(2**46)  # more than there is memory to reserve
        try:
            for _ in range(2):
                error, _trail = await failure(fetcher, pages.url(host="localhost"))
                assert error.code in {"dns_failed", "internal"}
                assert error.retryable
        finally:
            threading.stack_size(usual)
        assert (await fetcher.fetch(pages.url(host="localhost"))).body == b"python"


async def test_a_lookup_without_a_thread_gives_its_place_back() -> None:
    resolver = ThreadPerLookupResolver(max_lookups=1)
    usual = threading.stack_size(2**46)
    try:
        for _ in range(2):
            async with asyncio.timeout(5):
                with pytest.raises(OSError, match="no thread"):
                    await resolver.resolve("localhost", 80)
    finally:
        threading.stack_size(usual)
    assert await resolver.resolve("localhost", 80)


def test_a_lookup_that_outlives_its_loop_ends_in_silence() -> None:
    """What a thread raises is a warning, and so fails the test."""
    release = threading.Event()
    threads: list[threading.Thread] = []

    def lookup(*_: object, **__: object) -> list[tuple[Any, ...]]:
        threads.append(threading.current_thread())
        release.wait(10)
        return []

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ThreadPerLookupResolver(lookup=lookup).resolve("name.example")

    asyncio.run(give_up())
    release.set()
    threads[0].join(5)
    assert not threads[0].is_alive()
