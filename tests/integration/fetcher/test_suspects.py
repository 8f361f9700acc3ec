"""Suspects, large pages and pages with many tags between a real nsqd, real page servers and real children."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.fetcher.reading.limits import Limits
from services.fetcher.watchdog import Patience
from shared import settings, topics
from shared.messages import AttemptFinished, AttemptsLate, Question
from shared.nsq.message import Message
from shared.nsq.wiring import Wiring
from tests import factories
from tests.integration.fetcher import hostile_pages
from tests.integration.fetcher.hostile_pages import hostile
from tests.integration.fetcher.stack import Stack, check, outside, running
from tests.integration.pages import Request, answer, page_server
from tests.integration.servers import Nsqd, TcpProxy, eventually

PLAIN = answer("<p>python</p>")
PARTS = {"count": hostile_pages.count, "limits": Limits(cpu_s=1, wall_s=20), "patience": Patience(thread_s=1000)}


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server


@pytest.fixture
async def stack(nsqd: Nsqd) -> AsyncIterator[Stack]:
    async with running(nsqd, parts=PARTS) as stack:
        yield stack


def read_in(stack: Stack, place: str) -> float:
    return stack.metric("wordwatch_fetcher_pages_read_total", place=place)


@pytest.mark.parametrize("why", [{"lost": 1}, {"deaths": 1}])
async def test_rule_15_a_check_with_a_past_is_read_in_a_child(stack: Stack, why: dict[str, Any]) -> None:
    async with page_server({"*": PLAIN}) as server:
        await stack.send(check(server.url()), check(server.url(), **why))
        outcomes = await stack.outcomes(2)
    assert [report.counted and report.counted.total for report in outcomes.values()] == [1, 1]
    assert (read_in(stack, "inline"), read_in(stack, "child")) == (1, 1)


async def test_rule_15_a_check_that_nsqd_delivers_again_is_read_in_a_child(nsqd: Nsqd) -> None:
    asked = asyncio.Event()

    async def handle(request: Request) -> bytes | None:
        if len(server.requests) > 1:
            return PLAIN
        asked.set()
        await request.until_client_leaves()
        return None

    quick: dict[str, Any] = {"WORDWATCH_MSG_TIMEOUT_S": "3"}
    async with (
        page_server({"*": handle}) as server,
        TcpProxy(nsqd.tcp) as proxy,
        running(nsqd, proxy.address, **quick) as frozen,
    ):
        await frozen.send(check(server.url()))
        await asked.wait()
        proxy.freeze()
        async with running(nsqd, **quick) as other:
            other.reports = frozen.reports  # both read the one channel
            (report,) = (await other.outcomes(1, timeout_s=30)).values()
            assert read_in(other, "child") == 1
        proxy.thaw()
    assert report.counted is not None


@pytest.mark.parametrize(
    ("page", "place", "total"),
    [
        pytest.param("<p>python" * 1_000, "inline", 1_000, id="small"),
        pytest.param("<p>python</p>\n" + "text <br> " * 10_000, "thread", 1, id="of middle size"),
        pytest.param("<p>python</p>\n" + "<!-- -->" * 300_000, "child", 1, id="over 2 MiB"),
        pytest.param("<p>python" * 20_000, "child", 20_000, id="of very many tags"),
    ],
)
async def test_rule_15_large_pages_are_read_in_a_child(stack: Stack, page: str, place: str, total: int) -> None:
    async with page_server({"*": answer(page)}) as server:
        await stack.send(check(server.url()))
        report = await stack.outcome()
    assert report.counted is not None
    assert report.counted.total == total
    assert read_in(stack, place) == 1


@pytest.mark.parametrize(("deed", "code"), [("abort", "poison"), ("spin", "too_complex"), ("balloon", "too_complex")])
async def test_rule_15_a_suspect_that_kills_its_child_is_reported(stack: Stack, deed: str, code: str) -> None:
    async with page_server({"/bad": answer(hostile(deed)), "*": PLAIN}) as server:
        bad = check(server.url("/bad"), lost=1)
        await stack.send(bad, *(check(server.url(f"/{number}"), lost=1) for number in range(20)))
        outcomes = await stack.outcomes(21, timeout_s=30)
    error = outcomes.pop(bad.check_id).error
    assert error is not None
    assert (error.code, error.retry) == (code, False)
    assert all(report.counted is not None and report.counted.total == 1 for report in outcomes.values())


async def test_rule_15_a_page_that_needs_more_memory_than_the_fetcher_may_have_goes_to_a_child(stack: Stack) -> None:
    async with page_server({"*": answer(hostile("refused"))}) as server:
        await stack.send(check(server.url(), question=Question(words=("python",))))
        report = await stack.outcome()
    assert report.counted is not None
    assert (read_in(stack, "child"), read_in(stack, "inline")) == (1, 0)


async def test_rule_12_an_attempt_ends_before_its_lease_whatever_it_waits_for(nsqd: Nsqd) -> None:
    parts = PARTS | {"limits": Limits(cpu_s=60, wall_s=60)}
    variables: dict[str, Any] = {"WORDWATCH_LEASE_S": "16", "WORDWATCH_FETCH_TIMEOUT_S": "1"}
    page = answer(hostile("sleep", padding=100_000))
    async with page_server({"*": page}) as server, running(nsqd, parts=parts, **variables) as stack:
        ends = factories.now() + timedelta(seconds=6)
        await stack.send(check(server.url(), not_after=ends))
        await eventually(lambda: stack.metric("wordwatch_fetcher_given_up_attempts_total") == 1, what="its end")
        assert factories.now() < ends
        assert (stack.of(AttemptFinished), stack.of(AttemptsLate)) == ([], [])


async def test_rule_12_what_another_fetcher_may_have_died_of_is_not_reported_as_never_begun(nsqd: Nsqd) -> None:
    async with page_server({"*": PLAIN}) as server, outside(nsqd) as ends:
        late = check(server.url(), not_after=factories.now() + timedelta(seconds=20))
        await ends.send(late)
        await take_and_vanish(nsqd)
        async with running(nsqd) as stack:
            await eventually(lambda: stack.metric("wordwatch_fetcher_late_attempts_total") == 1, what="its judgement")
        assert (stack.of(AttemptsLate), server.targets()) == ([], [])


async def take_and_vanish(nsqd: Nsqd) -> None:
    """Takes a check and hands it back, as a fetcher that ends does."""
    config = settings.load({"WORDWATCH_NSQD": nsqd.tcp})
    wiring = Wiring(config, instance="gone", registry=CollectorRegistry())
    taken = asyncio.Event()

    async def take(message: Message) -> None:
        await message.req()
        taken.set()

    consumer = wiring.consumer(topics.CHECKS, take, max_in_flight=1)
    async with wiring.lookup, asyncio.TaskGroup() as group:
        group.create_task(consumer.run())
        await taken.wait()
        await consumer.stop(1)
