"""The fetcher between a real nsqd and real page servers."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.fetcher import app
from shared import messages, topics
from shared.messages import AttemptFinished, AttemptsLate, AttemptsStarted, FetcherHere
from tests import factories
from tests.integration.fetcher.stack import Stack, check, running
from tests.integration.pages import Request, Route, answer, page_server
from tests.integration.servers import Nsqd, TcpProxy, eventually

PAGE = answer("<title>Snakes</title><p>Python and <b>py</b>thon</p><script>python</script>", content_type="text/html")
CASES = json.loads((Path(__file__).parents[2] / "data" / "tricky.json").read_text(encoding="utf-8"))


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server


@pytest.fixture
async def stack(nsqd: Nsqd) -> AsyncIterator[Stack]:
    async with running(nsqd) as stack:
        yield stack


async def test_a_page_is_fetched_counted_and_reported(stack: Stack) -> None:
    async with page_server({"*": PAGE}) as server:
        claimed = check(server.url("/snakes"))
        await stack.send(claimed)
        report = await stack.outcome()
    assert (report.check_id, report.attempt, report.host) == (claimed.check_id, claimed.attempt, claimed.host)
    assert report.counted is not None
    assert report.counted.counts == {"python": 2}
    assert report.counted.snippets["python"][0].match == "Python"
    assert (report.facts.http_status, report.facts.title, report.facts.content_type) == (200, "Snakes", "text/html")
    assert report.facts.address == "127.0.0.1"
    assert {"connect", "first_byte", "download", "parse", "count"} <= set(report.facts.timings_ms)
    assert report.started_at <= report.finished_at


async def test_both_lanes_are_served(stack: Stack) -> None:
    async with page_server({"*": PAGE}) as server:
        await stack.send(check(server.url()), topic=topics.CHECKS_BULK)
        assert (await stack.outcome()).counted is not None


async def test_why_there_is_no_count_is_reported(stack: Stack) -> None:
    async with page_server({"*": answer("gone", 410)}) as server:
        await stack.send(check(server.url()))
        report = await stack.outcome()
    assert report.error is not None
    assert (report.error.code, report.error.retry, report.facts.http_status) == ("http_error", False, 410)
    assert report.counted is None


@pytest.mark.parametrize("content_type", [b"\xff", b"text/\xff", b"application/\xe9", b"text/html \xe9"])
async def test_a_header_that_is_no_text_ends_in_an_outcome_too(stack: Stack, content_type: bytes) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: " + content_type + b"\r\nContent-Length: 6\r\n\r\npython"
    async with page_server({"*": page}) as server:
        await stack.send(check(server.url()))
        report = await stack.outcome()
    assert report.counted is not None or (report.error is not None and report.error.code == "unsupported_type")


async def test_a_forbidden_address_is_never_connected_to(nsqd: Nsqd) -> None:
    async with page_server({"*": PAGE}) as server, running(nsqd, WORDWATCH_ALLOW_TARGETS="") as stack:
        await stack.send(check(server.url()))
        report = await stack.outcome()
        assert server.targets() == []
    assert report.error is not None
    assert report.error.code == "forbidden_address"


async def test_rule_12_an_attempt_with_too_little_lease_left_is_reported_late_and_not_fetched(stack: Stack) -> None:
    async with page_server({"*": PAGE}) as server:
        late = check(server.url(), not_after=factories.now() + timedelta(seconds=20))
        await stack.send(late)
        await eventually(lambda: stack.of(AttemptsLate), what="a late report")
        (ref,) = stack.of(AttemptsLate)[0].attempts
        assert (ref.check_id, ref.attempt) == (late.check_id, late.attempt)
        assert server.targets() == []


async def test_rule_13_a_repeat_of_an_attempt_is_not_fetched(stack: Stack) -> None:
    async with page_server({"*": PAGE}) as server:
        first = check(server.url("/1"))
        await stack.send(first)
        await stack.outcome()
        await stack.send(first, check(server.url("/2")))
        await eventually(lambda: len(stack.of(AttemptFinished)) == 2, what="the second outcome")
        assert server.targets() == ["/1", "/2"]


async def test_an_attempt_waits_until_it_may_start(stack: Stack) -> None:
    async with page_server({"*": PAGE}) as server:
        start = factories.now() + timedelta(seconds=0.5)
        await stack.send(check(server.url(), not_before=start, not_after=start + timedelta(seconds=60)))
        assert (await stack.outcome()).started_at >= start


async def test_only_a_slow_attempt_is_reported_as_started(stack: Stack) -> None:
    release = asyncio.Event()

    async def handle(request: Request) -> bytes | None:
        if request.target == "/slow":
            await release.wait()
        return PAGE

    async with page_server({"*": handle}) as server:
        quick, slow = check(server.url("/quick")), check(server.url("/slow"))
        await stack.send(quick, slow)
        await eventually(lambda: stack.of(AttemptsStarted), what="a start")
        release.set()
        await eventually(lambda: len(stack.of(AttemptFinished)) == 2, what="both outcomes")
    started = [ref.check_id for report in stack.of(AttemptsStarted) for ref in report.attempts]
    assert started == [slow.check_id]


async def test_it_says_that_it_is_there_and_that_it_leaves(nsqd: Nsqd) -> None:
    async with running(nsqd) as stack:
        await eventually(lambda: stack.of(FetcherHere), what="a sign of life")
        assert stack.of(FetcherHere)[0].capacity == 64
        stack.service.stopping.set()
        await eventually(lambda: stack.of(FetcherHere)[-1].capacity == 0, what="a farewell")


async def test_what_is_in_hand_at_the_end_is_finished_and_reported(nsqd: Nsqd) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> bytes | None:
        asked.set()
        await release.wait()
        return PAGE

    async with page_server({"*": handle}) as server, running(nsqd) as stack:
        await stack.send(check(server.url()))
        await asked.wait()
        stack.service.stopping.set()
        await eventually(lambda: stack.of(FetcherHere)[-1].capacity == 0, what="a farewell")
        release.set()
        assert (await stack.outcome()).counted is not None


async def test_rule_14_a_fetch_whose_message_went_elsewhere_is_dropped(nsqd: Nsqd) -> None:
    asked = asyncio.Event()

    async def handle(request: Request) -> bytes | None:
        asked.set()
        await request.until_client_leaves()
        return None

    async with (
        TcpProxy(nsqd.tcp) as proxy,
        page_server({"*": handle}) as server,
        running(nsqd, proxy.address, WORDWATCH_MSG_TIMEOUT_S="1") as stack,
    ):
        await stack.send(check(server.url()))
        await asked.wait()
        proxy.freeze()
        await eventually(lambda: stack.metric("wordwatch_fetcher_dropped_attempts_total") == 1, what="a drop")
        proxy.thaw()
        assert stack.of(AttemptFinished) == []


async def test_a_result_found_within_the_message_timeout_of_a_broken_connection_counts(nsqd: Nsqd) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> bytes | None:
        asked.set()
        await release.wait()
        return PAGE

    async with TcpProxy(nsqd.tcp) as proxy, page_server({"*": handle}) as server, running(nsqd, proxy.address) as stack:
        await stack.send(check(server.url()))
        await asked.wait()
        proxy.reset()
        release.set()
        assert (await stack.outcome()).counted is not None


async def test_the_cases_of_the_counting_rule_over_http(nsqd: Nsqd) -> None:
    def page(case: dict[str, Any]) -> bytes:
        body = base64.b64decode(case["body_b64"]) if "body_b64" in case else case["html"].encode()
        return answer(body, **{name.replace("-", "_").lower(): value for name, value in case["headers"].items()})

    routes: dict[str, Route] = {f"/{case['id']}": page(case) for case in CASES}
    async with page_server(routes) as server, running(nsqd) as stack:
        asked = {}
        for case in CASES:
            options = {name: case[name] for name in ("scope", "whole_word", "case_sensitive")}
            question = messages.Question(words=(case["word"],), **options)
            asked[case["id"]] = check(server.url(f"/{case['id']}"), question=question)
        await stack.send(*asked.values())
        await eventually(lambda: len(stack.of(AttemptFinished)) == len(CASES), what="all outcomes")
    counted = {report.check_id: report.counted for report in stack.of(AttemptFinished)}
    found = {name: counts.total if (counts := counted[each.check_id]) else None for name, each in asked.items()}
    assert found == {case["id"]: case["expected"] for case in CASES}


async def test_threads_that_count_give_way_sooner_while_a_fetcher_runs(nsqd: Nsqd) -> None:
    before_s = sys.getswitchinterval()
    async with running(nsqd):
        assert sys.getswitchinterval() == pytest.approx(app.SWITCH_S)
    assert sys.getswitchinterval() == before_s
