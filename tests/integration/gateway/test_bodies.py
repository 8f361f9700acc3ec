"""Bodies that are read as they come, and how slow they may be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from services.gateway.batches.bodies import Pace, pieces
from services.gateway.middlewares import respond
from services.gateway.problems import Problem
from shared.web import serving
from tests.integration.gateway import raw
from tests.integration.servers import free_port

PACE = Pace(read_s=0.5, stall_s=1.0, stall_bytes=1_000)


@asynccontextmanager
async def counting() -> AsyncIterator[int]:
    """A server that answers how many bytes came; its port."""

    async def count(request: web.Request) -> web.Response:
        try:
            came = [len(piece) async for piece in pieces(request, max_bytes=10_000, pace=PACE)]
        except Problem as problem:
            return respond(problem)
        return web.Response(text=str(sum(came)))

    app = web.Application()
    app.router.add_post("/", count)
    port = free_port()
    runner, _ = await serving.serve(app, hosts=["127.0.0.1"], port=port, finish_within_s=1)
    try:
        yield port
    finally:
        await runner.cleanup()


async def test_what_comes_fast_enough_is_read() -> None:
    async with counting() as port:
        head = raw.request("POST", "/", Content_Length="5000")
        answer = await raw.ask(port, head, *[b"x" * 1_000] * 5)
        assert (answer.status, answer.body) == (200, b"5000")


@pytest.mark.parametrize("parts", [[], [b"x" * 100], [b"x"] * 14])
async def test_what_comes_too_slowly_is_given_up(parts: list[bytes]) -> None:
    async with counting() as port, asyncio.timeout(10):
        answer = await raw.ask(port, raw.request("POST", "/", Content_Length="9000"), *parts)
        assert answer.code == "request_timeout"


async def test_what_is_too_large_is_refused_by_its_length_or_as_it_comes() -> None:
    async with counting() as port:
        answer = await raw.ask(port, raw.request("POST", "/", Content_Length="10001"))
        assert answer.code == "body_too_large"
        chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
        answer = await raw.ask(port, raw.request("POST", "/", Transfer_Encoding="chunked") + chunk * 3)
        assert answer.code == "body_too_large"
