"""The door of the gateway as it runs: who may knock, and what those get who come in thousands, or take their time."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.integration.gateway.raw import ask, request
from tests.integration.gateway.stack import CHECKS, REPOSITORY, Stack
from tests.integration.servers import eventually

VERSION = "/api/v1/version"
JSON = "application/json"
HEAD_S = 10


REQUESTS: tuple[tuple[bytes, int], ...] = (
    (request("GET", "/"), 200),
    (request("HEAD", "/"), 200),
    (request("GET", VERSION), 200),
    (request("GET", "/nothing"), 404),
    (request("TRACE", "/"), 405),
    (request("OPTIONS", "/"), 405),
    (request("OPTIONS", "*"), 404),
    (request("PROPFIND", "/"), 405),
    (request("POST", "/", b"address=", Content_Type="application/x-www-form-urlencoded"), 422),
    (request("POST", CHECKS, b"{}", Content_Type="application/json", Expect="sooner"), 400),
    (request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="br"), 415),
    (request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="x"), 415),
    (request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="gzip, gzip"), 415),
    (request("POST", CHECKS, b"x" * 10, Content_Type="application/json", Content_Length="9" * 9), 413),
    (request("POST", CHECKS, b'{"url": 1e999}', Content_Type="application/json"), 422),
    (request("POST", CHECKS, b'{"url": "a", "url": "b"}', Content_Type="application/json"), 422),
    (request("GET", "/" + "x" * 8000), 404),
    (request("GET", "/" + "x" * 9000), 414),
    (request("GET", "/", X="x" * 9000), 431),
    (request("GET", "/", **{f"X{number}": "x" for number in range(100)}), 431),
    (request("GET", "/", **{f"X{number}": "x" * 1000 for number in range(40)}), 431),
    (request("GET", "/", Host="evil.example"), 421),
    (request("GET", "/", Sec_Fetch_Site="cross-site"), 200),
    (request("DELETE", f"{CHECKS}/x", Sec_Fetch_Site="cross-site"), 403),
    (request("GET", "/", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13"), 200),
    (request("GET", "/", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings"), 200),
    (request("GET", "http://localhost/"), 200),
    (request("GET", "http://evil.example/"), 421),
    (request("GET", "http://localhost/", Host="evil.example"), 421),
    (request("GET", "http://evil@localhost/"), 400),
    (request("GET", "ftp://localhost/"), 400),
    (request("CONNECT", "evil.example:443"), 421),
    (request("CONNECT", "localhost:443"), 404),
    (request("GET", "x"), 400),
    (request("GET", "/", Host=""), 400),
    (request("GET", "/", Host="localhost, evil.example"), 400),
    (request("GET", "/", Host="evil.example@localhost"), 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.0\r\n\r\n", 421),
    (b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"FETCH / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (request("POST", CHECKS, b"{}", Content_Length="x"), 400),
    (request("POST", CHECKS, b"", Content_Length="-1"), 400),
    (request("POST", CHECKS, b"", Content_Length="9" * 30), 400),
    (request("POST", CHECKS, b"0\r\n\r\n", Transfer_Encoding="chunked"), 400),
    (request("POST", CHECKS, Transfer_Encoding="chunked") + b"zz\r\n", 400),
    (request("POST", CHECKS, Transfer_Encoding="gzip, chunked") + b"0\r\n\r\n", 400),
    (request("POST", CHECKS, Transfer_Encoding="gzip") + b"0\r\n\r\n", 400),
)


class TestEveryAnswer:
    async def test_is_locked_down_and_a_problem_if_it_is_none_of_ours(self, door: Stack) -> None:
        wrong = {}
        for sent, status in REQUESTS:
            answer = await ask(door.port, sent)
            answer.assert_locked_down()
            if answer.status != status:
                wrong[sent[:60]] = (answer.status, answer.body)
            elif status >= 400 and not sent.startswith((b"HEAD", b"POST / ")):
                assert answer.code
                for internal in (b"aiohttp", b"llhttp", b"Traceback", b"bytearray", b"Error", b"b'"):
                    assert internal not in answer.body
        assert wrong == {}

    async def test_the_limits_are_told(self, door: Stack) -> None:
        body = b'{"url": "example.org", "label": "' + b"x" * 2**20 + b'"}'
        answer = await ask(door.port, request("POST", CHECKS, body, Content_Type="application/json"))
        assert answer.code == "body_too_large"
        assert b"1,048,576 bytes" in answer.body
        answer = await ask(
            door.port, request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="br")
        )
        assert answer.headers["accept-encoding"] == "gzip, deflate"

    async def test_redirects_and_304_are_locked_down_too(self, door: Stack) -> None:
        page = await ask(door.port, request("GET", "/"))
        found = re.search(rb'href="(/static/[^"]+\.css)"', page.body)
        assert found is not None
        sheet = await ask(door.port, request("GET", found[1].decode()))
        again = await ask(door.port, request("GET", found[1].decode(), If_None_Match=sheet.headers["etag"]))
        assert (sheet.status, again.status) == (200, 304)
        for answer in (sheet, again):
            answer.assert_locked_down()

    async def test_a_chunk_that_breaks_later_is_answered_at_once(self, door: Stack) -> None:
        head = request("POST", CHECKS, Transfer_Encoding="chunked", Content_Type="application/json")
        answer = await ask(door.port, head + b"1\r\n{\r\n", b"no chunk\r\n", timeout_s=8)
        assert answer.code == "bad_request"


@asynccontextmanager
async def _process(parts: Stack, **environ: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[bytes]]]:
    """A gateway as a process, and its log lines so far."""
    async with parts.process(**environ) as process:
        lines: list[bytes] = []

        async def keep() -> None:
            assert process.stderr is not None
            async for line in process.stderr:
                lines.append(line)

        keeping = asyncio.create_task(keep())
        try:
            yield process, lines
        finally:
            keeping.cancel()


def _memory_mib(process: asyncio.subprocess.Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def _latencies_s(port: int, times: int) -> list[float]:
    """How long ordinary requests take, each on a connection of its own."""
    took = []
    for _ in range(times):
        began_s = time.perf_counter()
        answer = await ask(port, request("GET", VERSION))
        took.append(time.perf_counter() - began_s)
        assert answer.status == 200
    return sorted(took)


async def test_hundreds_of_slow_heads_hold_nobody_up_and_all_are_closed(parts: Stack) -> None:
    async def dribble() -> tuple[float, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", parts.port)
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout(60):
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
                while time.perf_counter() - began_s < HEAD_S - 1:
                    writer.write(b"x")
                    await asyncio.sleep(0.5)
                said = await reader.read()
        except ConnectionError:
            said = b"reset"
        finally:
            writer.close()
        return time.perf_counter() - began_s, said

    async with _process(parts) as (process, lines):
        before_mib = _memory_mib(process)
        slow = [asyncio.create_task(dribble()) for _ in range(300)]
        await asyncio.sleep(1)
        took_s = await _latencies_s(parts.port, 100)
        assert took_s[len(took_s) // 2] < 1
        assert _memory_mib(process) - before_mib < 60
        closed = await asyncio.gather(*slow)
        assert all(HEAD_S * 0.9 <= after_s < HEAD_S + 15 for after_s, _ in closed)
        assert any(said.startswith(b"HTTP/1.1 408 ") for _, said in closed)
        await eventually(lambda: any(b"connections closed" in line for line in lines), what="the log tells of it")


async def test_a_bomb_of_a_body_is_refused_and_not_unpacked(parts: Stack) -> None:
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join([*(packer.compress(bytes(2**20)) for _ in range(200)), packer.flush()])
    assert len(bomb) < 2**20
    async with _process(parts) as (process, _):
        before_mib = _memory_mib(process)
        headers = {"Content_Type": JSON, "Content_Encoding": "gzip"}
        bombs = [asyncio.create_task(ask(parts.port, request("POST", CHECKS, bomb, **headers))) for _ in range(3)]
        took_s = await _latencies_s(parts.port, 20)
        assert took_s[-1] < 5
        for answer in await asyncio.gather(*bombs):
            assert answer.code == "body_too_large"
        assert _memory_mib(process) - before_mib < 60


async def test_thousands_of_connections_keep_nobody_out_for_long(parts: Stack) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def open_some() -> None:
        for _ in range(500):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", parts.port)
            except ConnectionError:
                continue
            writers.append(writer)
            writer.write(b"GET / HTTP/1.1\r\n")

    async with _process(parts, WORDWATCH_MAX_CONNECTIONS="200") as (process, lines):
        try:
            opening = [asyncio.create_task(open_some()) for _ in range(4)]
            took_s = await _latencies_s(parts.port, 30)
            await asyncio.gather(*opening)
            took_s += await _latencies_s(parts.port, 30)
            assert max(took_s) < 10
            assert len(os.listdir(f"/proc/{process.pid}/fd")) < 200 + 64 + 128
        finally:
            for writer in writers:
                writer.transport.abort()
        assert not [line for line in lines if b"rror" in line]
        await _latencies_s(parts.port, 1)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(25):
            assert await process.wait() == 0


async def test_a_stop_waits_for_no_client_that_does_not_read(parts: Stack) -> None:
    async with _process(parts) as (process, lines):
        reader, writer = await asyncio.open_connection("127.0.0.1", parts.port, limit=2**10)  # kept, and not read
        stuck = asyncio.create_task(_send_for_ever(writer))
        await asyncio.sleep(1)
        began_s = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(28):
            assert await process.wait() == 0, b"".join(lines)
        assert time.perf_counter() - began_s < 20
        stuck.cancel()
        writer.transport.abort()
        del reader


async def _send_for_ever(writer: asyncio.StreamWriter) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
    try:
        while True:
            writer.write(request)
            await writer.drain()
    except ConnectionError:
        return


async def test_it_does_not_start_where_that_was_not_meant(parts: Stack) -> None:
    for environ, told in (
        ({"WORDWATCH_LISTEN": "0.0.0.0"}, ["WORDWATCH_LISTEN=0.0.0.0", "WORDWATCH_AUTH=off"]),
        ({"WORDWATCH_PUBLIC_HOSTS": "http://count.example.org"}, ["WORDWATCH_PUBLIC_HOSTS", "without http://"]),
    ):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.gateway",
            cwd=REPOSITORY,
            env={
                "PATH": os.environ["PATH"],
                "WORDWATCH_DATABASE_URL": parts.database_url,
                "WORDWATCH_NSQD": parts.nsqd.tcp,
                "WORDWATCH_PORT": str(parts.port),
                **environ,
            },
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            _, said = await process.communicate()
        assert process.returncode == 2, said
        for part in told:
            assert part in said.decode()
        assert b"Traceback" not in said


async def test_where_it_was_said_it_listens_and_warns(parts: Stack) -> None:
    async with parts.process(WORDWATCH_LISTEN="0.0.0.0", WORDWATCH_AUTH="off"):
        assert (await ask(parts.port, request("GET", VERSION))).status == 200
        assert (await ask(parts.port, request("GET", VERSION, Host="0.0.0.0"))).status == 421
    (line,) = [json.loads(line) for line in parts.said if b"open to others" in line]
    assert (line["level"], line["listen"], line["auth"]) == ("warning", "0.0.0.0", "off")
