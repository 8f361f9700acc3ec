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
from typing import Any

import pytest

from services.gateway.middlewares import SECURITY_HEADERS
from tests.integration.gateway.stack import CHECKS, REPOSITORY, Stack
from tests.integration.servers import eventually

VERSION = "/api/v1/version"
WITHIN_S = 20
HEAD_S = 10


class Answer:
    """One answer as it came over the wire."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self.body
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["type"] == f"/docs/problems/{problem['code']}"
        return str(problem["code"])

    def assert_locked_down(self) -> None:
        for name, value in SECURITY_HEADERS.items():
            assert self.headers[name.lower()] == value
        assert self.headers["server"] == "wordwatch"
        assert self.headers["x-request-id"]


async def _ask(port: int, sent: bytes, *later: bytes, timeout_s: float = WITHIN_S) -> Answer:
    """Sends raw bytes, the later ones after a moment, and reads one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(sent)
            for part in later:
                await asyncio.sleep(0.1)
                writer.write(part)
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100"):
                head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            has_body = length is not None and not sent.startswith(b"HEAD ")
            return Answer(head + (await reader.readexactly(int(length[1])) if has_body and length else b""))
    finally:
        writer.close()


def _request(method: str, target: str, body: bytes = b"", /, **headers: str) -> bytes:
    given = {"Host": "localhost", "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    if body:
        given.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode() + body


REQUESTS: tuple[tuple[bytes, int], ...] = (
    (_request("GET", "/"), 200),
    (_request("HEAD", "/"), 200),
    (_request("GET", VERSION), 200),
    (_request("GET", "/nothing"), 404),
    (_request("TRACE", "/"), 405),
    (_request("OPTIONS", "/"), 405),
    (_request("OPTIONS", "*"), 404),
    (_request("PROPFIND", "/"), 405),
    (_request("POST", "/", b"address=", Content_Type="application/x-www-form-urlencoded"), 422),
    (_request("POST", CHECKS, b"{}", Content_Type="application/json", Expect="sooner"), 400),
    (_request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="br"), 415),
    (_request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="x"), 415),
    (_request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="gzip, gzip"), 415),
    (_request("POST", CHECKS, b"x" * 10, Content_Type="application/json", Content_Length="9" * 9), 413),
    (_request("POST", CHECKS, b'{"url": 1e999}', Content_Type="application/json"), 422),
    (_request("POST", CHECKS, b'{"url": "a", "url": "b"}', Content_Type="application/json"), 422),
    (_request("GET", "/" + "x" * 8000), 404),
    (_request("GET", "/" + "x" * 9000), 414),
    (_request("GET", "/", X="x" * 9000), 431),
    (_request("GET", "/", **{f"X{number}": "x" for number in range(100)}), 431),
    (_request("GET", "/", **{f"X{number}": "x" * 1000 for number in range(40)}), 431),
    (_request("GET", "/", Host="evil.example"), 421),
    (_request("GET", "/", Sec_Fetch_Site="cross-site"), 200),
    (_request("DELETE", f"{CHECKS}/x", Sec_Fetch_Site="cross-site"), 403),
    (_request("GET", "/", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13"), 200),
    (_request("GET", "/", Upgrade="h2c", Connection="Upgrade, HTTP2-Settings"), 200),
    (_request("GET", "http://localhost/"), 200),
    (_request("GET", "http://evil.example/"), 421),
    (_request("GET", "http://localhost/", Host="evil.example"), 421),
    (_request("GET", "http://evil@localhost/"), 400),
    (_request("GET", "ftp://localhost/"), 400),
    (_request("CONNECT", "evil.example:443"), 421),
    (_request("CONNECT", "localhost:443"), 404),
    (_request("GET", "x"), 400),
    (_request("GET", "/", Host=""), 400),
    (_request("GET", "/", Host="localhost, evil.example"), 400),
    (_request("GET", "/", Host="evil.example@localhost"), 400),
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
    (_request("POST", CHECKS, b"{}", Content_Length="x"), 400),
    (_request("POST", CHECKS, b"", Content_Length="-1"), 400),
    (_request("POST", CHECKS, b"", Content_Length="9" * 30), 400),
    (_request("POST", CHECKS, b"0\r\n\r\n", Transfer_Encoding="chunked"), 400),
    (_request("POST", CHECKS, Transfer_Encoding="chunked") + b"zz\r\n", 400),
    (_request("POST", CHECKS, Transfer_Encoding="gzip, chunked") + b"0\r\n\r\n", 400),
    (_request("POST", CHECKS, Transfer_Encoding="gzip") + b"0\r\n\r\n", 400),
)


class TestEveryAnswer:
    async def test_is_locked_down_and_a_problem_if_it_is_none_of_ours(self, door: Stack) -> None:
        wrong = {}
        for sent, status in REQUESTS:
            answer = await _ask(door.port, sent)
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
        answer = await _ask(door.port, _request("POST", CHECKS, body, Content_Type="application/json"))
        assert answer.code == "body_too_large"
        assert b"1,048,576 bytes" in answer.body
        answer = await _ask(
            door.port, _request("POST", CHECKS, b"{}", Content_Type="application/json", Content_Encoding="br")
        )
        assert answer.headers["accept-encoding"] == "gzip, deflate"

    async def test_redirects_and_304_are_locked_down_too(self, door: Stack) -> None:
        page = await _ask(door.port, _request("GET", "/"))
        found = re.search(rb'href="(/static/[^"]+\.css)"', page.body)
        assert found is not None
        sheet = await _ask(door.port, _request("GET", found[1].decode()))
        again = await _ask(door.port, _request("GET", found[1].decode(), If_None_Match=sheet.headers["etag"]))
        assert (sheet.status, again.status) == (200, 304)
        for answer in (sheet, again):
            answer.assert_locked_down()

    async def test_a_chunk_that_breaks_later_is_answered_at_once(self, door: Stack) -> None:
        head = _request("POST", CHECKS, Transfer_Encoding="chunked", Content_Type="application/json")
        answer = await _ask(door.port, head + b"1\r\n{\r\n", b"no chunk\r\n", timeout_s=8)
        assert answer.code == "bad_request"


ANOTHER = "http://evil.example"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PARTS = b'--x\r\nContent-Disposition: form-data; name="address"\r\n\r\nexample.org\r\n--x--\r\n'
JSON = "application/json"
JSON_BODY = b'{"url": "example.org"}'


def _browser(method: str, target: str, body: bytes = b"", /, *, mode: str, dest: str, **headers: str) -> bytes:
    """What a current browser sends for a page of another site, with the cookies it may have."""
    told = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest, "Cookie": "a=b"}
    return _request(method, target, body, Referer=f"{ANOTHER}/", **told, **headers)


