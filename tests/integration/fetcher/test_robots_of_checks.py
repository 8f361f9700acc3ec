"""Checks of pages whose hosts have a robots.txt, from the message to the outcome."""

import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.messages import AttemptFinished
from shared.version import VERSION
from tests.integration.fetcher.processes import fetcher_process
from tests.integration.fetcher.stack import Stack, check, outside, running
from tests.integration.pages import PageServer, Request, Route, answer, page_server, redirect
from tests.integration.servers import Nsqd, eventually

PAGE = answer("<p>python")
CLOSED = answer("User-agent: *\nDisallow: /\n", content_type="text/plain")
EMPTY = answer("", content_type="text/plain")
SPACING_S = 0.4
POLITE: dict[str, Any] = {"WORDWATCH_HOST_RATE_PER_S": str(1 / SPACING_S)}


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server


def noting(times: dict[str, float], route: bytes) -> Route:
    """`route`, with the time of each first request of a path noted."""

    async def note(request: Request) -> bytes:
        times.setdefault(request.target, time.monotonic())
        return route

    return note


async def outcome(stack: Stack, url: str) -> AttemptFinished:
    asked = check(url)
    before = len(stack.of(AttemptFinished))
    await stack.send(asked)
    await eventually(lambda: len(stack.of(AttemptFinished)) > before, what="an outcome")
    return stack.of(AttemptFinished)[-1]


async def test_a_page_that_robots_txt_closes_is_not_fetched(nsqd: Nsqd) -> None:
    async with page_server({"/robots.txt": CLOSED, "*": PAGE}) as server, running(nsqd) as stack:
        report = await outcome(stack, server.url("/a"))
        assert server.targets() == ["/robots.txt"]
        await eventually(  # it is counted when nsqd has confirmed the report
            lambda: stack.metric("wordwatch_fetcher_attempts_total", outcome="robots_disallowed") == 1, what="a count"
        )
    assert report.error is not None
    assert (report.error.code, report.error.retry) == ("robots_disallowed", False)
    assert (report.facts.http_status, report.facts.final_url) == (None, server.url("/a"))


async def test_of_listed_hosts_it_is_fetched_all_the_same(nsqd: Nsqd) -> None:
    async with page_server({"/robots.txt": CLOSED, "*": PAGE}) as server:
        async with running(nsqd, WORDWATCH_IGNORE_ROBOTS_HOSTS=f"127.0.0.1:{server.port}") as stack:
            assert (await outcome(stack, server.url("/a"))).counted is not None
        assert server.targets() == ["/a"]


async def test_where_a_redirect_leads_that_hosts_robots_txt_decides(nsqd: Nsqd) -> None:
    async with page_server({"/robots.txt": CLOSED, "*": PAGE}) as there, page_server() as here, running(nsqd) as stack:
        here.routes = {"/robots.txt": EMPTY, "*": redirect(there.url("/landed"))}
        report = await outcome(stack, here.url("/a"))
    assert (here.targets(), there.targets()) == (["/robots.txt", "/a"], ["/robots.txt"])
    assert report.error is not None
    assert report.error.code == "robots_disallowed"
    assert (report.facts.final_url, report.facts.redirects) == (there.url("/landed"), (there.url("/landed"),))


async def test_a_hop_on_the_same_host_is_judged_too(nsqd: Nsqd) -> None:
    rules = answer("User-agent: wordwatch\nDisallow: /landed$\n", content_type="text/plain")
    routes: dict[str, Route] = {"/robots.txt": rules, "/a": redirect("/landed"), "*": PAGE}
    async with page_server(routes) as server, running(nsqd) as stack:
        report = await outcome(stack, server.url("/a"))
    assert server.targets() == ["/robots.txt", "/a"]
    assert report.error is not None
    assert report.error.code == "robots_disallowed"


async def test_rule_6_the_first_page_of_a_host_waits_for_the_turn_after_robots_txt(nsqd: Nsqd) -> None:
    times: dict[str, float] = {}
    async with page_server() as server, running(nsqd, **POLITE) as stack:
        server.routes = {
            "/robots.txt": noting(times, EMPTY),
            "/a": noting(times, redirect("/b")),
            "*": noting(times, PAGE),
        }
        assert (await outcome(stack, server.url("/a"))).counted is not None
        assert server.targets() == ["/robots.txt", "/a", "/b"]
    # What is told by another clock than the limit's may seem a little early.
    assert times["/a"] - times["/robots.txt"] > SPACING_S * 0.9
    assert times["/b"] - times["/a"] > SPACING_S * 0.9


