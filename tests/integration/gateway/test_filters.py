"""The list of checks, narrowed down: what each filter lets through, and that pages neither skip nor repeat."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.gateway import rows
from tests.integration.gateway.stack import CHECKS, Stack
from tests.integration.servers import eventually

FILTERS: dict[str, dict[str, Any]] = {
    "queued": {"url": "http://example.org/a", "status": "queued"},
    "between": {"url": "http://example.org/b", "status": "queued", "leased": True, "words": ["snake"]},
    "running": {"url": "http://www.example.org/", "status": "running", "leased": True, "label": "team page"},
    "done": {"url": "https://example.org/a", "status": "done", "http_status": 200},
    "missing": {"url": "http://example.org:8080/", "status": "failed", "error": "http_error", "http_status": 404},
    "nowhere": {"url": "http://nowhere.example/", "status": "failed", "error": "dns_not_found"},
    "cancelled": {"url": "http://example.net/50%_off", "status": "cancelled", "words": ["python", "snake"]},
    # Asked for again: the result of the run before is still there.
    "again": {"url": "http://example.net/5", "status": "queued", "error": "http_error", "http_status": 500},
    "given up": {"url": "http://example.net/6", "status": "cancelled", "error": "http_error", "http_status": 404},
}
NAMES = list(FILTERS)


@pytest.fixture
async def listed(parts: Stack) -> Any:
    """A gateway with a check of each kind, a second apart, the first of them at the beginning of 2026."""
    async with parts.gateway():
        for number, check in enumerate(FILTERS.values()):
            await rows.add(parts, created_ms=rows.NEW_YEAR_MS + 1000 * number, **check)
        yield parts


async def _names(stack: Stack, query: dict[str, Any]) -> list[str]:
    page = await stack.get(CHECKS, params=query)
    urls = {check["url"]: name for name, check in FILTERS.items()}
    return [urls[check["url"]] for check in page["items"]]


LET_THROUGH: list[tuple[dict[str, Any], list[str]]] = [
    ({}, NAMES),
    ({"status": "queued"}, ["queued", "between", "again"]),
    ({"status": "running"}, ["running"]),
    ({"status": "done"}, ["done"]),
    ({"status": "failed"}, ["missing", "nowhere"]),
    ({"status": "cancelled"}, ["cancelled", "given up"]),
    ({"host": "example.org"}, ["queued", "between", "done"]),
    ({"host": "EXAMPLE.org:80"}, ["queued", "between", "done"]),
    ({"host": "example.org:8080"}, ["missing"]),
    ({"host": "*.org"}, ["queued", "between", "running", "done"]),
    ({"host": "*.example.org"}, ["running"]),
    ({"host": "*.org:8080"}, ["missing"]),
    ({"host": "*.ample.org"}, []),
    ({"label": "team page"}, ["running"]),
    ({"label": "team"}, []),
    ({"word": "snake"}, ["between", "cancelled"]),
    ({"word": "Snake"}, []),
    ({"word": "python", "status": "cancelled"}, ["cancelled", "given up"]),
    ({"word": "snake", "status": "queued"}, ["between"]),
    ({"error": "http_error"}, ["missing"]),
    ({"error": "lost"}, []),
    ({"error": "http_error", "status": "queued"}, []),
    ({"error": "http_error", "status": "failed", "http_status": 404}, ["missing"]),
    ({"http_status": 404}, ["missing"]),
    ({"http_status": 200}, ["done"]),
    ({"http_status": 500}, []),
    ({"http_status": 404, "status": "cancelled"}, []),
    ({"http_status": 404, "status": "done"}, []),
    ({"url_prefix": "http://example.org"}, ["queued", "between", "missing"]),
    ({"url_prefix": "example.org/"}, ["queued", "between", "done"]),
    ({"url_prefix": "HTTPS://Example.org/a"}, ["done"]),
    ({"url_prefix": "https://example.org/A"}, []),
    ({"url_prefix": "http://example.net/50%_"}, ["cancelled"]),
    ({"url_prefix": "http://example.net/5_"}, []),
    ({"url_prefix": "http://example.net/5%"}, []),
    ({"created_from": "2026-01-01T00:00:06Z"}, NAMES[6:]),
    ({"created_from": "2026-01-01T00:00:06.0001Z"}, NAMES[7:]),
    ({"created_to": "2026-01-01T01:00:01+01:00"}, NAMES[:1]),
    ({"created_to": "2026-01-01T00:00:01.0001Z"}, NAMES[:2]),
    (
        {"created_from": "2026-01-01T00:00:01Z", "created_to": "2026-01-01T00:00:03Z", "status": "queued"},
        NAMES[1:2],
    ),
    ({"created_from": "2026-01-02T00:00:00Z", "created_to": "2026-01-01T00:00:00Z"}, []),
    ({"batch_id": "01a1fdbd-8d7a-7129-ade8-71f848e070aa"}, []),
    ({"host": "*.org", "url_prefix": "http://example.org", "word": "snake", "status": "queued"}, ["between"]),
]


async def test_what_each_filter_lets_through(listed: Stack) -> None:
    found = [(query, (await _names(listed, query))[::-1]) for query, _ in LET_THROUGH]
    assert found == LET_THROUGH


async def test_a_prefix_longer_than_what_the_index_holds(parts: Stack) -> None:
    async with parts.gateway():
        long = "http://example.org/" + "x" * 300
        for ending in "ab":
            await rows.add(parts, url=long + ending)
        found = await parts.get(CHECKS, params={"url_prefix": long + "b"})
        assert [check["url"] for check in found["items"]] == [long + "b"]
        assert len((await parts.get(CHECKS, params={"url_prefix": long}))["items"]) == 2


async def test_every_bad_value_is_named(parts: Stack) -> None:
    async with parts.gateway():
        bad = {"status": "done,failed", "created_from": "2026-01-01T00:00:00", "batch_id": "1", "order": "url"}
        problem = await parts.get(CHECKS, params=bad, status=422)
        assert {error["pointer"] for error in problem["errors"]} == {f"/{name}" for name in bad}
        problem = await parts.get(f"{CHECKS}?host=a.org&host=b.org", status=422)
        assert problem["errors"][0]["pointer"] == "/host"


async def test_a_cursor_belongs_to_its_filter(listed: Stack) -> None:
    async with listed.http.get(CHECKS, params={"host": "*.org", "limit": 2}) as answer:
        first = await answer.json()
        following = _next(answer)
    assert following["host"] == "*.org"
    second = await listed.get(CHECKS, params=following)
    assert len(first["items"] + second["items"]) == 4
    assert second["next_cursor"] is None
    # The same filter in other words will do; another, or none, will not.
    assert await listed.get(CHECKS, params=following | {"host": "*.ORG"}) == second
    for other in ({"host": "*.net"}, {"host": "example.org"}, {"status": "queued"}):
        problem = await listed.get(CHECKS, params=other | {"cursor": following["cursor"]}, status=422)
        assert problem["errors"][0]["pointer"] == "/cursor"
    await listed.get(CHECKS, params={"cursor": following["cursor"]}, status=422)


def _next(answer: ClientResponse) -> dict[str, str]:
    link = answer.links["next"]["url"]
    return dict(parse_qsl(urlsplit(str(link)).query))


async def test_a_new_check_is_found_by_its_filters_while_it_lives(stack: Stack) -> None:
    """Against the recorder: what it writes is what the filters look in."""
    await stack.fetchers_are_there()
    check = await stack.post(url="example.org")

    async def states() -> list[str]:
        every = ("queued", "running", "done", "failed", "cancelled")
        return [name for name in every if (await stack.get(CHECKS, params={"status": name}))["items"]]

    assert await states() == ["queued"]
    await stack.ask_to("cancel", check["id"], status=200)
    assert await states() == ["cancelled"]
    await stack.ask_to("retry", check["id"], status=202)
    assert await states() == ["queued"]
    await stack.started(check, attempt=2)

    async def running() -> bool:
        return await states() == ["running"]

    await eventually(running, what="it runs")


CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "finish", "fail", "retry", "cancel", "delete"]), st.integers(0, 99)), max_size=6
)


@pytest.mark.parametrize("query", [{}, {"host": "*.org"}, {"label": "l"}, {"word": "python"}])
async def test_rows_there_at_page_one_are_neither_skipped_nor_repeated(parts: Stack, query: dict[str, str]) -> None:
    """Whatever is added, changed and deleted between the pages; filters on what never changes keep every row."""
    async with parts.gateway():
        loop = asyncio.get_running_loop()

        @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.integers(1, 12), st.integers(1, 5), st.lists(CHANGES, min_size=12, max_size=12))
        def holds(count: int, limit: int, changes: list[list[tuple[str, int]]]) -> None:
            asyncio.run_coroutine_threadsafe(_paged(parts, query, count, limit, changes), loop).result(60)

        await asyncio.to_thread(holds)


async def _paged(
    stack: Stack, query: dict[str, str], count: int, limit: int, changes: list[list[tuple[str, int]]]
) -> None:
    await rows.clear(stack)
    there = [await rows.add(stack, url="http://example.org/", label="l") for _ in range(count)]
    deleted: set[str] = set()
    seen: list[str] = []
    cursor: str | None = None
    for step in range(100):
        page = await stack.get(CHECKS, params=query | {"limit": limit} | ({"cursor": cursor} if cursor else {}))
        seen += [check["id"] for check in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        for what, number in changes[step % len(changes)]:
            if what == "add":
                await rows.add(stack, url="http://example.org/", label="l")
            elif what == "delete":
                deleted.add(there[number % count])
                await rows.delete(stack, there[number % count])
            else:
                await rows.change(stack, there[number % count], what)
    else:
        raise AssertionError("the list has no end")
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen, reverse=True)
    assert set(there) - deleted <= set(seen) <= set(there), json.dumps(changes)


@pytest.mark.parametrize("wanted", [{}, {"word": "python"}, {"host": "*.example"}, {"url_prefix": "a.example/"}])
async def test_the_oldest_come_first_where_that_is_asked_for(door: Stack, wanted: dict[str, str]) -> None:
    ids = [await rows.add(door, url=f"http://a.example/{n}", created_ms=rows.NEW_YEAR_MS + n) for n in range(7)]
    await rows.add(door, url="http://b.other/", words=["other"], created_ms=rows.NEW_YEAR_MS + 3)
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await door.get(CHECKS, params={**wanted, "sort": "oldest", "limit": 3, **cursor})
        listed += [check["id"] for check in page["items"] if "a.example" in check["url"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert listed == ids
    await door.get(CHECKS, params={**wanted, **cursor}, status=422)  # it is of another list
    problem = await door.get(CHECKS, params={"sort": "best"}, status=422)
    assert [error["pointer"] for error in problem["errors"]] == ["/sort"]
