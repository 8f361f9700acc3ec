"""What becomes of a whole fetcher: crashed or hung by a page, killed, stopped for a while, or with a wrong clock."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared import topics
from shared.messages import AttemptFinished, AttemptsLate, ClockReading, ClockReadings, FetcherHere
from tests import factories
from tests.integration.fetcher.hostile_pages import hostile
from tests.integration.fetcher.processes import HOSTILE, children_of, fetcher_process, lives
from tests.integration.fetcher.stack import Stack, check, outside
from tests.integration.pages import Request, Route, answer, page_server, redirect
from tests.integration.servers import Nsqd, eventually

PLAIN = answer("<p>python</p>")
PAGES: dict[str, Route] = {f"/{deed}": answer(hostile(deed)) for deed in ("crash", "spin", "stall", "sleep")}
IN_THREAD = 100_000
MOST_MIB = 256


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server


@pytest.fixture
async def ends(nsqd: Nsqd) -> AsyncIterator[Stack]:
    async with outside(nsqd) as stack:
        yield stack


@pytest.mark.parametrize(
    ("deed", "exit_code"),
    [("crash", -signal.SIGSEGV), ("spin", -signal.SIGPROF), ("stall", 1), ("sleep", 1)],
)
async def test_rule_15_a_page_that_crashes_or_hangs_the_event_loop_ends_the_process(
    nsqd: Nsqd, ends: Stack, deed: str, exit_code: int
) -> None:
    async with page_server(PAGES) as server, fetcher_process(nsqd, HOSTILE) as fetcher:
        await ends.send(check(server.url(f"/{deed}")))
        assert await fetcher.ended() == exit_code
        assert ends.of(AttemptFinished) == []
        assert "hostile_pages.py" in fetcher.log  # it says where


async def test_rule_15_a_page_that_hangs_a_thread_is_handed_back_and_its_neighbours_are_finished(
    nsqd: Nsqd, ends: Stack
) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> bytes | None:
        asked.set()
        await release.wait()
        return PLAIN

    stuck = answer(hostile("sleep", padding=IN_THREAD))
    async with page_server({"/stuck": stuck, "/slow": slow}) as server, fetcher_process(nsqd, HOSTILE) as fetcher:
        bad, good = check(server.url("/stuck")), check(server.url("/slow"))
        await ends.send(bad, good)
        await asked.wait()
        await eventually(lambda: "stuck" in fetcher.log, timeout_s=30, what="its discovery")
        release.set()
        assert await fetcher.ended() == 1
        outcomes = await ends.outcomes(1)
        assert outcomes[good.check_id].counted is not None
        async with fetcher_process(nsqd, HOSTILE):
            error = (await ends.outcomes(2, timeout_s=60))[bad.check_id].error
    assert error is not None
    assert error.code == "too_complex"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_rule_15_a_fetcher_that_ends_leaves_no_child(nsqd: Nsqd, ends: Stack, how: signal.Signals) -> None:
    async with page_server({"*": PLAIN}) as server, fetcher_process(nsqd) as fetcher:
        await ends.send(check(server.url(), lost=1))
        await ends.outcomes(1)
        children = children_of(fetcher.pid)
        assert len(children) == 1
        fetcher.signal(how)
        assert await fetcher.ended() == (0 if how is signal.SIGTERM else -how)
        await eventually(lambda: not any(lives(pid) for pid in children), what="the end of its child")


async def test_rule_15_a_fetcher_stays_small_whatever_it_reads(nsqd: Nsqd, ends: Stack) -> None:
    worst_in_thread = (b"<p " + b" ".join(bytes([c]) for c in range(97, 123)) + b">") * 9_000  # 500 KB of attributes
    routes: dict[str, Route] = {
        "/p": answer(b"<p>" * 3_495_249 + b"python"),  # 10 MiB
        "/attributes": answer(worst_in_thread + b"python"),
        "/tags": answer(b"<p>" * 15_000 + b"<br>\n" * 400 + b"python"),
    }
    async with page_server(routes) as server, fetcher_process(nsqd) as fetcher:
        before = fetcher.peak_mib
        paths = ["/p"] * 2 + ["/attributes", "/tags"] * 8
        await ends.send(*(check(server.url(path)) for path in paths))
        outcomes = await ends.outcomes(len(paths), timeout_s=100)
        assert {report.counted.total for report in outcomes.values() if report.counted} == {1}
        assert all(report.counted is not None for report in outcomes.values())
        assert await fetcher.metric("wordwatch_fetcher_pages_read_total", place="thread") == 16
        print(f"peak {before:.0f} MiB before, {fetcher.peak_mib:.0f} MiB after")
        assert fetcher.peak_mib <= MOST_MIB


async def test_rule_14_a_fetcher_that_was_stopped_beyond_its_leases_starts_nothing_stale(
    nsqd: Nsqd, ends: Stack
) -> None:
    """Whatever an attempt was waiting for: its time, its share, or the turn of a further host."""
    release = asyncio.Event()

    async def hold(request: Request) -> bytes | None:
        await release.wait()
        return PLAIN

    variables: dict[str, Any] = {
        "WORDWATCH_MSG_TIMEOUT_S": "1",
        "WORDWATCH_FETCH_TIMEOUT_S": "5",
        "WORDWATCH_LEASE_S": "20",
        "WORDWATCH_MAX_IN_FLIGHT": "3",
        "WORDWATCH_HOST_RATE_PER_S": "0.3",
        "WORDWATCH_IGNORE_ROBOTS_HOSTS": "*",  # asking would be the request that need not wait
    }
    routes: dict[str, Route] = {"/hold": hold, "/away": redirect("/landed"), "*": PLAIN}
    async with page_server(routes) as server, fetcher_process(nsqd, **variables) as fetcher:
        start = factories.now() + timedelta(seconds=1.0)
        ends_at = start + timedelta(seconds=10)
        holding = check(server.url("/hold"), not_after=ends_at)
        timed = check(server.url("/timed"), not_before=start, not_after=ends_at)
        away = check(server.url("/away"), not_after=ends_at)
        await ends.send(holding, away, timed, check(server.url("/share"), not_after=ends_at))
        await eventually(lambda: len(server.requests) == 2, what="both that need not wait")
        fetcher.signal(signal.SIGSTOP)
        await eventually(lambda: factories.now() > ends_at, timeout_s=20, what="the end of their leases")
        release.set()
        fetcher.signal(signal.SIGCONT)
        fresh = check(server.url("/fresh"))
        await ends.send(fresh)
        assert (await ends.outcomes(1))[fresh.check_id].counted is not None
        assert set(server.targets()) == {"/hold", "/away", "/fresh"}
        assert await fetcher.is_ready()


async def test_rule_12_a_fetcher_whose_clock_is_off_takes_nothing_until_it_is_right(
    nsqd: Nsqd, ends: Stack, tmp_path: Path
) -> None:
    shift = tmp_path / "shift"
    shift.write_text("-60")
    async with page_server({"*": PLAIN}) as server, fetcher_process(nsqd, HOSTILE, str(shift)) as fetcher:
        await _tell(ends)
        await eventually(fetcher.is_not_ready, what="its refusal")
        await eventually(lambda: ends.of(FetcherHere)[-1].capacity == 0, what="its word for it")
        await ends.send(check(server.url()))
        here = len(ends.of(FetcherHere))
        await eventually(lambda: len(ends.of(FetcherHere)) >= here + 2, what="further signs of life")
        assert (server.targets(), ends.of(AttemptsLate)) == ([], [])
        assert "behind PostgreSQL" in fetcher.log
        shift.write_text("0")
        await _tell(ends)
        await eventually(fetcher.is_ready, what="its readiness")
        assert (await ends.outcome()).counted is not None
        await eventually(lambda: ends.of(FetcherHere)[-1].capacity > 0, what="its word for it")


async def test_rule_12_a_claim_from_the_future_shows_that_the_clock_is_behind(
    nsqd: Nsqd, ends: Stack, tmp_path: Path
) -> None:
    shift = tmp_path / "shift"
    shift.write_text("-60")
    async with page_server({"*": PLAIN}) as server, fetcher_process(nsqd, HOSTILE, str(shift)) as fetcher:
        await ends.send(check(server.url()))
        await eventually(fetcher.is_not_ready, what="its refusal")
        assert (server.targets(), ends.of(AttemptsLate)) == ([], [])
        shift.write_text("0")
        assert (await ends.outcomes(1, timeout_s=30)) != {}  # such evidence expires


async def _tell(ends: Stack) -> None:
    """Answers the next sign of life as the recorder does."""
    known = len(ends.of(FetcherHere))
    await eventually(lambda: len(ends.of(FetcherHere)) > known + 1, what="a sign of life by the clock of now")
    here = ends.of(FetcherHere)[-1]
    reading = ClockReading(fetcher=here.fetcher, said_at=here.at, database_at=factories.now())
    await ends.publish(topics.CLOCKS, ClockReadings(readings=(reading,)))