async def test_rule_6_who_finds_it_answered_does_not_wait(nsqd: Nsqd) -> None:
    slow: dict[str, Any] = {"WORDWATCH_HOST_RATE_PER_S": "0.7"}
    async with page_server({"*": PAGE}) as server, running(nsqd, **slow) as stack:
        await stack.send(check(server.url("/1")), check(server.url("/2")))
        assert (await stack.outcome()).counted is not None
        assert len(server.targets()) == 1  # the one that asked waits for the next turn
        await stack.outcomes(2)


async def test_rule_14_a_fetcher_that_was_stopped_after_robots_txt_fetches_nothing_stale(nsqd: Nsqd) -> None:
    variables: dict[str, Any] = {"WORDWATCH_HOST_RATE_PER_S": "0.5", "WORDWATCH_MSG_TIMEOUT_S": "1"}
    async with (
        page_server({"/robots.txt": EMPTY, "*": PAGE}) as server,
        fetcher_process(nsqd, **variables) as fetcher,
        outside(nsqd) as ends,
    ):
        await ends.send(check(server.url("/stale")))
        await eventually(lambda: server.targets() == ["/robots.txt"], what="the question")
        fetcher.signal(signal.SIGSTOP)
        over_s = time.monotonic() + 2.5
        await eventually(lambda: time.monotonic() > over_s, what="the end of its message, and its host's turn")
        fetcher.signal(signal.SIGCONT)
        await ends.send(fresh := check(server.url("/fresh")))
        assert (await ends.outcomes(1))[fresh.check_id].counted is not None
        assert server.targets() == ["/robots.txt", "/fresh"]


async def test_hosts_that_are_trusted_wait_for_no_turn(nsqd: Nsqd) -> None:
    async with page_server({"/robots.txt": EMPTY, "*": PAGE}) as server:
        never: dict[str, Any] = {"WORDWATCH_HOST_RATE_PER_S": "0.001"}
        async with running(nsqd, WORDWATCH_TRUSTED_HOSTS=f"127.0.0.1:{server.port}", **never) as stack:
            assert (await outcome(stack, server.url("/1"))).counted is not None


@pytest.mark.parametrize(
    ("route", "code", "retry", "pause_s"),
    [
        (answer("oops", 500), "robots_disallowed", False, None),
        (answer("slower", 429, retry_after="7"), "rate_limited", True, 7),
        (answer("soon", 503, retry_after="7"), "rate_limited", True, 7),
        (b"", "connect_failed", True, None),
    ],
)
async def test_what_a_bad_robots_txt_means_for_the_check(
    nsqd: Nsqd, route: bytes, code: str, retry: bool, pause_s: float | None
) -> None:
    async def once(_request: Request) -> bytes | None:
        return route or None

    async with page_server({"/robots.txt": once, "*": PAGE}) as server, running(nsqd) as stack:
        report = await outcome(stack, server.url("/a"))
        assert "/a" not in server.targets()
    assert report.error is not None
    assert (report.error.code, report.error.retry, report.error.retry_after_s) == (code, retry, pause_s)


@pytest.mark.parametrize(
    ("variables", "agent"),
    [
        ({}, f"wordwatch/{VERSION} (word counter; no contact set)"),
        ({"WORDWATCH_CONTACT": "https://example.org/bot?a=b"}, f"wordwatch/{VERSION} (+https://example.org/bot?a=b)"),
        ({"WORDWATCH_CONTACT": "me@example.org", "WORDWATCH_USER_AGENT": "Mine/2 (x)"}, "Mine/2 (x)"),
    ],
)
async def test_pages_and_robots_txt_are_told_who_asks(nsqd: Nsqd, variables: dict[str, Any], agent: str) -> None:
    async with page_server({"/robots.txt": EMPTY, "*": PAGE}) as server, running(nsqd, **variables) as stack:
        assert (await outcome(stack, server.url())).counted is not None
    assert {request.target: request.headers["user-agent"] for request in server.requests} == {
        "/robots.txt": agent,
        "/": agent,
    }


async def test_a_batch_of_one_host_asks_once_and_of_many_hosts_once_each(nsqd: Nsqd) -> None:
    asked: dict[str, int] = defaultdict(int)

    async def count(request: Request) -> bytes:
        asked[request.headers["host"]] += 1
        return EMPTY

    async with page_server({"/robots.txt": count, "*": PAGE}, host="0.0.0.0") as server, running(nsqd) as stack:
        await stack.send(*(check(server.url(f"/{n}", host=f"127.0.0.{1 + n % 5}")) for n in range(60)))
        await stack.outcomes(60, timeout_s=30)
    assert pages(server) == 60
    assert sorted(asked.values()) == [1] * 5


def pages(server: PageServer) -> int:
    return sum(target != "/robots.txt" for target in server.targets())
