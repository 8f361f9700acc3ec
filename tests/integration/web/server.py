"""A small application behind a door, with limits so short that no test waits long, and raw clients of it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from shared.web import serving
from shared.web.door import Door
from shared.web.limits import Limits
from shared.web.refusals import Refusal
from tests.integration.servers import eventually

SHORT = Limits(head_s=0.6, idle_s=8, stall_s=1.0, hurry_s=0.5, linger_s=0.3, turn_away_s=0.5)
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


class Server:
    """A small application behind a door."""

    def __init__(self, runner: web.AppRunner, door: Door) -> None:
        self.runner, self.door = runner, door
        self.cancelled = 0
        self.bodies: list[Any] = []
        self._clients: list[asyncio.StreamWriter] = []

    async def client(self, *, receive_bytes: int | None = None) -> Client:
        wire = socket.socket()
        wire.setblocking(False)
        if receive_bytes is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(wire, self.runner.addresses[0])
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


async def _hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _large(_: web.Request) -> web.Response:
    return web.Response(body=bytes(LARGE))


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(LARGE // 2**16):
        await response.write(bytes(2**16))
    return response


@asynccontextmanager
async def small_server(limits: Limits = SHORT) -> AsyncIterator[Server]:
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
    for path, handler in (("/", _hello), ("/large", _large), ("/stream", _stream), ("/wait", wait)):
        app.router.add_get(path, handler)
    app.router.add_post("/", body)
    runner, door = await serving.serve(
        app, hosts=["127.0.0.1"], port=0, finish_within_s=3, limits=limits, refuse=_refuse
    )
    server = Server(runner, door)
    try:
        yield server
    finally:
        server.leave()
        await runner.cleanup()
