"""The page `/stats`, as a browser without scripts sees it, and what it draws."""

import html
import re
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import pytest

from services.gateway import queries
from services.gateway.history import WINDOWS
from shared.messages import AttemptError, PageFacts
from tests.integration.gateway.stack import Stack
from tests.integration.servers import Nsqd, Nsqlookupd, TcpProxy, eventually

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
MOST_BYTES = 100_000
"""Of the page; its style sheet and its script are another 25,000."""

_ENDED = """
INSERT INTO tallies
SELECT date_trunc('minute', statement_timestamp()) - make_interval(mins => m), 0, status, checks, ended
FROM generate_series($1::integer, $2::integer) m,
     unnest('{done,failed,cancelled,queued}'::text[], '{0,0,0,1}'::integer[], '{7,2,1,0}'::integer[])
         AS t (status, checks, ended)
"""


async def _page(stack: Stack, path: str = "/stats", *, status: int = 200) -> str:
    async with stack.http.get(path, headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")
        return await answer.text()


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def _figure(page: str, name: str) -> str:
    (value,) = re.findall(rf"<dt>{name}</dt><dd>(.*?)</dd>", page)
    return _text(value)


async def test_it_shows_what_the_api_says(stack: Stack) -> None:
    await stack.fetchers_are_there()
    for number in range(5):  # two at once may run, the others wait
        await stack.post(url=f"example.org/{number}")
    failed = await stack.post(url="http://no-such-host.example/")
    await stack.finished(failed, error=AttemptError(code="dns_not_found"), facts=PageFacts())
    await stack.execute("UPDATE queue SET due_at = due_at - interval '5 min'")
    await stack.execute("UPDATE hosts SET next_start_at = '2100-01-01Z' WHERE host = 'example.org'")

    async def told() -> bool:
        return "example.org 3 2 5 minutes 1 Jan 2100" in _text(await _page(stack))

    await eventually(told, what="all parts are as new")
    page, stats = await _page(stack), await stack.get("/api/v1/stats")
    text = _text(page)
    assert "Nothing is fetched" not in text
    assert (_figure(page, "Fetchers"), _figure(page, "Due, not begun")) == ("1", "3")
    assert _figure(page, "Oldest of them waits") == "5 minutes"
    assert _figure(page, "Ended last minute") == str(stats["checks"]["finished_last_minute"]) == "1"
    assert "f-1 0.1.0 0 64 3" in text
    assert 'href="/?host=example.org"' in page
    assert '<a href="/?status=failed"><span class="part part-failed">failed</span> <b>1</b></a>' in page
    assert '<a href="/api/v1/stats">JSON</a>' in page


async def test_it_is_part_of_the_navigation_and_keeps_itself_up_to_date(door: Stack) -> None:
    page = await _page(door)
    assert '<a href="/stats" aria-current="true">Stats</a>' in page
    assert '<a href="/stats">Stats</a>' in await _page(door, "/")
    assert re.search(r'<div id="live"[^>]* data-events="stats">', page)
    assert '<noscript><meta http-equiv="refresh"' in page


async def test_it_needs_nothing_from_elsewhere_no_inline_code_and_is_small(door: Stack) -> None:
    await door.execute(_ENDED, 1, 1430)
    for path in ("/stats", "/stats?hours=24"):
        page = await _page(door, path)
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|<img", page)
        assert all(one.startswith("/static/") for one in re.findall(r'(?:src|<link[^>]+href)="([^"]+)"', page))
        assert len(page.encode()) < MOST_BYTES


async def test_without_a_fetcher_it_says_how_to_start_one(door: Stack) -> None:
    text = _text(await _page(door))
    assert "Nothing is fetched: no fetcher has been seen for 10 seconds. Start one with make scale fetcher=1" in text
    assert "No host has anything to do." in text


@pytest.mark.parametrize("all_away", [False, True], ids=["one of two", "both"])
async def test_an_nsqd_that_does_not_answer_is_told_of(parts: Stack, *, all_away: bool) -> None:
    async with Nsqlookupd() as lookupd, Nsqd(lookupds=[lookupd]) as one, Nsqd(lookupds=[lookupd]) as other:

        async def says(what: str) -> bool:
            return what in _text(await _page(parts))

        async with parts.gateway(nsqd=(), nsqlookupd=(lookupd.http,)):
            await eventually(lambda: says("commands 0 0"), what="both answer")
            assert "nsqd answers" not in _text(await _page(parts))
            away = [one, other] if all_away else [other]
            for nsqd in away:
                nsqd.freeze()
            if all_away:
                await eventually(lambda: says("No nsqd answers. New checks can’t be taken"), what="neither does")
                assert await says("Not known: no nsqd answers.")
            else:
                await eventually(lambda: says(f"Missing below is what waits in {other.tcp} ."), what="one does not")
                assert await says("commands 0 0")
            for nsqd in away:
                nsqd.thaw()


async def test_without_the_database_it_says_so(parts: Stack) -> None:
    address = parts.database_url.split("@")[1].split("/")[0]
    way = TcpProxy(address)

    async def away() -> bool:
        async with parts.http.get("/stats", headers=BROWSER) as answer:
            return answer.status == 503 and "Retry-After" in answer.headers

    async with AsyncExitStack() as stack:
        async with way:
            await stack.enter_async_context(
                parts.gateway(database_url=parts.database_url.replace(address, way.address))
            )
            await _page(parts)
        await eventually(away, what="what was kept is too old")
        page = await _page(parts, status=503)
        assert "The statistics can’t be shown now: the database does not answer." in _text(page)
        assert 'id="live"' in page


async def test_the_last_hours_are_drawn_and_told(door: Stack) -> None:
    await door.execute(_ENDED, 1, 1430)
    page = await _page(door)
    labels = [html.unescape(label) for label in re.findall(r'<svg [^>]*aria-label="([^"]+)"', page)]
    assert [re.sub(r"\d\d:\d\d", "…", label) for label in labels] == [
        "Checks that ended per minute, 3 hours from … UTC on: 10 at most.",
        "Queued checks, 3 hours from … UTC on: 1,430 at most, 1,430 at last.",
    ]
    rows = re.findall(r'</time></td>((?:<td class="figure">[\d,]+</td>){4})', page)
    assert _text(rows[1]).split()[:3] == ["70", "20", "10"], "ten minutes"
    day = await _page(door, "/stats?hours=24")
    assert "24 hours from" in day
    assert re.search(r'<a href="/stats\?hours=24" aria-current="page">', day)
    assert _text(re.findall(r"</time></td>(.*?)</tr>", day)[2]).split()[:3] == ["420", "120", "60"], "an hour"
    assert "3 hours from" in await _page(door, "/stats?hours=nonsense")


async def test_minutes_that_were_summed_up_are_not_those_of_the_last_minute(door: Stack) -> None:
    await door.execute(_ENDED, 2, 1430)
    assert (await door.get("/api/v1/stats"))["checks"]["finished_last_minute"] == 0


async def test_a_day_of_minutes_is_read_to_the_last(parts: Stack) -> None:
    await parts.execute(_ENDED, 0, 1500)
    connection = await asyncpg.connect(parts.database_url)
    try:
        for window in WINDOWS:
            rows = await connection.fetch(queries.HISTORY, timedelta(minutes=window.span_min), window.spans)
            assert len(rows) == window.spans
            ended = {(row["done"], row["failed"], row["cancelled"]) for row in rows}
            assert ended == {(7 * window.span_min, 2 * window.span_min, window.span_min)}
            begins = [row["at"] for row in rows]
            assert begins == [begins[0] + timedelta(minutes=n * window.span_min) for n in range(window.spans)]
            queued = [row["queued"] for row in rows]
            assert queued == [queued[0] + n * window.span_min for n in range(window.spans)]
            assert queued[-1] in range(1500 - window.span_min, 1501)
    finally:
        await connection.close()
