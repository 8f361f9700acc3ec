"""`make run` when its processes die: each is started again, and all of it over what was left behind."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.pages import site
from tests.acceptance.stack import Stack, running
from tests.integration.servers import eventually

pytestmark = pytest.mark.timeout(400)

KILLED = ("gateway", "scheduler", "recorder", "fetcher-0", "nsqd", "nsqlookupd", "postgres")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(
        tmp_path_factory.mktemp("kills"),
        WORDWATCH_ALLOW_TARGETS="127.0.0.0/8",
    ) as stack:
        yield stack


async def test_what_ends_is_started_again(stack: Stack) -> None:
    before = await asyncio.to_thread(stack.pids)
    for name in KILLED:
        os.kill(before[name], 9)

    async def back() -> bool:
        await asyncio.sleep(0.2)
        now = await asyncio.to_thread(stack.pids)
        return all(now.get(name) not in (None, before[name]) for name in KILLED)

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
    assert await listed(stack) >= before  # a command may have waited in nsqd for a recorder


async def test_sigterm_ends_everything_within_30_s(stack: Stack) -> None:
    await asyncio.to_thread(stack.terminate)
    assert "died" not in stack.output
    assert stack.left_processes() == []


def test_demo_starts_what_it_needs_and_stops_it_again(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "demo")
    shown = stack.make("demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "python" in shown.stdout
    assert stack.left_processes() == []
