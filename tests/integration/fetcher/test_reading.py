"""Pages read in child processes that they may kill: real processes, real signals, real limits."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import prometheus_client
import pytest

from services.fetcher.counting import PageCount, Question, count_page
from services.fetcher.reading.counter import path_of
from services.fetcher.reading.limits import Limits
from services.fetcher.reading.metrics import Metrics
from services.fetcher.reading.pool import ChildFailed, OutOfTime, Pool
from services.fetcher.reading.threads import CountingThreads, StuckThread
from shared.clock import monotonic_s
from shared.errors import FetchError
from tests.integration.fetcher import hostile_pages
from tests.integration.fetcher.hostile_pages import hostile
from tests.integration.servers import eventually

ROOT = Path(__file__).parents[3]
QUESTION = Question(words=("python",))
LIMITS = Limits(cpu_s=1, wall_s=20)
SOON = Limits(cpu_s=20, wall_s=1)
FAR_S = 60.0


class Reading:
    """A pool, and short ways to use it."""

    def __init__(self, pool: Pool, registry: prometheus_client.CollectorRegistry) -> None:
        self.pool = pool
        self._registry = registry

    async def read(self, page: str | bytes, *, within_s: float = FAR_S, killer: bool = False) -> PageCount:
        body = page.encode() if isinstance(page, str) else page
        until_s = monotonic_s() + within_s
        return await self.pool.read(body, "text/html", QUESTION, until_s=until_s, killer=killer, name="a check")

    async def code(self, deed: str, **options: Any) -> str:
        with pytest.raises(FetchError) as caught:
            await self.read(hostile(deed), **options)
        return caught.value.code

    def metric(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(f"wordwatch_fetcher_{name}_total", labels) or 0


@asynccontextmanager
async def reading(
    limits: Limits = LIMITS, count: Callable[..., PageCount] = hostile_pages.count, **options: Any
) -> AsyncIterator[Reading]:
    registry = prometheus_client.CollectorRegistry()
    pool = Pool(path_of(count), limits=limits, metrics=Metrics(registry), clock=monotonic_s, **options)
    running = asyncio.create_task(pool.run())
    try:
        yield Reading(pool, registry)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await pool.close()
        assert pool.pids == []


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def asleep_in_c(pid: int) -> bool:
    return "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()


async def test_a_child_counts_like_this_process_and_stays_for_the_next_page() -> None:
    page = b"<title>Snakes</title><p>Python and <b>py</b>thon \xe2\x80\x94 d\xc3\xa9j\xc3\xa0</p>"
    here = count_page(page, "text/html", QUESTION)
    async with reading() as children:
        there = await children.read(page)
        (pid,) = children.pool.pids
        assert replace(there, parse_ms=0, count_ms=0) == replace(here, parse_ms=0, count_ms=0)
        assert (await children.read("<p>python</p>")).total == 1
        assert children.pool.pids == [pid]
        assert children.metric("children_started") == 1


@pytest.mark.parametrize(
    ("deed", "code", "cause"),
    [
        ("abort", "poison", "crash"),
        ("crash", "poison", "crash"),
        ("spin", "too_complex", "cpu"),
        ("stall", "too_complex", "time"),
        ("sleep", "too_complex", "time"),
        ("balloon", "too_complex", "memory"),
    ],
)
async def test_rule_15_the_death_of_a_child_is_a_result(deed: str, code: str, cause: str) -> None:
    async with reading(SOON if cause == "time" else LIMITS) as children:
        assert await children.code(deed) == code
        assert children.metric("child_deaths", cause=cause) == 1
        assert (await children.read("<p>python</p>")).total == 1  # in another child
        assert children.metric("children_started") == 2


async def test_rule_15_the_death_of_a_child_hurts_no_page_in_the_other() -> None:
    async with reading() as children:
        async with asyncio.TaskGroup() as both:
            neighbour = both.create_task(children.read(hostile("nap")))
            await eventually(lambda: len(children.pool.pids) == 1, what="a child at work")
            both.create_task(children.code("abort"))
        assert neighbour.result().total == 1


async def test_rule_15_a_page_that_has_killed_never_has_all_children() -> None:
    async with reading(Limits(cpu_s=5, wall_s=10)) as children:
        killers = [asyncio.create_task(children.read(hostile("sleep"), killer=True)) for _ in range(3)]
        await eventually(lambda: len(children.pool.pids) == 1, what="a child at work")
        assert (await children.read("<p>python</p>")).total == 1
        for killer in killers:
            killer.cancel()
        await asyncio.gather(*killers, return_exceptions=True)


async def test_rule_15_a_child_that_somebody_killed_convicts_nobody() -> None:
    async with reading() as children:
        await children.read("<p>python</p>")
        (pid,) = children.pool.pids
        napping = asyncio.create_task(children.read(hostile("nap")))
        await eventually(lambda: asleep_in_c(pid), what="its nap")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            os.kill(pid, number)
        assert (await napping).total == 1
        assert children.metric("children_started") == 2


async def test_errors_without_a_death_come_back_as_they_are() -> None:
    async with reading() as children:
        with pytest.raises(FetchError) as refused:
            await children.pool.read(
                b"GIF89a", "image/gif", QUESTION, until_s=monotonic_s() + FAR_S, killer=False, name="a check"
            )
        assert (refused.value.code, refused.value.detail) == ("unsupported_type", "Content-Type: image/gif")
        with pytest.raises(ChildFailed, match="a defect of ours"):
            await children.read(hostile("error"))
        assert children.metric("children_started") == 1


async def test_rule_15_a_page_that_computed_while_others_had_the_processor_is_not_convicted() -> None:
    async with reading(SOON) as children:
        with pytest.raises(FetchError) as refused:
            await children.read(hostile("spin"))
        assert (refused.value.code, refused.value.retryable) == ("deadline_exceeded", True)
        assert children.metric("child_deaths", cause="starved") == 1


async def test_a_page_given_up_takes_its_child_along() -> None:
    async with reading() as children:
        asked = asyncio.create_task(children.read(hostile("sleep")))
        await eventually(lambda: children.pool.pids, what="a child")
        (pid,) = children.pool.pids
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await eventually(lambda: not lives(pid), what="its end")


async def test_waiting_for_a_child_ends_with_the_time_that_there_is() -> None:
    async with reading(Limits(cpu_s=5, wall_s=10), size=1) as children:
        holder = asyncio.create_task(children.read(hostile("sleep")))
        await eventually(lambda: children.pool.pids, what="a child")
        with pytest.raises(OutOfTime):
            await children.read("<p>python</p>", within_s=1)
        assert not holder.done()
        holder.cancel()
        await asyncio.gather(holder, return_exceptions=True)


async def test_with_little_time_a_page_is_read_but_not_judged() -> None:
    async with reading(Limits(cpu_s=5, wall_s=10)) as children:
        assert (await children.read("<p>python</p>", within_s=4)).total == 1
        with pytest.raises(OutOfTime):
            await children.read(hostile("sleep"), within_s=2)


async def test_idle_children_are_ended() -> None:
    async with reading(idle_s=0.1) as children:
        await children.read("<p>python</p>")
        (pid,) = children.pool.pids
        await eventually(lambda: children.pool.pids == [], what="no child")
        assert not lives(pid)


async def test_a_child_that_died_while_idle_costs_nothing() -> None:
    async with reading() as children:
        await children.read("<p>python</p>")
        (pid,) = children.pool.pids
        os.kill(pid, signal.SIGKILL)
        assert (await children.read("<p>python</p>")).total == 1


async def test_a_child_that_took_much_memory_is_not_kept() -> None:
    async with reading(Limits(), count_page) as children:
        assert (await children.read(b"<p>python" * 1_165_000)).total == 1_165_000  # 10 MB, 400 MB of tree
        await children.read("<p>python</p>")
        assert children.metric("children_started") == 2


async def test_the_worst_page_within_the_size_limit_is_counted_not_refused() -> None:
    async with reading(Limits(), count_page) as children:
        page = b"<p>" * 3_495_249 + b"python"  # 10 MiB
        assert (await children.read(page)).total == 1
        assert children.metric("child_deaths", cause="memory") == 0


async def test_a_tree_that_outgrows_its_page_is_too_complex() -> None:
    async with reading(Limits(), count_page) as children:
        page = "<p>" + "".join(f"<b a={number}>" for number in range(3000)) + "<p>x" * 8000
        with pytest.raises(FetchError, match="too_complex"):
            await children.read(page)


OWNER = """
import asyncio, sys
from tests.integration.fetcher.test_reading import Limits, asleep_in_c, reading
from tests.integration.fetcher.hostile_pages import hostile

