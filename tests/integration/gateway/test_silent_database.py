"""A database that neither answers nor closes its connections, as behind a broken network or on a stuck disk."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from services.gateway.following import READ_BACK_TIMEOUT_S
from services.gateway.sending import GIVE_UP_S
from services.gateway.store import GIVE_BACK_WITHIN_S, READ_TIMEOUT_S, STALE_AFTER_S
from shared.service import Service
from tests.integration.gateway.stack import CHECKS, Stack
from tests.integration.servers import TcpProxy, eventually

SLACK_S = 2.0
"""What a busy machine may add to a deadline."""


def _way_to_the_database(parts: Stack) -> tuple[TcpProxy, str]:
    """A proxy for the database, and the URL that leads through it."""
    address = parts.database_url.split("@")[1].split("/")[0]
    way = TcpProxy(address)
    return way, parts.database_url.replace(address, way.address)


@asynccontextmanager
async def _gateway(parts: Stack) -> AsyncIterator[tuple[Service, TcpProxy]]:
    """A gateway, and the only way to its database; at its end it must stop in time although that may be frozen."""
    way, url = _way_to_the_database(parts)
    async with way, parts.gateway(database_url=url) as service:
        yield service, way


async def _read(parts: Stack, path: str) -> tuple[str, float]:
    began_s = time.monotonic()
    problem = await parts.get(path, status=503)
    return problem["code"], time.monotonic() - began_s


async def test_reading_ends_at_its_deadline_and_works_again_afterwards(parts: Stack) -> None:
    async with parts.recorder(), _gateway(parts) as (service, way):
        check = await parts.post(url="example.org")
        way.freeze()
        # More of each than there are connections in the pool: who waits for one has the same deadline.
        paths = [f"{CHECKS}/{check['id']}", CHECKS] * 6 + ["/api/v1/stats"] * 3
        answers = await asyncio.gather(*(_read(parts, path) for path in paths))
        assert {code for code, _ in answers} == {"database_unavailable"}
        assert max(took_s for _, took_s in answers) < READ_TIMEOUT_S + GIVE_BACK_WITHIN_S + SLACK_S
        way.thaw()
        await eventually(lambda: service.readiness()["database"], what="the probe succeeds")
        assert (await parts.get(f"{CHECKS}/{check['id']}"))["id"] == check["id"]
        assert [one["id"] for one in (await parts.get(CHECKS))["items"]] == [check["id"]]


async def _status(http: aiohttp.ClientSession, path: str) -> int:
    async with http.get(path) as answer:
        return answer.status


async def test_a_gateway_whose_database_is_silent_is_not_ready(parts: Stack) -> None:
    async with _gateway(parts) as (service, way):
        way.freeze()
        within_s = STALE_AFTER_S + SLACK_S
        await eventually(lambda: not service.readiness()["database"], timeout_s=within_s, what="it is not ready")
        way.thaw()
        await eventually(lambda: service.readiness()["database"], what="it is ready again")


async def _page_in_vain(parts: Stack, method: str, **options: Any) -> float:
    began_s = time.monotonic()
    async with parts.http.request(method, "/", headers={"Accept": "text/html"}, **options) as answer:
        assert (answer.status, answer.content_type) == (503, "text/html")
        assert int(answer.headers["Retry-After"]) > 0
    return time.monotonic() - began_s


async def test_the_page_and_its_form_say_when_to_come_again_and_are_no_slower(parts: Stack) -> None:
    async with _gateway(parts) as (_, way):
        way.freeze()
        form = {"address": "example.org"}
        get_s, post_s = await asyncio.gather(_page_in_vain(parts, "GET"), _page_in_vain(parts, "POST", data=form))
    assert get_s < READ_TIMEOUT_S + GIVE_BACK_WITHIN_S + SLACK_S
    assert post_s < GIVE_UP_S + READ_BACK_TIMEOUT_S + GIVE_BACK_WITHIN_S + SLACK_S


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


async def test_a_new_check_need_not_be_read_back(parts: Stack) -> None:
    async with parts.recorder(), _gateway(parts) as (_, way):
        way.freeze()
        check = await parts.post(url="example.org/now")
        assert check["status"] == "queued"
        assert await parts.ask("SELECT url FROM checks WHERE id = $1", UUID(check["id"])) == "http://example.org/now"


@pytest.mark.parametrize(("wait_s", "body"), [(None, {"run_at": _soon()}), (3, {})])
async def test_a_committed_check_that_cannot_be_read_back_is_answered_with_its_id(
    parts: Stack, wait_s: int | None, body: dict[str, str]
) -> None:
    async with parts.recorder(), _gateway(parts) as (_, way):
        await parts.post(url="example.org/before")
        way.freeze()
        began_s = time.monotonic()
        headers = {} if wait_s is None else {"Prefer": f"wait={wait_s}"}
        async with parts.http.post(CHECKS, json={"url": "example.org/now"} | body, headers=headers) as answer:
            problem = await answer.json()
            took_s = time.monotonic() - began_s
            assert (answer.status, problem["code"]) == (503, "not_committed")
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Location"] == f"{CHECKS}/{problem['id']}"
        # At most: what was asked for, the read that it interrupts, and the last read.
        assert took_s < (wait_s or 0) + READ_BACK_TIMEOUT_S + 2 * GIVE_BACK_WITHIN_S + SLACK_S
        assert await parts.ask("SELECT url FROM checks WHERE id = $1", UUID(problem["id"])) == "http://example.org/now"


async def test_sigterm_ends_the_process_in_order_while_the_database_is_silent(parts: Stack) -> None:
    way, url = _way_to_the_database(parts)
    async with way, parts.process(url) as process:
        assert (await parts.get(CHECKS))["items"] == []
        way.freeze()
        async with aiohttp.ClientSession(parts.url) as http, asyncio.TaskGroup() as group:
            reading = group.create_task(_status(http, CHECKS))
            await asyncio.wait({reading}, timeout=0.2)  # it is under way
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            async with asyncio.timeout(READ_TIMEOUT_S + 10):
                rest = await process.stderr.read()
                assert await process.wait() == 0, rest.decode()
        assert reading.result() == 503
        assert b"service ended" in rest
        assert b"Traceback" not in rest
