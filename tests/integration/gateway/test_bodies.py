"""Bodies that are read as they come, and how slow they may be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from services.gateway.batches.bodies import Pace, pieces
from services.gateway.batches.forms import read_form
from services.gateway.middlewares import respond
from services.gateway.problems import Problem
from shared.web import serving
from tests.integration.gateway import raw
from tests.integration.servers import free_port

PACE = Pace(read_s=0.5, stall_s=1.0, stall_bytes=1_000)
EVEN = Pace(read_s=5.0, stall_s=60.0, stall_bytes=1, grace_s=0.5, least_bytes_per_s=5_000)


@asynccontextmanager
async def counting(pace: Pace = PACE) -> AsyncIterator[int]:
    """A server that answers how many bytes came; its port."""

    async def count(request: web.Request) -> web.Response:
        try:
            came = [len(piece) async for piece in pieces(request, max_bytes=10_000, pace=pace)]
        except Problem as problem:
            return respond(problem)
        return web.Response(text=str(sum(came)))

    async with serving_post(count) as port:
        yield port


@asynccontextmanager
async def serving_post(handler: Handler) -> AsyncIterator[int]:
    """A server with one handler; its port."""
    app = web.Application(client_max_size=10**7)
    app.router.add_post("/", handler)
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


async def test_what_comes_slowly_all_the_time_is_given_up_before_its_end() -> None:
    async with counting(EVEN) as port, asyncio.timeout(10):
        answer = await raw.ask(port, raw.request("POST", "/", Content_Length="9000"), *[b"x" * 10] * 20)
        assert answer.code == "request_timeout"
        assert b"5,000 bytes a second" in answer.body


async def test_what_comes_fast_may_take_longer_the_larger_it_is() -> None:
    async with counting(EVEN) as port:
        answer = await raw.ask(port, raw.request("POST", "/", Content_Length="9000"), *[b"x" * 1_000] * 9)
        assert (answer.status, answer.body) == (200, b"9000")


async def test_what_is_too_large_is_refused_by_its_length_or_as_it_comes() -> None:
    async with counting() as port:
        answer = await raw.ask(port, raw.request("POST", "/", Content_Length="10001"))
        assert answer.code == "body_too_large"
        chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
        answer = await raw.ask(port, raw.request("POST", "/", Transfer_Encoding="chunked") + chunk * 3)
        assert answer.code == "body_too_large"


async def test_a_disk_that_is_full_is_no_fault_of_who_uploads() -> None:
    async def take(request: web.Request) -> web.Response:
        try:
            async with read_form(request, max_bytes=10**7, spool=lambda: Path("/dev/full").open("w+b")) as form:
                return web.Response(text=str(form.size_bytes))
        except Problem as problem:
            return respond(problem)

    async with serving_post(take) as port:
        for size in (1, 10**6):  # what does not fit shows at the end, or while it is written
            body = (
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + b"x" * size + b"\r\n--b--"
            )
            form = raw.request("POST", "/", body, Content_Type="multipart/form-data; boundary=b")
            answer = await raw.ask(port, form)
            assert (answer.status, answer.code) == (503, "upload_interrupted")
            assert "retry-after" in answer.headers
            assert b"disk" in answer.body