async def main():
    async with reading(Limits(cpu_s=20, wall_s=40)) as children:
        async with asyncio.TaskGroup() as group:
            await children.read("<p>python</p>")
            for deed in ("stall", "sleep"):
                group.create_task(children.read(hostile(deed)))
            while len(children.pool.pids) < 2:
                await asyncio.sleep(0.01)
            while not all(asleep_in_c(pid) for pid in children.pool.pids):
                await asyncio.sleep(0.01)
            print(*children.pool.pids, flush=True)

asyncio.run(main())
"""


async def test_children_end_with_their_fetcher_whatever_they_are_doing() -> None:
    owner = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert owner.stdout is not None
        pids = [int(word) for word in (await asyncio.to_thread(owner.stdout.readline)).split()]
        assert len(pids) == 2
        assert all(lives(pid) for pid in pids)
        owner.kill()
        began_s = time.monotonic()
        # A supervisor waits for the end of this output before it starts another one.
        await asyncio.to_thread(owner.communicate, timeout=10)
        assert time.monotonic() - began_s < 5
        await eventually(lambda: not any(lives(pid) for pid in pids), what="their end")  # files are closed a bit before
    finally:
        with suppress(ProcessLookupError):
            owner.kill()
        await asyncio.to_thread(owner.wait)


async def test_a_stuck_thread_is_told_by_ticks_and_not_by_the_clock() -> None:
    threads = CountingThreads(1, hostile_pages.count, stuck_ticks=2)
    page = hostile("nap").encode(), "text/html", QUESTION
    assert (await threads.count(page, "a check")).total == 1
    threads.tick()
    counting = asyncio.create_task(threads.count(page, "a check"))
    await eventually(lambda: threads.busy == 1, what="a page under way")
    threads.tick()
    threads.tick()
    with pytest.raises(StuckThread):
        threads.tick()
    with pytest.raises(StuckThread, match="a check"):
        await counting
    threads.close()
