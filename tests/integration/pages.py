"""A web server that behaves as badly as it is told to: raw bytes over real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


def answer(body: bytes | str = b"", status: int = 200, **headers: str) -> bytes:
    """Spell out a whole answer. `content_type="…"` sets Content-Type; an empty value leaves a header out."""
    data = body.encode() if isinstance(body, str) else body
    fields = {"content_type": "text/html; charset=utf-8", "content_length": str(len(data)), **headers}
    lines = [f"{name.replace('_', '-').title()}: {value}\r\n" for name, value in fields.items() if value]
    return f"HTTP/1.1 {status} Because\r\n{''.join(lines)}\r\n".encode() + data


def redirect(location: str, status: int = 302) -> bytes:
    return answer(status=status, location=location, content_type="")


@dataclass(frozen=True)
class Request:
    """One request as it came, and the connection to answer on.

    Attributes:
        target: path and query as they stood in the request line.
        headers: names in lower case.
        connection: number of the connection, from 0.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    connection: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection off with a TCP RST."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_client_leaves(self) -> None:
        """Wait for the other side to hang up."""
        with suppress(ConnectionError):
            await self.reader.read()


Route = bytes | Callable[[Request], Awaitable[bytes | None]]
"""What a path answers: bytes, or a coroutine that sends for itself and returns what is left to send.

None instead of bytes ends the connection.
"""


@dataclass
class PageServer:
    """What the server serves and what it saw.

    Attributes:
        routes: by path without the query; `*` is for all others but `/robots.txt`, which is not there, and not among
            the requests, unless it has a route of its own.
        talk: used instead of HTTP if given.
        requests: all of them, in order.
        connections: accepted so far.
        idle: set while no connection is open.
    """

    routes: dict[str, Route] = field(default_factory=dict)
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    scheme: str = "http"
    _open: int = 0

    def url(self, target: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{target}"

    def targets(self) -> list[str]:
        return [request.target for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        self._open += 1
        self.idle.clear()
        try:
            if self.talk is not None:
                await self.talk(reader, writer)
            else:
                while await self._answer_one(number, reader, writer):
                    pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client left, which is its right
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._open -= 1
            if not self._open:
                self.idle.set()

    async def _answer_one(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")[:-2]
        method, target, _ = line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        request = Request(method, target, headers, number, reader, writer)
        if target == "/robots.txt" and target not in self.routes:
            await request.send(answer(status=404))
            return True
        self.requests.append(request)
        route = self.routes.get(target.partition("?")[0], self.routes.get("*", answer(status=404)))
        sent = route if isinstance(route, bytes) else await route(request)
        if sent is None:
            return False
        await request.send(sent)
        return True


@asynccontextmanager
async def page_server(
    routes: dict[str, Route] | None = None, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[PageServer]:
    """Run a server on a free port until the block ends."""
    pages = PageServer(routes or {}, scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(pages.serve(reader, writer)))

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    pages.port = server.sockets[0].getsockname()[1]
    try:
        yield pages
    finally:
        server.close()
        for _ in range(3):  # connections that are being accepted get their task now
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
