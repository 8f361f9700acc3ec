"""The one connection of a service, and a server that falls silent."""

import asyncio
import time
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.clock import MonotonicClock, monotonic_s
from shared.db.single import SILENT_AFTER_S, SingleConnection
from tests.integration.servers import TcpProxy


def through(proxy: TcpProxy, database_url: str, clock: MonotonicClock = monotonic_s) -> SingleConnection:
    url = database_url.replace(address_of(database_url), proxy.address)
    return SingleConnection(url, role="wordwatch_recorder", parameters={"application_name": "test"}, clock=clock)


def address_of(database_url: str) -> str:
    return urlsplit(database_url).netloc.partition("@")[2]


async def test_the_deadline_holds_inside_a_transaction_of_a_silent_server(database_url: str) -> None:
    async with TcpProxy(address_of(database_url)) as proxy:
        database = through(proxy, database_url)

        async def work(connection: asyncpg.Connection) -> None:
            async with connection.transaction():
                await connection.execute("SELECT 1")
                proxy.freeze()
                await connection.execute("SELECT 1")

        began_s = time.monotonic()
        with pytest.raises(TimeoutError):
            await database.run(work, timeout_s=0.5)
        assert time.monotonic() - began_s < 5
        assert not database.is_open()
        proxy.thaw()
        assert await database.run(lambda connection: connection.fetchval("SELECT 1"), timeout_s=5) == 1
        database.drop()


async def test_while_nothing_is_answered_for_long_it_does_not_count_as_open(database_url: str) -> None:
    now_s = 100.0
    async with TcpProxy(address_of(database_url)) as proxy:
        database = through(proxy, database_url, clock=lambda: now_s)
        await database.open()
        asked = asyncio.Event()

        async def work(connection: asyncpg.Connection) -> None:
            proxy.freeze()
            asked.set()
            await connection.execute("SELECT 1")

        task = asyncio.create_task(database.run(work, timeout_s=60))
        await asked.wait()
        assert database.is_open()
        now_s += SILENT_AFTER_S
        assert not database.is_open()
        proxy.thaw()
        await task
        assert database.is_open()
        database.drop()


async def test_being_cancelled_does_not_wait_for_a_silent_server(database_url: str) -> None:
    async with TcpProxy(address_of(database_url)) as proxy:
        database = through(proxy, database_url)
        asked = asyncio.Event()

        async def work(connection: asyncpg.Connection) -> None:
            async with connection.transaction():
                await connection.execute("SELECT 1")
                proxy.freeze()
                asked.set()
                await connection.execute("SELECT 1")

        task = asyncio.create_task(database.run(work, timeout_s=60))
        await asked.wait()
        task.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_session_has_its_role_and_its_parameters(database_url: str) -> None:
    parameters = {"application_name": "test", "lock_timeout": "5s"}
    database = SingleConnection(database_url, role="wordwatch_recorder", parameters=parameters)
    assert not database.is_open()

    async def ask(connection: asyncpg.Connection) -> tuple[str, ...]:
        return tuple(await connection.fetchrow("SELECT current_user, current_setting('lock_timeout')") or ())

    assert await database.run(ask, timeout_s=5) == ("wordwatch_recorder", "5s")
    assert database.is_open()
    database.drop()
