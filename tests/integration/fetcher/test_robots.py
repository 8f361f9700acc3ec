"""robots.txt of real servers, good and bad ones."""

import asyncio
import gzip
import socket
import threading
import time
import zlib
from dataclasses import replace

import pytest

from services.fetcher.fetching.limits import HopLimits
from services.fetcher.robots.asking import limits_within
from services.fetcher.robots.big_files import BigFiles
from services.fetcher.robots.rules import MAX_BYTES
from tests.integration.fetcher.robots_gate import open_gate
from tests.integration.pages import Request, Route, answer, page_server, redirect

RULES = b"User-agent: *\nDisallow: /closed\n"
SHORT = replace(limits_within(2), read_timeout_s=0.4)  # a second in all


def robots(route: Route, **more: Route) -> dict[str, Route]:
    return {"/robots.txt": route, "*": answer(status=418), **more}


async def test_rules_are_obeyed_and_asked_for_once() -> None:
    async with page_server(robots(answer(RULES))) as server, open_gate() as gate:
        assert (await gate.may(server.url("/open"))).asked
        assert not (await gate.may(server.url("/open?2"))).asked
        error = await gate.refusal(server.url("/closed/a"))
        assert (error.code, error.retryable) == ("robots_disallowed", False)
        assert error.detail == f"line 2 of {server.url('/robots.txt')}"
        assert server.targets() == ["/robots.txt"]
        assert server.requests[0].headers["user-agent"] == "wordwatch-test"
        assert (gate.metric("requests_total", outcome="rules"), gate.metric("cache_hits_total")) == (1, 2)
        assert gate.metric("origins") == 1


async def test_after_24_hours_they_are_asked_for_again() -> None:
    async with page_server(robots(answer(RULES))) as server, open_gate() as gate:
        await gate.may(server.url())
        gate.day.ahead_s = 24 * 3600 - 60
        await gate.may(server.url())
        assert len(server.requests) == 1
        server.routes["/robots.txt"] = answer(b"User-agent: *\nDisallow: /\n")
        gate.day.ahead_s = 24 * 3600 + 1
        await gate.refusal(server.url())
        assert len(server.requests) == 2


async def test_robots_txt_itself_is_never_disallowed_and_not_asked_for() -> None:
    async with page_server(robots(answer(b"User-agent: *\nDisallow: /"))) as server, open_gate() as gate:
        await gate.may(server.url("/robots.txt"))
        assert server.targets() == []


@pytest.mark.parametrize("listed", ["127.0.0.1:{port}", "*"])
async def test_of_listed_hosts_it_is_not_asked_for(listed: str) -> None:
    async with page_server(robots(answer(b"User-agent: *\nDisallow: /"))) as server:
        async with open_gate(ignored=["example.org", listed.format(port=server.port)]) as gate:
            await gate.may(server.url("/a"))
        assert server.targets() == []
        async with open_gate(ignored=["127.0.0.1", "example.org"]) as gate:
            await gate.refusal(server.url("/a"))


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 410, 451])
async def test_without_a_robots_txt_everything_is_allowed(status: int) -> None:
    async with page_server(robots(answer("no such thing", status))) as server, open_gate() as gate:
        await gate.may(server.url("/closed"))
        await gate.may(server.url("/closed"))
        assert server.targets() == ["/robots.txt"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_that_fails_is_left_alone_for_a_minute_and_not_for_a_day(status: int) -> None:
    async with page_server(robots(answer("oops", status))) as server, open_gate() as gate:
        assert (await gate.refusal(server.url("/a"))).code == "robots_disallowed"
        gate.day.ahead_s = 58
        assert (await gate.refusal(server.url("/b"))).code == "robots_disallowed"
        assert len(server.requests) == 1
        server.routes["/robots.txt"] = answer(RULES)
        gate.day.ahead_s = 61
        await gate.may(server.url("/a"))
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_that_the_server_asks_for_is_that_of_its_pages(status: int) -> None:
    async with page_server(robots(answer("slower", status, retry_after="30"))) as server, open_gate() as gate:
        error = await gate.refusal(server.url("/a"))
        assert (error.code, error.http_status, error.retry_after_s) == ("rate_limited", status, 30)
        gate.day.ahead_s = 20
        error = await gate.refusal(server.url("/a"))
        assert error.retry_after_s == pytest.approx(10, abs=2)
        assert len(server.requests) == 1
        server.routes["/robots.txt"] = answer(RULES)
        gate.day.ahead_s = 31
        await gate.may(server.url("/a"))


async def test_five_redirects_are_followed_and_the_rules_are_those_of_who_was_asked() -> None:
    async with page_server(robots(answer(b"User-agent: *\nDisallow: /there"))) as other, page_server() as server:
        chain: dict[str, Route] = {f"/{n}": redirect(f"/{n + 1}", 301 + n % 2) for n in range(1, 4)}
        server.routes = {"/robots.txt": redirect("/1"), **chain, "/4": redirect(other.url("/robots.txt"))}
        async with open_gate() as gate:
            await gate.refusal(server.url("/there"))
            await gate.may(server.url("/here"))
        assert (server.targets(), other.targets()) == (["/robots.txt", "/1", "/2", "/3", "/4"], ["/robots.txt"])


@pytest.mark.parametrize("location", ["/robots.txt", "/one-more", "mailto:you@example.org", "http://[::"])
async def test_redirects_that_lead_nowhere_mean_that_there_is_none(location: str) -> None:
    async with page_server(robots(redirect(location), **{"/one-more": redirect("/robots.txt")})) as server:
        async with open_gate() as gate:
            await gate.may(server.url("/a"))
            await gate.may(server.url("/a"))
        assert len(server.requests) <= 6


async def test_a_redirect_to_a_forbidden_address_is_not_followed() -> None:
    async with page_server() as server, open_gate(allow=f"127.0.0.1:{server.port}") as gate:
        server.routes = robots(redirect("http://127.0.0.2:9/robots.txt"))
        assert (await gate.refusal(server.url("/a"))).code == "forbidden_address"


async def test_each_origin_has_its_own() -> None:
    closed = robots(answer(b"User-agent: *\nDisallow: /"))
    async with page_server(closed) as one, page_server() as two, open_gate() as gate:
        await gate.refusal(one.url())
        await gate.may(two.url())
        await gate.refusal(one.url("/again"))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(RULES), {"content_encoding": "gzip"}),
        (zlib.compress(RULES), {"content_encoding": "deflate"}),
        (b"\xef\xbb\xbf" + RULES, {}),
        (RULES.decode().encode("utf-16"), {}),
        (RULES.replace(b"\n", b"\r"), {}),
        (RULES, {"content_type": "text/html"}),
        (RULES, {"content_type": ""}),
        (RULES, {"content_length": ""}),
        (gzip.compress(RULES * 100)[:-9], {"content_encoding": "gzip"}),
        (gzip.compress(RULES) + b"\0\0junk", {"content_encoding": "gzip"}),
        (RULES + b"\x00\xff\xfe" * 1000, {}),
    ],
)
async def test_rules_are_found_however_they_come(body: bytes, headers: dict[str, str]) -> None:
    async def send(request: Request) -> bytes | None:
        await request.send(answer(body, 200, **headers))
        return None

    async with page_server(robots(send)) as server, open_gate() as gate:
        await gate.refusal(server.url("/closed"))
        await gate.may(server.url("/open"))


