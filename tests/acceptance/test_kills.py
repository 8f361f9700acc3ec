"""Promise one: nothing accepted is lost, whatever is killed."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.pages import Site, count_of, site
from tests.acceptance.stack import Stack, running
from tests.integration.servers import eventually

pytestmark = pytest.mark.timeout(400)

CHECKS = 300
SETTLED_WITHIN_S = 150


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(
        tmp_path_factory.mktemp("kills"),
        WORDWATCH_ALLOW_TARGETS="127.0.0.0/8",
        WORDWATCH_LEASE_S="20",
        WORDWATCH_FETCH_TIMEOUT_S="5",
    ) as stack:
        yield stack


async def submit(api: aiohttp.ClientSession, pages: Site, number: int) -> str:
    """Submits until it is accepted: a 503 while something is down is an answer, not a loss."""
    headers = {"Idempotency-Key": f"kills-{number}"}
    for _ in range(60):
        async with api.post("/api/v1/checks", json={"url": pages.url(number)}, headers=headers) as answer:
            body = await answer.json()
            if answer.status in (200, 202):
                return str(body["id"])
            assert answer.status == 503, body
        await asyncio.sleep(0.5)
    raise AssertionError(f"check {number} was never accepted")


async def statuses(api: aiohttp.ClientSession, ids: list[str]) -> list[dict[str, Any]]:
    """All checks of the list, by the list."""
    found: dict[str, dict[str, Any]] = {}
    cursor = None
    while True:
        async with api.get("/api/v1/checks", params={"limit": 500} | ({"cursor": cursor} if cursor else {})) as answer:
            assert answer.status == 200
            page = await answer.json()
        found |= {item["id"]: item for item in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return [found[id_] for id_ in ids]


async def test_none_of_300_checks_is_lost_while_fetcher_recorder_and_nsqd_are_killed(stack: Stack) -> None:
    timeout = aiohttp.ClientTimeout(total=60)
    async with site() as pages, aiohttp.ClientSession(stack.url, timeout=timeout) as api:
        pages.delay_s = 0.3
        gate = asyncio.Semaphore(20)

        async def submit_in_turn(number: int) -> str:
            async with gate:
                return await submit(api, pages, number)

        submitting = asyncio.gather(*(submit_in_turn(number) for number in range(CHECKS)))
        for hits, victim in ((40, "fetcher-0"), (120, "recorder"), (200, "nsqd")):
            await eventually(lambda: sum(pages.hits.values()) >= hits, timeout_s=60, what=f"{hits} hits")  # noqa: B023
            await asyncio.to_thread(stack.kill, victim)
        ids = await submitting
        assert len(set(ids)) == CHECKS

        async def settled() -> bool:
            await asyncio.sleep(0.3)
            return all(item["status"] in ("done", "failed") for item in await statuses(api, ids))

        await eventually(settled, timeout_s=SETTLED_WITHIN_S, what="all checks in a final state")
        found = await statuses(api, ids)
    assert [item["status"] for item in found] == ["done"] * CHECKS
    assert [item["counts"] for item in found] == [{"python": count_of(number)} for number in range(CHECKS)]


async def test_what_ends_is_started_again(stack: Stack) -> None:
    before = await asyncio.to_thread(stack.pids)
    for name in ("gateway", "scheduler", "postgres"):
        os.kill(before[name], 9)

    async def back() -> bool:
        await asyncio.sleep(0.2)
        now = await asyncio.to_thread(stack.pids)
        return all(now.get(name) not in (None, before[name]) for name in ("gateway", "scheduler", "postgres"))

    await eventually(back, timeout_s=60, what="new processes")

    async def counted() -> bool:
        try:
            async with (
                site() as pages,
                aiohttp.ClientSession(stack.url) as api,
                api.post("/api/v1/checks", json={"url": pages.url(5)}, headers={"Prefer": "wait=20"}) as answer,
            ):
                return answer.status == 200 and (await answer.json())["counts"] == {"python": 5}
        except aiohttp.ClientError:
            return False

    await eventually(counted, timeout_s=60, what="a count")


async def listed(stack: Stack) -> int:
    async with aiohttp.ClientSession(stack.url) as api, api.get("/api/v1/stats") as answer:
        return int((await answer.json())["checks"]["total"])


async def test_killed_whole_it_starts_again_over_what_was_left_behind(stack: Stack) -> None:
    before = await listed(stack)
    await asyncio.to_thread(stack.kill_everything)
    await asyncio.to_thread(stack.start)
    assert await listed(stack) == before


async def test_sigterm_ends_everything_within_30_s(stack: Stack) -> None:
    before = await listed(stack)
    await asyncio.to_thread(stack.terminate)
    assert "died" not in stack.output
    assert stack.left_processes() == []
    await asyncio.to_thread(stack.start)
    assert await listed(stack) == before


def test_demo_starts_what_it_needs_and_stops_it_again(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "demo")
    shown = stack.make("demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "python" in shown.stdout
    assert stack.left_processes() == []
