"""What a person can do with a running stack."""

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared import topics
from tests.acceptance.pages import Page, count_of, site
from tests.acceptance.stack import Stack, running
from tests.integration.servers import eventually

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("a home with spaces")
    with running(home, WORDWATCH_ALLOW_TARGETS="127.0.0.0/8") as stack:
        yield stack


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(stack.url, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


async def check(api: aiohttp.ClientSession, wait_s: int = 30, **body: Any) -> tuple[int, dict[str, Any]]:
    async with api.post("/api/v1/checks", json=body, headers={"Prefer": f"wait={wait_s}"}) as answer:
        return answer.status, await answer.json()


def test_the_first_start_shows_the_counts_of_the_sample_site(stack: Stack) -> None:
    assert f"{stack.url}/" in stack.output

    def shown() -> bool:
        return (stack.home / "sample-site-checked").exists()

    asyncio.run(eventually(shown, timeout_s=60, what="the sample site checked"))
    assert re.search(r"\bpython +5 +5 +ok\b", stack.output), stack.output


async def test_what_is_said_to_open_can_be_opened(stack: Stack) -> None:
    greeting = stack.output.partition("ready after")[2].partition("Ctrl-C")[0]
    places = re.findall(r"http://\S+", greeting)
    assert len(places) == 3, greeting
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        for place in places:
            async with session.get(place) as answer:
                assert answer.status == 200, place


async def test_submit_wait_and_list(api: aiohttp.ClientSession) -> None:
    async with site() as pages:
        found = [await check(api, url=pages.url(number), label="mine") for number in range(4)]
    assert [status for status, _ in found] == [200] * 4
    assert [body["counts"] for _, body in found] == [{"python": count_of(number)} for number in range(4)]
    async with api.get("/api/v1/checks?limit=2") as answer:
        page = await answer.json()
    assert [item["id"] for item in page["items"]] == [found[3][1]["id"], found[2][1]["id"]]
    async with api.get("/api/v1/checks", params={"limit": 2, "cursor": page["next_cursor"]}) as answer:
        older = await answer.json()
    assert [item["id"] for item in older["items"]] == [found[1][1]["id"], found[0][1]["id"]]
    async with api.get(f"/api/v1/checks/{found[0][1]['id']}") as answer:
        assert await answer.json() == found[0][1]


async def test_a_check_that_fails_says_why(api: aiohttp.ClientSession) -> None:
    async with site() as pages:
        pages.pages[0] = Page(gone=True)
        status, body = await check(api, url=pages.url(0))
    assert status == 200
    assert (body["status"], body["counts"], body["error"]["code"]) == ("failed", None, "http_error")
    assert body["http_status"] == 404


async def test_nothing_private_is_reached_that_was_not_allowed(api: aiohttp.ClientSession) -> None:
    status, body = await check(api, url="http://10.0.0.1/")
    assert (status, body["error"]["code"]) == (200, "forbidden_address")


async def test_the_form_works_without_a_script(stack: Stack, api: aiohttp.ClientSession) -> None:
    url = f"http://127.0.0.1:{stack.config.sample_port}/"
    async with api.post("/tasks", data={"address": url}, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"].split("?")[0].endswith("/tasks")
    async with api.get("/tasks") as answer:
        assert url in await answer.text()


async def test_nsqadmin_shows_the_topics_and_their_channels(stack: Stack, api: aiohttp.ClientSession) -> None:
    admin = f"http://127.0.0.1:{stack.config.nsqadmin_port}"
    async with api.get(f"{admin}/api/topics") as answer:
        listed = (await answer.json())["topics"]
    assert {name for name, _ in topics.DURABLE} <= set(listed)
    for name, channels in topics.DURABLE:
        async with api.get(f"{admin}/api/topics/{name}") as answer:
            assert {channel["channel_name"] for channel in (await answer.json())["channels"]} >= set(channels)


async def test_scaling_changes_how_many_fetchers_are_at_work(stack: Stack, api: aiohttp.ClientSession) -> None:
    async def at_work() -> int:
        async with api.get("/api/v1/stats") as answer:
            return len([each for each in (await answer.json())["fetchers"] if each["capacity"] > 0])

    for count in (4, 1, 3):
        scaled = await asyncio.to_thread(stack.make, "scale", f"fetcher={count}")
        assert scaled.returncode == 0, scaled.stderr

        async def reached(count: int = count) -> bool:
            return await at_work() == count

        await eventually(reached, timeout_s=30, what=f"{count} fetchers at work")
    refused = await asyncio.to_thread(stack.make, "scale", "fetcher=none")
    assert refused.returncode != 0
    assert "fetcher=N" in refused.stderr


def test_a_second_run_says_that_one_runs_and_does_no_harm(stack: Stack) -> None:
    second = stack.make("run")
    assert second.returncode != 0
    assert stack.url in second.stderr + second.stdout
    with urllib.request.urlopen(f"{stack.url}/api/v1/version", timeout=10) as answer:  # noqa: S310
        assert answer.status == 200


def test_demo_uses_the_stack_that_runs(stack: Stack, tmp_path: Path) -> None:
    shown = stack.make("demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "python" in shown.stdout
    one = stack.make("demo", f"URL=http://127.0.0.1:{stack.config.sample_port}/", "WORDS=python;open source")
    assert one.returncode == 0
    assert "open source" in one.stdout
    assert stack.make("demo", "URL=http://127.0.0.1:1/").returncode != 0


def test_every_process_is_ready_and_has_metrics(stack: Stack) -> None:
    config = stack.config
    for port in (config.gateway_ops_port, config.recorder_ops_port, config.scheduler_ops_port, config.fetcher_ops_port):
        for path, expected in (("healthz", '"alive"'), ("readyz", '"ready": true'), ("metrics", "wordwatch_")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
                assert expected in answer.read().decode()
