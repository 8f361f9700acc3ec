"""Opening connections to a server that falls silent on the way."""

import asyncio
import struct
import time
from urllib.parse import urlsplit

import pytest

from shared.db.connect import CONNECT_TIMEOUT_S, DatabaseUnavailableError, connect, create_pool
from tests.integration.servers import HOST, TcpProxy

SLACK_S = 2.0


def way_to(database_url: str) -> tuple[TcpProxy, str]:
    address = urlsplit(database_url).netloc.partition("@")[2]
    proxy = TcpProxy(address)
    return proxy, database_url.replace(address, proxy.address)


async def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time(database_url: str) -> None:
    proxy, url = way_to(database_url)
    async with proxy:
        proxy.freeze()
        began_s = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            await connect(url)
        assert time.monotonic() - began_s < CONNECT_TIMEOUT_S + SLACK_S


def _part(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


# Of PostgreSQL's protocol: AuthenticationOk, ParameterStatus, BackendKeyData, ReadyForQuery.
_GREETING = (
    _part(b"R", bytes(4)) + _part(b"S", b"server_version\x0016.0\x00") + _part(b"K", bytes(8)) + _part(b"Z", b"I")
)


async def test_a_server_that_falls_silent_before_the_role_is_taken_is_given_up_in_time() -> None:
    gone = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(_GREETING)
        await reader.read()  # the rest, until the client has gone
        writer.close()
        gone.set()

    async with await asyncio.start_server(greet, HOST) as server:
        port = server.sockets[0].getsockname()[1]
        began_s = time.monotonic()
        with pytest.raises(DatabaseUnavailableError):
            await connect(f"postgres://somebody@{HOST}:{port}/none?sslmode=disable", role="wordwatch_gateway")
        assert time.monotonic() - began_s < CONNECT_TIMEOUT_S + SLACK_S
        async with asyncio.timeout(SLACK_S):
            await gone.wait()


async def test_who_gives_up_waiting_for_a_connection_leaves_its_place_free_at_once(database_url: str) -> None:
    proxy, url = way_to(database_url)
    async with proxy:
        pool = await create_pool(url, role="wordwatch_gateway", application="test", max_size=2)
        proxy.freeze()

        async def acquire() -> None:
            async with asyncio.timeout(0.2):
                await pool.acquire()

        began_s = time.monotonic()
        for _ in range(3):
            found = await asyncio.gather(acquire(), acquire(), return_exceptions=True)
            assert [type(error) for error in found] == [TimeoutError] * 2
        assert time.monotonic() - began_s < SLACK_S
        proxy.thaw()
        async with asyncio.timeout(SLACK_S), pool.acquire() as one, pool.acquire() as other:
            for connection in (one, other):
                assert await connection.fetchval("SELECT current_user") == "wordwatch_gateway"
        pool.terminate()
