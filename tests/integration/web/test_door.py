"""What clients can do to a server, over real sockets, with limits so short that no test waits long."""

import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import pytest
from aiohttp import web

from shared.web import serving
from shared.web.door import LOOK_EVERY_S
from tests.integration.servers import eventually
from tests.integration.web.server import GET, LARGE, SHORT, Client, Server, small_server

LATE_S = LOOK_EVERY_S + 5  # a busy machine


async def _dribble(client: Client, *, for_s: float) -> None:
    """Sends a head that never ends, byte by byte; bytes after the answer would have it lost on its way."""
    await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    until_s = time.perf_counter() + for_s
    while time.perf_counter() < until_s:
        await client.send(b"x")
        await asyncio.sleep(0.02)


class TestHeads:
    async def test_a_head_that_arrives_byte_by_byte_has_a_deadline(self) -> None:
        async with small_server() as server:
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
        async with small_server() as server:
            client = await server.client()
            assert await client.rest() == b""
            await server.closed("no_request")

    async def test_the_head_of_a_further_request_has_the_same_deadline(self) -> None:
        async with small_server() as server:
            client = await server.client()
            await client.send(GET % b"")
            assert (await client.answer())[0] == 200
            await asyncio.sleep(SHORT.head_s)
            await _dribble(client, for_s=SHORT.head_s * 0.8)
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    async def test_between_requests_a_connection_is_kept_for_a_while(self) -> None:
        async with small_server(replace(SHORT, head_s=0.5, idle_s=3)) as server:
            client = await server.client()
            for _ in range(3):
                await client.send(GET % b"")
                assert await client.answer() == (200, b"hello")
                await asyncio.sleep(0.5 + LOOK_EVERY_S)  # longer than a head may take
            assert await client.rest() == b""
            assert not server.door.closed

    async def test_a_long_wait_for_an_answer_is_no_slow_head(self) -> None:
        async with small_server(replace(SHORT, head_s=0.2)) as server:
            client = await server.client()
            await client.send(GET % b"wait")
            with pytest.raises(TimeoutError):
                await client.rest(within_s=3 * LOOK_EVERY_S)
            client.writer.close()
            await eventually(lambda: server.cancelled == 1, what="the handler is told that nobody waits")

    @pytest.mark.parametrize("piece_bytes", [100, 50_000])
    async def test_a_head_that_is_too_large_in_all(self, piece_bytes: int) -> None:
        async with small_server(replace(SHORT, head_s=30, max_head_bytes=20_000)) as server:
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
        async with small_server() as server:
            client = await server.client()
            await client.send(sent)
            said = await client.rest()
            assert int(said.split()[1]) == status, said
            assert b"\r\nX-Ours: yes\r\n" in said


class TestBodies:
    BROKEN = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"

    async def test_a_body_that_breaks_later_is_answered_at_once_and_once(self) -> None:
        async with small_server(replace(SHORT, idle_s=30)) as server:
            client = await server.client()
            await client.send(self.BROKEN)
            await asyncio.sleep(0.1)  # so that its handler is at it
            await client.send(b"no chunk\r\n")
            said = await client.rest(within_s=5)
            assert said.count(b"HTTP/1.") == 1
            assert said.startswith(b"HTTP/1.1 400 ")
            assert len(server.bodies) == 1

    async def test_whoever_waits_for_a_body_loses_it_with_its_client(self) -> None:
        async with small_server() as server:
            client = await server.client()
            await client.send(self.BROKEN)
            await eventually(lambda: len(server.door) == 1, what="it is there")
            client.writer.transport.abort()
            await server.is_empty()

    async def test_a_next_request_in_the_same_packet_is_no_broken_body(self) -> None:
        async with small_server() as server:
            client = await server.client()
            await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
            await asyncio.sleep(0.1)
            await client.send(b"cd" + GET % b"")
            assert await client.answer() == (200, b"4")
            assert await client.answer() == (200, b"hello")


class TestAnswers:
    @pytest.mark.parametrize("path", [b"large", b"stream"])
    async def test_an_answer_that_nobody_takes_is_given_up(self, path: bytes) -> None:
        async with small_server() as server:
            client = await server.client(receive_bytes=4096)
            await client.send(GET % path)
            await server.closed("stalled")
            await server.is_empty()

    async def test_pipelined_requests_without_reading_are_given_up_too(self) -> None:
        async with small_server() as server:
            client = await server.client(receive_bytes=4096)
            client.writer.write((GET % b"") * 20_000)
            await server.closed("stalled")
            await server.is_empty()

    async def test_an_answer_that_is_left_at_the_end_does_not_keep_the_connection(self) -> None:
        async with small_server(replace(SHORT, send_buffer_bytes=4096)) as server:
            client = await server.client(receive_bytes=2048)
            await client.send((GET % b"") * 200 + b"no request at all\r\n\r\n")
            await server.is_empty()

    @pytest.mark.parametrize("path", [b"large", b"stream"])
    async def test_whoever_reads_slowly_but_steadily_gets_all(self, path: bytes) -> None:
        async with small_server() as server:
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
        async with small_server(limits) as server:
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
        async with small_server(replace(SHORT, stall_s=60)) as server:
            client = await server.client(receive_bytes=4096)
            await client.send(GET % b"large")
            await eventually(lambda: any(one.unread_bytes() for one in server.door.connections), what="it waits")
            began_s = time.perf_counter()
            await server.runner.cleanup()
            assert time.perf_counter() - began_s < 3 + LATE_S
            assert server.door.closed["stalled"] == 1


class TestRoom:
    async def test_the_idle_make_room_first_and_who_is_served_stays(self) -> None:
        async with small_server(replace(SHORT, head_s=60, idle_s=60, max_connections=4)) as server:
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
        async with small_server(replace(SHORT, max_connections=2, max_turned_away=1)) as server:
            for _ in range(2):
                await (await server.client()).send(GET % b"wait")
            await eventually(lambda: _places(server) == ["", ""], what="all are served")
            began_s = time.perf_counter()
            silent, third = await server.client(), await server.client()
            assert await third.rest() in (b"", b"reset")  # one can be told at a time
            assert await silent.rest() in (b"", b"reset")
            assert time.perf_counter() - began_s >= SHORT.turn_away_s
            asking = await server.client()
            await asking.send(GET % b"")
            said = await asking.rest()
            assert said.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nX-Ours: yes\r\n" in said
            assert server.door.closed == {"turned_away": 3}
            assert len(server.door) == 2

    async def test_slow_clients_in_their_hundreds_keep_nobody_out(self) -> None:
        limits = replace(SHORT, head_s=60, max_connections=100)
        async with small_server(limits) as server, AsyncExitStack() as stack:
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
        async with small_server() as server:
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
    with pytest.raises(serving.CannotListenError, match=r"192\.0\.2\.1, port 0"):
        await serving.serve(web.Application(), hosts=["192.0.2.1"], port=0, finish_within_s=1)