@pytest.mark.parametrize(
    "body",
    [
        answer(b""),
        answer(b"", 204),
        answer("<!doctype html><title>Home</title><pre>\nUser-agent: *\nDisallow: /\n</pre>"),
        answer(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, content_type="image/png"),
        answer(b"no gzip", content_encoding="gzip"),
        answer(b"what?", content_encoding="rot13"),
    ],
)
async def test_what_holds_no_rules_allows_everything(body: bytes) -> None:
    async with page_server(robots(body)) as server, open_gate() as gate:
        await gate.may(server.url("/closed"))


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_of_an_endless_one_500_kib_are_read(coding: str) -> None:
    sent = 0
    flood = b"Disallow: /x\n" * 5_000
    stream = zlib.compressobj(wbits=31)

    def coded(text: bytes) -> bytes:
        return stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH) if coding else text

    async def endless(request: Request) -> bytes | None:
        nonlocal sent
        await request.send(answer(b"", content_length="", content_encoding=coding) + coded(RULES))
        while True:
            await request.send(coded(flood))
            sent += len(flood)
            await asyncio.sleep(0)  # what is sent may fit into buffers, and then nobody waits

    async with page_server(robots(endless)) as server, open_gate() as gate:
        await gate.refusal(server.url("/closed"))
        async with asyncio.timeout(5):
            await server.idle.wait()
    assert sent < 200 * MAX_BYTES


async def test_a_bomb_is_read_as_far_as_it_fits() -> None:
    bomb = gzip.compress(RULES + b"#" * 50 * 2**20)
    async with page_server(robots(answer(bomb, content_encoding="gzip"))) as server, open_gate() as gate:
        await gate.refusal(server.url("/closed"))
        await gate.may(server.url("/open"))


async def hang(request: Request) -> bytes | None:
    await request.until_client_leaves()
    return None


async def stall(request: Request) -> bytes | None:
    await request.send(answer(RULES, content_length="1000"))
    await request.until_client_leaves()
    return None


async def drip(request: Request) -> bytes | None:
    await request.send(answer(b"", content_length="100000"))
    while True:
        await request.send(b"#")
        await asyncio.sleep(0.05)


async def reset(request: Request) -> bytes | None:
    request.reset()
    return None


async def reset_inside(request: Request) -> bytes | None:
    await request.send(answer(RULES, content_length=""))
    request.reset()
    return None


async def cut_short(request: Request) -> bytes | None:
    await request.send(answer(RULES, content_length="1000"))
    return None


async def broken_chunks(request: Request) -> bytes | None:
    await request.send(answer(b"", content_length="", transfer_encoding="chunked") + b"5\r\nUser-\r\nzz\r\n")
    return None


