"""What happens when things on the way from request to commit are slow, gone, or stopped."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from shared import topics
from shared.messages import Counted
from tests.integration.gateway.stack import CHECKS, Stack
from tests.integration.servers import TcpProxy, eventually

ONE = Counted(counts={"python": 1}, total=1, rule_version=1)


async def _messages(stack: Stack, topic: str = topics.COMMANDS.name) -> int:
    """How many messages nsqd has taken for the topic."""
    params = {"format": "json", "topic": topic}
    async with aiohttp.ClientSession() as http, http.get(f"http://{stack.nsqd.http}/stats", params=params) as answer:
        found = (await answer.json())["topics"]
    return int(found[0]["message_count"]) if found else 0


async def _submit_and_finish(stack: Stack, wait: str) -> tuple[int, str | None, dict[str, Any]]:
    """Asks with `Prefer: wait`, reports a count meanwhile, and returns status, Preference-Applied and the check."""

    async def ask() -> tuple[int, str | None, dict[str, Any]]:
        async with stack.http.post(CHECKS, json={"url": "example.org"}, headers={"Prefer": wait}) as answer:
            return answer.status, answer.headers.get("Preference-Applied"), await answer.json()

    asking = asyncio.create_task(ask())
    await eventually(lambda: _listed(stack), what="the check is committed")
    assert not asking.done()
    await stack.finish((await stack.get(CHECKS))["items"][0], counted=ONE)
    return await asking


async def _listed(stack: Stack) -> bool:
    return bool((await stack.get(CHECKS))["items"])


async def test_prefer_wait_answers_as_soon_as_the_check_is_final(stack: Stack) -> None:
    await stack.fetchers_are_there()
    began_s = time.monotonic()
    status, applied, check = await _submit_and_finish(stack, "wait=99")
    assert (status, applied, check["status"], check["total"]) == (200, "wait=60", "done", 1)
    assert time.monotonic() - began_s < 5


async def test_lost_hints_cost_only_a_moment(stack: Stack) -> None:
    await stack.fetchers_are_there()
    await stack.pause_hints()
    began_s = time.monotonic()
    status, _, check = await _submit_and_finish(stack, "wait=30")
    assert (status, check["status"]) == (200, "done")
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize(("prefer", "applied"), [("wait=0", "wait=0"), ("wait=1", "wait=1"), ("wait=soon", None)])
async def test_what_is_not_final_in_time_is_a_202(stack: Stack, prefer: str, applied: str | None) -> None:
    async with stack.http.post(CHECKS, json={"url": "example.org"}, headers={"Prefer": prefer}) as answer:
        assert answer.status == 202
        assert answer.headers.get("Preference-Applied") == applied
        assert (await answer.json())["status"] == "queued"


async def test_without_a_recorder_the_answer_is_503_with_the_id_that_the_check_then_has(parts: Stack) -> None:
    async with parts.gateway():
        began_s = time.monotonic()
        async with parts.http.post(CHECKS, json={"url": "example.org"}) as answer:
            problem = await answer.json()
            assert (answer.status, problem["code"]) == (503, "not_committed")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Location"] == f"{CHECKS}/{problem['id']}"
        assert 4.5 < time.monotonic() - began_s < 8
        assert await _messages(parts) == 2  # the command, and its repeat after 2.5 s
        async with parts.recorder():
            await eventually(lambda: _listed(parts), what="the command is applied after all")
        found = (await parts.get(CHECKS))["items"]
    assert [check["id"] for check in found] == [problem["id"]]


async def test_a_command_is_repeated_at_once_when_its_connection_drops(parts: Stack) -> None:
    async with TcpProxy(parts.nsqd.tcp) as proxy, parts.gateway(nsqd=(proxy.address,)):
        asking = asyncio.create_task(parts.post(url="example.org"))
        await eventually(lambda: _is(parts, 1), what="the command is taken")
        proxy.reset()
        await eventually(lambda: _is(parts, 2), timeout_s=2.0, what="the command is repeated")
        async with parts.recorder():
            check = await asking
        assert [one["id"] for one in (await parts.get(CHECKS))["items"]] == [check["id"]]


async def _is(stack: Stack, count: int) -> bool:
    return await _messages(stack) == count


async def test_a_killed_nsqd_delays_and_loses_nothing(parts: Stack) -> None:
    async with parts.recorder(), parts.gateway():
        await parts.post(url="example.org/before")
        await parts.nsqd.kill()
        asking = asyncio.create_task(parts.post(url="example.org/meanwhile"))
        await parts.nsqd.start()
        assert (await asking)["url"] == "http://example.org/meanwhile"


async def test_a_stop_answers_who_waits_at_once_with_what_there_is(parts: Stack) -> None:
    async with parts.recorder():
        async with parts.gateway() as service:
            asking = asyncio.create_task(parts.post(url="example.org", headers={"Prefer": "wait=60"}))
            await eventually(lambda: _listed(parts), what="the check is committed")
            began_s = time.monotonic()
            service.stopping.set()
            check = await asking
        assert check["status"] == "queued"
        assert time.monotonic() - began_s < 5


async def test_a_stop_lets_a_submission_end(parts: Stack) -> None:
    async with parts.gateway() as service:
        asking = asyncio.create_task(parts.post(url="example.org"))
        await eventually(lambda: _is(parts, 1), what="the command is taken")
        service.stopping.set()
        async with parts.recorder():
            assert (await asking)["status"] == "queued"


async def test_without_a_database_reading_is_503_and_the_gateway_not_ready(parts: Stack) -> None:
    address = parts.database_url.split("@")[1].split("/")[0]
    way, again = TcpProxy(address), TcpProxy(address)
    again.port = way.port
    async with AsyncExitStack() as stack:
        async with way:
            url = parts.database_url.replace(address, way.address)
            service = await stack.enter_async_context(parts.gateway(database_url=url))
            assert (await parts.get(CHECKS))["items"] == []
        assert (await parts.get(CHECKS, status=503))["code"] == "database_unavailable"
        async with parts.http.get("/", headers={"Accept": "text/html"}) as answer:
            assert answer.status == 503
            assert 'name="address"' in await answer.text()
        await eventually(lambda: not service.readiness()["database"], what="the probe notices")
        await stack.enter_async_context(again)
        await eventually(lambda: service.readiness()["database"], what="the probe notices again")
        assert (await parts.get(CHECKS))["items"] == []


async def test_the_gateway_can_only_read(stack: Stack) -> None:
    service_rights = await stack.ask(
        "SELECT bool_or(has_table_privilege('wordwatch_gateway', oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))"
        " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    assert service_rights is False
    await stack.get(CHECKS)
    roles = await stack.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'gateway-%'")
    assert roles > 0