PATHS = ("/", CHECKS, VERSION, "/api/v1/stats", "/docs", "/static/x/live.js", "/nothing")


class TestAnotherSite:
    """What a page of evil.example can make a browser send (Fetch: simple requests, navigations, embedded things)."""

    async def test_posts_nothing(self, door: Stack) -> None:
        cancel = f"{CHECKS}/{'0' * 8}-0000-7000-8000-{'0' * 12}/cancel"
        bodies = ((FORM, b"address=example.org"), (MULTIPART, PARTS), ("text/plain", JSON_BODY), (JSON, JSON_BODY))
        for path in ("/", "/tasks", CHECKS, cancel):
            for kind, body in bodies:
                given = {"Origin": ANOTHER, "Content_Type": kind}
                for sent in (
                    _browser("POST", path, body, mode="navigate", dest="document", **given),  # a form
                    _browser("POST", path, body, mode="no-cors", dest="empty", **given),  # fetch, sendBeacon
                    _request("POST", path, body, **given),  # a browser without Fetch Metadata
                    _request("POST", path, body, **(given | {"Origin": "null"})),  # in a sandboxed frame
                    # Host is localhost:80 here, so this is a neighbour on the same machine
                    _request("POST", path, body, **(given | {"Origin": f"http://localhost:{door.port}"})),
                ):
                    answer = await _ask(door.port, sent)
                    assert (answer.status, answer.code) == (403, "cross_site_request"), sent
        assert await door.ask("SELECT count(*) FROM checks") == 0

    async def test_embeds_and_reads_nothing(self, door: Stack) -> None:
        embedded = ("image", "script", "style", "empty", "audio", "font", "worker")
        frames = ("iframe", "frame", "object", "embed")
        ways = [("no-cors", dest) for dest in embedded] + [("navigate", dest) for dest in frames]
        for mode, dest in (*ways, ("cors", "empty"), ("cors", "script")):
            origin = {"Origin": ANOTHER} if mode == "cors" else {}
            for path in PATHS:
                answer = await _ask(door.port, _browser("GET", path, mode=mode, dest=dest, **origin))
                assert answer.headers["cross-origin-resource-policy"] == "same-origin"
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_asks_in_vain_whether_it_may(self, door: Stack) -> None:
        asked = {"Origin": ANOTHER, "Access_Control_Request_Method": "DELETE"}
        for more in ({}, {"Access_Control_Request_Private_Network": "true"}):
            for sent in (
                _browser("OPTIONS", CHECKS, mode="cors", dest="empty", **asked, **more),
                _request("OPTIONS", CHECKS, **asked, **more),
            ):
                answer = await _ask(door.port, sent)
                assert answer.code == "method_not_allowed"
                assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_may_have_a_link_to_us(self, door: Stack) -> None:
        answer = await _ask(door.port, _browser("GET", "/", mode="navigate", dest="document"))
        assert answer.status == 200
        assert (
            answer.headers["cross-origin-opener-policy"] == "same-origin"
        )  # the two windows know nothing of each other
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]

    async def test_that_gave_its_name_our_address_sees_nothing(self, door: Stack) -> None:
        """DNS rebinding: for the browser it is all one site, and only Host tells."""
        name = f"evil.example:{door.port}"
        told = {"Origin": f"http://{name}", "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}
        for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
            for path in PATHS:
                answer = await _ask(door.port, _request(method, path, Host=name, **told))
                assert answer.status == 421
                assert method == "HEAD" or answer.code == "unknown_host"


@pytest.fixture
async def door(parts: Stack) -> AsyncIterator[Stack]:
    """A gateway, without a recorder: nothing here gets that far."""
    async with parts.gateway():
        yield parts


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
        answer = await _ask(port, _request("GET", VERSION))
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
        bombs = [asyncio.create_task(_ask(parts.port, _request("POST", CHECKS, bomb, **headers))) for _ in range(3)]
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
        reader, writer = await asyncio.open_connection("127.0.0.1", parts.port, limit=2**10)
        stuck = asyncio.create_task(_send_for_ever(writer))
        await asyncio.sleep(1)
        began_s = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(28):
            assert await process.wait() == 0, b"".join(lines)
        assert time.perf_counter() - began_s < 20
        stuck.cancel()
        writer.transport.abort()
        assert reader is not None


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
    async with _process(parts, WORDWATCH_LISTEN="0.0.0.0", WORDWATCH_AUTH="off") as (_, lines):
        assert (await _ask(parts.port, _request("GET", VERSION))).status == 200
        assert (await _ask(parts.port, _request("GET", VERSION, Host="0.0.0.0"))).status == 421
        assert lines is not None