@pytest.mark.parametrize(
    ("route", "codes", "retried"),
    [
        (hang, {"read_timeout"}, True),
        (stall, {"read_timeout"}, True),
        (drip, {"deadline_exceeded"}, True),
        (reset, {"connect_failed"}, True),
        (reset_inside, {"body_incomplete"}, True),
        (cut_short, {"body_incomplete"}, True),
        (broken_chunks, {"body_incomplete", "read_timeout"}, True),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", {"http_error"}, False),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", {"http_error"}, False),
        (b"HTTP/1.1 000 Nought\r\nContent-Length: 0\r\n\r\n", {"http_error"}, False),
    ],
)
async def test_what_keeps_it_from_coming_ends_the_check_as_itself_and_is_not_kept(
    route: Route, codes: set[str], retried: bool
) -> None:
    async with page_server(robots(route)) as server, open_gate(limits=SHORT) as gate:
        began_s = time.monotonic()
        error = await gate.refusal(server.url("/a"))
        assert error.code in codes
        assert error.retryable == retried
        assert ("robots.txt" in error.detail) is not error.code.startswith(("dns_", "connect_", "tls_"))
        assert time.monotonic() - began_s < 10
        server.routes["/robots.txt"] = answer(RULES)
        await gate.may(server.url("/a"))
        assert gate.metric("requests_total", outcome="failed") == 1


async def test_where_nobody_listens_or_nobody_may_go_that_is_the_error() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        async with open_gate() as gate:
            assert (await gate.refusal(url)).code == "connect_failed"
        async with open_gate(allow="") as gate:
            assert (await gate.refusal(url)).code == "forbidden_address"
    async with open_gate() as gate:
        assert (await gate.refusal("http://does-not-exist.invalid/")).code in {"dns_not_found", "dns_failed"}


async def test_fifty_checks_of_a_host_ask_it_once_whoever_leaves() -> None:
    arrived, release = asyncio.Event(), asyncio.Event()

    async def late(_request: Request) -> bytes:
        arrived.set()
        await release.wait()
        return answer(RULES)

    async with page_server(robots(late)) as server, open_gate() as gate:
        checks = [asyncio.create_task(gate.may(server.url(f"/{number}"))) for number in range(50)]
        await arrived.wait()
        checks[0].cancel()
        release.set()
        found = await asyncio.gather(*checks, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert not [each for each in found[1:] if isinstance(each, BaseException)]
        assert server.targets() == ["/robots.txt"]


async def test_when_all_have_left_the_request_ends() -> None:
    async with page_server(robots(hang)) as server, open_gate() as gate:
        check = asyncio.create_task(gate.may(server.url()))
        while not server.requests:  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.005)
        check.cancel()
        async with asyncio.timeout(5):
            await server.idle.wait()


async def test_the_page_goes_on_with_the_connection_of_a_short_answer() -> None:
    async with page_server(robots(answer("<h1>There is none</h1>", 404))) as server, open_gate() as gate:
        assert set((await gate.may(server.url())).phases_s) == {"dns", "connect"}
        server.routes["/robots.txt"] = answer(RULES)
        gate.day.ahead_s = 24 * 3600 + 1
        assert (await gate.may(server.url())).phases_s == {}
        assert server.connections == 1


async def test_rule_6_redirects_on_the_same_key_are_spaced() -> None:
    hops = HopLimits(concurrency=1, spacing_s=0.3)
    async with page_server(robots(redirect("/2"), **{"/2": answer(RULES)})) as server, open_gate(hops=hops) as gate:
        began_s = time.monotonic()
        await gate.may(server.url())
        assert time.monotonic() - began_s >= 0.3


async def test_what_waits_for_its_hosts_turn_keeps_to_the_deadline() -> None:
    hops = HopLimits(concurrency=1, spacing_s=60)
    limits = replace(SHORT, deadline_s=0.3)
    async with page_server(robots(redirect("/2"))) as server, open_gate(hops=hops, limits=limits) as gate:
        assert (await gate.refusal(server.url())).code == "deadline_exceeded"
        assert server.targets() == ["/robots.txt"]


async def test_a_huge_file_is_read_and_applied_beside_the_event_loop() -> None:
    """34,000 rules with wildcards, and an address that none of them matches: each takes a tenth of a second."""
    huge = b"User-agent: *\n" + b"".join(b"Disallow:*%x*\n" % number for number in range(0xF000, 0xF000 + 40_000))
    long = f"http://example.org/{'z' * 1900}"
    others = set(threading.enumerate())

    def beside() -> int:
        return sum(each.name.startswith("robots") for each in set(threading.enumerate()) - others)

    for_small_ones, for_reading, for_applying = BigFiles(), BigFiles(), BigFiles()
    try:
        assert await for_small_ones.deciding(await for_small_ones.read(RULES), long) is None
        assert beside() == 0
        found = await for_reading.read(huge)
        assert (beside(), len(found.ordered) > 10_000) == (1, True)
        assert await for_applying.deciding(found, long) is None
        assert beside() == 2
    finally:
        for files in (for_small_ones, for_reading, for_applying):
            files.close()
