"""A server that answers as it is told to, request by request."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from services.cli.client import Client
from tests.integration.servers import HOST

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
_OVER = web.AppKey("over", asyncio.Event)


@dataclass
class Seen:
    """A request that came, and its body."""

    request: web.Request
    body: bytes


@dataclass
class Server:
    """Answers with each of `answers` in turn, and with the last one for ever."""

    answers: list[Answer]
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(Seen(request, await request.read()))
        return await self.answers[min(len(self.seen), len(self.answers)) - 1](request)


def problem(status: int, code: str, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        body = {
            "type": f"/docs/problems/{code}",
            "title": "T",
            "status": status,
            "detail": "D",
            "code": code,
            "errors": [],
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named, content_type="application/problem+json")

    return answer


def document(value: object, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(value, status=status)

    return answer


def text(value: str, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=value, status=status, content_type="text/html")

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    """Begins to answer, and then the connection breaks."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"half of it\n")
    assert request.transport is not None
    request.transport.abort()
    return answer


async def stay_silent(request: web.Request) -> web.StreamResponse:
    await request.app[_OVER].wait()
    return web.Response()


@asynccontextmanager
async def served(*answers: Answer) -> AsyncIterator[tuple[Server, Client]]:
    """A server, and a client of it."""
    server = Server(list(answers))
    app = web.Application(client_max_size=2**26)
    app[_OVER] = asyncio.Event()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        port = runner.addresses[0][1]
        server.url = f"http://{HOST}:{port}"
        async with aiohttp.ClientSession() as session:
            yield server, Client(session, server.url, rng=random.Random(7))
    finally:
        app[_OVER].set()
        await runner.cleanup()
