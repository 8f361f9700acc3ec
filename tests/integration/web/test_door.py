"""What clients can do to a server, over real sockets, with limits so short that no test waits long."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from shared.web import serving
from shared.web.door import LOOK_EVERY_S, Door
from shared.web.limits import Limits
from shared.web.refusals import Refusal
from tests.integration.servers import eventually, free_port

SHORT = Limits(head_s=0.6, idle_s=8, stall_s=1.0, hurry_s=0.5, linger_s=0.3, turn_away_s=0.5)
LATE_S = LOOK_EVERY_S + 5  # a busy machine
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 20 * 2**20


class Client:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def rest(self, within_s: float = 20) -> bytes:
        """Everything until the connection is closed."""
        async with asyncio.timeout(within_s):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b"reset"

    async def is_closed_after(self) -> float:
        """Reads until the connection is closed, and says how long that took."""
        began_s = time.perf_counter()
        await self.rest()
        return time.perf_counter() - began_s


class Server:
    """A small application behind a door."""

    def __init__(self, port: int, runner: web.AppRunner, door: Door) -> None:
        self.port, self.runner, self.door = port, runner, door
        self.cancelled = 0
        self.bodies: list[Any] = []
        self._clients: list[asyncio.StreamWriter] = []

    async def client(self, *, receive_bytes: int | None = None) -> Client:
        wire = socket.socket()
        wire.setblocking(False)
        if receive_bytes is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=wire, limit=2**14)
        self._clients.append(writer)
        return Client(reader, writer)

    async def closed(self, reason: str, times: int = 1) -> None:
        await eventually(lambda: self.door.closed[reason] >= times, what=f"{times} closed: {reason}")

    async def is_empty(self) -> None:
        await eventually(lambda: not len(self.door) and not self.runner.server.connections, what="all are gone")  # type: ignore[union-attr]

    def leave(self) -> None:
        for writer in self._clients:
            writer.transport.abort()


def _refuse(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.status, text=refusal.detail, headers={"X-Ours": "yes"})


@asynccontextmanager
async def _serving(limits: Limits = SHORT) -> AsyncIterator[Server]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE))

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(LARGE // 2**16):
            await response.write(bytes(2**16))
        return response

    async def wait(_: web.Request) -> web.Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            server.cancelled += 1
            raise
        return web.Response()

    async def body(request: web.Request) -> web.Response:
        with serving.awaiting_body(request):
            try:
                server.bodies.append(await request.read())
            except Exception as error:
                server.bodies.append(error)
                return web.Response(status=400, text="broken")
        return web.Response(text=str(len(server.bodies[-1])))

    app = web.Application()
    for path, handler in (("/", hello), ("/large", large), ("/stream", stream), ("/wait", wait)):
        app.router.add_get(path, handler)
    app.router.add_post("/", body)
    port = free_port()
    runner, door = await serving.serve(
        app, hosts=["127.0.0.1"], port=port, finish_within_s=3, limits=limits, refuse=_refuse
    )
    server = Server(port, runner, door)
    try:
        yield server
    finally:
        server.leave()
        await runner.cleanup()


async def _dribble(client: Client, *, for_s: float) -> None:
    """Sends a head that never ends, byte by byte; bytes after the answer would have it lost on its way."""
    await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    until_s = time.perf_counter() + for_s
    while time.perf_counter() < until_s:
        await client.send(b"x")
        await asyncio.sleep(0.02)


class TestHeads:
    async def test_a_head_that_arrives_byte_by_byte_has_a_deadline(self) -> None:
        async with _serving() as server:
            began_s = time.perf_counter()
            client = await server.client()
            await _dribble(client, for_s=SHORT.head_s * 0.8)
            said = await client.rest()
            assert SHORT.head_s <= time.perf_counter() - began_s < SHORT.head_s + LATE_S
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nX-Ours: yes\r\n" in said
            assert said.endswith(b"were not complete after 0.6 s.")
            await server.is_empty()
            assert server.door.closed == {"no_request": 1}

    async def test_whoever_says_nothing_is_shown_out_without_a_word(self) -> None:
        async with _serving() as server:
            client = await server.client()
            assert await client.rest() == b""
            await server.closed("no_request")

    async def test_the_head_of_a_further_request_has_the_same_deadline(self) -> None:
        async with _serving() as server:
            client = await server.client()
            await client.send(GET % b"")
            assert (await client.answer())[0] == 200
            await asyncio.sleep(SHORT.head_s)
            await _dribble(client, for_s=SHORT.head_s * 0.8)
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    async def test_between_requests_a_connection_is_kept_for_a_while(self) -> None:
        async with _serving(replace(SHORT, head_s=0.1, idle_s=0.8)) as server:
            client = await server.client()
            for _ in range(3):
                await client.send(GET % b"")
                assert await client.answer() == (200, b"hello")
                await asyncio.sleep(0.3)  # longer than a head may take
            assert await client.rest() == b""
            assert not server.door.closed

    async def test_a_long_wait_for_an_answer_is_no_slow_head(self) -> None:
        async with _serving(replace(SHORT, head_s=0.2)) as server:
            client = await server.client()
            await client.send(GET % b"wait")
            with pytest.raises(TimeoutError):
                await client.rest(within_s=3 * LOOK_EVERY_S)
            client.writer.close()
            await eventually(lambda: server.cancelled == 1, what="the handler is told that nobody waits")

    @pytest.mark.parametrize("piece_bytes", [100, 50_000])
    async def test_a_head_that_is_too_large_in_all(self, piece_bytes: int) -> None:
        async with _serving(replace(SHORT, head_s=30, max_head_bytes=20_000)) as server:
            client = await server.client()
            head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: " % n + b"x" * 1000 + b"\r\n" for n in range(40))
            with suppress(ConnectionError):
                for start in range(0, len(head), piece_bytes):  # it does not end
                    await client.send(head[start : start + piece_bytes])
                    await asyncio.sleep(0)
            said = await client.rest()
            assert said.startswith(b"HTTP/1.1 431 ") or said == b"reset"
            await server.is_empty()

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X" * 9000 + b": y\r\n\r\n", 431),
            (b"\x16\x03\x01\x02\x00\x01\x00", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: more\r\nConnection: close\r\n\r\n", 417),
        ],
    )
    async def test_what_aiohttp_refuses_is_answered_in_our_words(self, sent: bytes, status: int) -> None:
        async with _serving() as server:
            client = await server.client()
            await client.send(sent)
            said = await client.rest()
            assert int(said.split()[1]) == status, said
            assert b"\r\nX-Ours: yes\r\n" in said


class TestBodies:
    BROKEN = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"

    async def test_a_body_that_breaks_later_is_answered_at_once_and_once(self) -> None:
        async with _serving(replace(SHORT, idle_s=30)) as server:
            client = await server.client()
            await client.send(self.BROKEN)
            await asyncio.sleep(0.1)  # so that its handler is at it
            await client.send(b"no chunk\r\n")
            said = await client.rest(within_s=5)
            assert said.count(b"HTTP/1.") == 1
            assert said.startswith(b"HTTP/1.1 400 ")
            assert len(server.bodies) == 1

    async def test_whoever_waits_for_a_body_loses_it_with_its_client(self) -> None:
        async with _serving() as server:
            client = await server.client()
            await client.send(self.BROKEN)
            await eventually(lambda: len(server.door) == 1, what="it is there")
            client.writer.transport.abort()
            await server.is_empty()

    async def test_a_next_request_in_the_same_packet_is_no_broken_body(self) -> None:
        async with _serving() as server:
            client = await server.client()
            await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            await asyncio.sleep(0.1)
            await client.send(b"cd" + GET % b"")
            assert await client.answer() == (200, b"4")
            assert await client.answer() == (200, b"hello")


class TestAnswers:
    @pytest.mark.parametrize("path", [b"large", b"stream"])
    async def test_an_answer_that_nobody_takes_is_given_up(self, path: bytes) -> None:
        async with _serving() as server:
            client = await server.client(receive_bytes=4096)
            await client.send(GET % path)
            await server.closed("stalled")
            await server.is_empty()

    async def test_pipelined_requests_without_reading_are_given_up_too(self) -> None:
        async with _serving() as server:
            client = await server.client(receive_bytes=4096)
            client.writer.write((GET % b"") * 20_000)
            await server.closed("stalled")
            await server.is_empty()

    async def test_an_answer_that_is_left_at_the_end_does_not_keep_the_connection(self) -> None:
        async with _serving(replace(SHORT, send_buffer_bytes=4096)) as server:
            client = await server.client(receive_bytes=2048)
            await client.send((GET % b"") * 200 + b"no request at all\r\n\r\n")
            await server.is_empty()

    @pytest.mark.parametrize("path", [b"large", b"stream"])
    async def test_whoever_reads_slowly_but_steadily_gets_all(self, path: bytes) -> None:
        async with _serving() as server:
            client = await server.client()
            await client.send((GET % path).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            took = 0
            began_s = time.perf_counter()
            async with asyncio.timeout(60):
                while data := await client.reader.read(2**18):
                    took += len(data)
                    await asyncio.sleep(0.04)  # several times stall_s in all
            assert took > LARGE
            assert time.perf_counter() - began_s > 2 * SHORT.stall_s
            assert not server.door.closed

    async def test_answers_in_memory_are_bounded(self) -> None:
        limits = replace(SHORT, stall_s=60, max_unread_bytes=3 * LARGE)
        async with _serving(limits) as server:
            for _ in range(8):
                client = await server.client(receive_bytes=4096)
                await client.send(GET % b"large")
            await server.closed("memory", 4)
            await eventually(
                lambda: sum(one.unread_bytes() for one in server.door.connections) <= limits.max_unread_bytes,
                what="the rest fits",
            )
            assert len(server.door) >= 2

    async def test_at_the_end_nobody_who_does_not_read_holds_the_server_up(self) -> None:
        async with _serving(replace(SHORT, stall_s=60)) as server:
            client = await server.client(receive_bytes=4096)
            await client.send(GET % b"large")
            await eventually(lambda: any(one.unread_bytes() for one in server.door.connections), what="it waits")
            began_s = time.perf_counter()
            await server.runner.cleanup()
            assert time.perf_counter() - began_s < 3 + LATE_S
            assert server.door.closed["stalled"] == 1


class TestRoom:
    async def test_the_idle_make_room_first_and_who_is_served_stays(self) -> None:
        async with _serving(replace(SHORT, head_s=60, idle_s=60, max_connections=4)) as server:
            served, slow, idle, body = [await server.client() for _ in range(4)]
            await served.send(GET % b"wait")
            await slow.send(b"GET / HT")
            await idle.send(GET % b"")
            assert (await idle.answer())[0] == 200
            await body.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            await eventually(lambda: _places(server) == ["", "body", "head", "idle"], what="each is at its place")
            for number, loser in enumerate((idle, slow, body), 1):
                newcomer = await server.client()
                await newcomer.send(GET % b"wait")
                assert await loser.rest() in (b"", b"reset")
                assert server.door.closed == {"made_room": number}
                await eventually(lambda count=number: _places(server).count("") == count + 1, what="it is served")  # type: ignore[misc]
            assert len(server.door) == 4

    async def test_when_all_are_served_one_more_is_told_to_come_back(self) -> None:
        async with _serving(replace(SHORT, max_connections=2, max_turned_away=1)) as server:
            for _ in range(2):
                await (await server.client()).send(GET % b"wait")
            await eventually(lambda: _places(server) == ["", ""], what="all are served")
            silent, third = await server.client(), await server.client()
            assert await third.rest() in (b"", b"reset")  # one can be told at a time
            assert SHORT.turn_away_s / 2 < await silent.is_closed_after() + LOOK_EVERY_S
            asking = await server.client()
            await asking.send(GET % b"")
            said = await asking.rest()
            assert said.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nX-Ours: yes\r\n" in said
            assert server.door.closed == {"turned_away": 3}
            assert len(server.door) == 2

    async def test_slow_clients_in_their_hundreds_keep_nobody_out(self) -> None:
        limits = replace(SHORT, head_s=60, max_connections=100)
        async with _serving(limits) as server, AsyncExitStack() as stack:
            for _ in range(500):
                client = await server.client()
                client.writer.write(b"GET / HTTP/1.1\r\n")
            stack.callback(server.leave)
            for _ in range(50):
                client = await server.client()
                await client.send(GET % b"")
                assert await client.answer() == (200, b"hello")
            assert len(server.door) <= 100
            assert set(server.door.closed) == {"made_room"}

    async def test_connections_leave_nothing_behind(self) -> None:
        async with _serving() as server:
            for _ in range(200):
                client = await server.client()
                await client.send(GET % b"")
                await client.answer()
                client.writer.close()
            await server.is_empty()
            assert not server.door.closed


def _places(server: Server) -> list[str]:
    names = {None: "", 0: "idle", 1: "head", 2: "body"}
    return sorted(names[None if (place := one.could_go()) is None else place[0]] for one in server.door.connections)


def test_the_limit_of_open_files_is_raised_or_respected() -> None:
    program = (
        "import resource; from shared.web.serving import room_for\n"
        "for limits in (2000, 3000), (200, 2500), (200, 600):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, limits)\n"
        "    print('room', room_for(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    rooms = [line for line in said.stdout.splitlines() if line.startswith("room")]
    assert rooms == ["room 1000 2000", "room 1000 1128", "room 472 600"]
    assert "ulimit -n" in said.stdout + said.stderr


async def test_of_several_addresses_those_of_this_machine_are_listened_on() -> None:
    runner, _ = await serving.serve(web.Application(), hosts=["192.0.2.1", "127.0.0.1"], port=0, finish_within_s=1)
    assert [place[0] for place in runner.addresses] == ["127.0.0.1"]
    await runner.cleanup()


async def test_none_of_this_machine_is_an_error() -> None:
    with pytest.raises(OSError, match="assign"):
        await serving.serve(web.Application(), hosts=["192.0.2.1"], port=0, finish_within_s=1)
