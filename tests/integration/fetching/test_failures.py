"""Every way not to get a page, against servers that really behave so."""

import asyncio
import gzip
import os
import random
import resource
import socket

import brotli  # type: ignore[import-untyped]
import pytest

from tests.integration.fetching.fetchers import PATIENCE_S, WAITED_FOR_S, failure, open_fetcher
from tests.integration.fetching.hazards import flood, stay
from tests.integration.pages import Request, Route, answer, page_server

NOISE = random.Random(1).randbytes(750_000).hex().encode()
KASADA = b"<script>window.KPSDK={}</script><script src='/1/ips.js?x'></script>"
TEXT = ("Python counts snakes. " * 500).encode()


async def _reset_at_once(request: Request) -> None:
    request.reset()


async def _hang_up(request: Request) -> None:
    pass


async def _silence(request: Request) -> None:
    await request.until_client_leaves()


async def _stop_in_the_middle(request: Request) -> None:
    await request.send(answer("half", content_length="100"))
    await request.until_client_leaves()


async def _drip(request: Request) -> None:
    await request.send(answer(content_length="100000"))
    while True:
        await request.send(b"a")
        await asyncio.sleep(0.02)


async def _drip_head(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await request.send(b"X-More: a\r\n")
        await asyncio.sleep(0.02)


async def _cut_short(request: Request) -> None:
    await request.send(answer("half", content_length="100"))


async def _cut_short_chunks(request: Request) -> None:
    await request.send(answer(content_length="", transfer_encoding="chunked") + b"4\r\nhalf\r\n")


async def _reset_short(request: Request) -> None:
    await request.send(answer("half", content_length="100"))
    await asyncio.sleep(0.05)  # a reset takes unread bytes with it
    request.reset()


async def _reset_without_length(request: Request) -> None:
    await request.send(answer("half", content_length=""))
    await asyncio.sleep(0.05)
    request.reset()


async def _gzip_without_length(request: Request) -> None:
    await request.send(answer(gzip.compress(TEXT)[:-20], content_encoding="gzip", content_length=""))


async def _bad_chunks(request: Request) -> None:
    await request.send(answer(content_length="", transfer_encoding="chunked") + b"4\r\nhalf\r\n")
    await asyncio.sleep(0.05)
    await request.send(b"nonsense\r\n")


async def _endless(request: Request) -> None:
    await request.send(answer(content_length=""))
    while True:
        await request.send(b"python " * 1000)


async def _half_of_a_gzip(request: Request) -> bytes:
    return answer(gzip.compress(TEXT)[:-20], content_encoding="gzip")


CASES: list[tuple[str, Route, str]] = [
    ("reset", _reset_at_once, "connect_failed"),
    ("hang up", _hang_up, "connect_failed"),
    ("silence", _silence, "read_timeout"),
    ("stop in the middle", _stop_in_the_middle, "read_timeout"),
    ("drip", _drip, "deadline_exceeded"),
    ("drip in the head", _drip_head, "deadline_exceeded"),
    ("cut short", _cut_short, "body_incomplete"),
    ("chunks cut short", _cut_short_chunks, "body_incomplete"),
    ("reset in the middle", _reset_short, "body_incomplete"),
    ("reset without a length", _reset_without_length, "body_incomplete"),
    ("gzip cut short without a length", _gzip_without_length, "body_incomplete"),
    ("bad chunks", _bad_chunks, "body_incomplete"),
    ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "http_error"),
    ("broken head", b"HTTP/1.1 200 OK\r\n broken\0\r\n\r\n", "http_error"),
    ("huge head", answer("a", x_more="x" * 40_000), "http_error"),
    ("endless", _endless, "too_large"),
    ("length announced", answer(content_length="1000001"), "too_large"),
    ("large when decoded", answer(gzip.compress(NOISE), content_encoding="gzip"), "too_large"),
    ("gzip bomb", answer(gzip.compress(bytes(10_000_000)), content_encoding="gzip"), "decompression_failed"),
    ("brotli bomb", answer(brotli.compress(bytes(10_000_000)), content_encoding="br"), "decompression_failed"),
    ("no gzip", answer("python", content_encoding="gzip"), "decompression_failed"),
    ("no deflate", answer("python", content_encoding="deflate"), "decompression_failed"),
    ("no brotli", answer("python", content_encoding="br"), "decompression_failed"),
    ("no zstd", answer("python", content_encoding="zstd"), "decompression_failed"),
    ("half of a gzip", _half_of_a_gzip, "decompression_failed"),
    ("unknown coding", answer("python", content_encoding="compress"), "decompression_failed"),
    ("empty", answer(""), "empty_body"),
    ("empty gzip", answer(gzip.compress(b""), content_encoding="gzip"), "empty_body"),
    ("nothing, called gzip", answer("", content_encoding="gzip"), "empty_body"),
    ("challenge", answer("Wait", cf_mitigated="challenge"), "blocked"),
    ("challenge page", answer("<script>window._cf_chl_opt = {}</script>"), "blocked"),
    ("challenge page under 503", answer("<script>window._cf_chl_opt = {}</script>", 503, retry_after="9"), "blocked"),
    ("compressed challenge under 429", answer(gzip.compress(KASADA), 429, content_encoding="gzip"), "blocked"),
    (
        "page with a widget under 503",
        answer("<script src='//challenges.cloudflare.com/x.js'></script>", 503),
        "http_error",
    ),
    ("503 and then silence", stay(answer("sorry", 503, content_length="100")), "http_error"),
    ("503 and an endless body", flood(answer(status=503, content_length=""), b"sorry " * 1000), "http_error"),
    ("429 and a broken body", answer("sorry", 429, content_encoding="gzip", retry_after="9"), "rate_limited"),
    ("Location missing", answer(status=302), "http_error"),
]


@pytest.mark.parametrize(("route", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_bad_servers(route: Route, code: str) -> None:
    deadline_s, read_s = WAITED_FOR_S.get(code, PATIENCE_S)
    async with (
        page_server({"/": route}) as pages,
        open_fetcher(deadline_s=deadline_s, read_timeout_s=read_s, max_bytes=1_000_000) as fetcher,
    ):
        error, trail = await failure(fetcher, pages.url())
        assert error.code == code, str(error)
        assert trail.final_url == pages.url()
        assert trail.address == "127.0.0.1"
        assert pages.connections == len(pages.requests) == 1
        # Who has sent the whole answer may be asked again over the same connection; who goes on is cut off.
        if code in {"read_timeout", "deadline_exceeded", "body_incomplete", "too_large"} and not isinstance(
            route, bytes
        ):
            async with asyncio.timeout(2):
                await pages.idle.wait()


@pytest.mark.parametrize(
    ("status", "headers", "code", "retried", "pause_s"),
    [
        (204, {}, "empty_body", False, None),
        (205, {}, "empty_body", False, None),
        (206, {}, "http_error", False, None),
        (300, {"location": "/b"}, "http_error", False, None),
        (304, {}, "http_error", False, None),
        (400, {}, "http_error", False, None),
        (401, {}, "blocked", False, None),
        (403, {}, "blocked", False, None),
        (404, {}, "http_error", False, None),
        (408, {}, "http_error", True, None),
        (410, {}, "http_error", False, None),
        (425, {}, "http_error", True, None),
        (429, {}, "rate_limited", True, None),
        (429, {"retry_after": "120"}, "rate_limited", True, 120),
        (429, {"retry_after": "86400"}, "rate_limited", True, 3600),
        (429, {"retry_after": "soon"}, "rate_limited", True, None),
        (451, {}, "blocked", False, None),
        (500, {}, "http_error", True, None),
        (502, {"retry_after": "120"}, "http_error", True, None),
        (503, {}, "http_error", True, None),
        (503, {"retry_after": "soon"}, "http_error", True, None),
        (503, {"retry_after": "120"}, "rate_limited", True, 120),
        (503, {"retry_after": "Thu, 01 Jan 2026 12:05:00 GMT"}, "rate_limited", True, 300),
        (503, {"cf_mitigated": "challenge", "retry_after": "9"}, "blocked", False, None),
        (599, {}, "http_error", True, None),
        (999, {}, "blocked", False, None),
        (429, {"retry_after": "-5"}, "rate_limited", True, None),
        (429, {"retry_after": "9" * 5000}, "rate_limited", True, 3600),
        (429, {"retry_after": "Wed, 31 Dec 2025 12:00:00 GMT"}, "rate_limited", True, 0),
    ],
)
async def test_statuses(status: int, headers: dict[str, str], code: str, retried: bool, pause_s: float | None) -> None:
    body = "" if status in {204, 205, 304} else "sorry"
    async with page_server({"/": answer(body, status, **headers)}) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == code
    assert error.retryable is retried
    assert error.retry_after_s == pause_s
    assert error.http_status == trail.http_status == status


async def test_an_image_is_not_downloaded() -> None:
    left = asyncio.Event()

    async def image(request: Request) -> None:
        await request.send(answer(b"\x89PNG", content_type="image/png", content_length="1000000"))
        await request.until_client_leaves()
        left.set()

    async with page_server({"/": image}) as pages, open_fetcher(read_timeout_s=5) as fetcher:
        error, trail = await failure(fetcher, pages.url())
        assert error.code == "unsupported_type"
        assert trail.content_type == "image/png"
        assert trail.bytes == 0
        async with asyncio.timeout(2):
            await left.wait()


async def test_refused() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but not listening
        async with open_fetcher() as fetcher:
            error, trail = await failure(fetcher, f"http://127.0.0.1:{nobody.getsockname()[1]}/")
    assert error.code == "connect_failed"
    assert error.retryable
    assert trail.http_status is None
    assert trail.address == "127.0.0.1"


async def test_no_connection_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # a full backlog lets further connections wait
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        try:
            async with open_fetcher(connect_timeout_s=0.2) as fetcher:
                error, _ = await failure(fetcher, f"http://127.0.0.1:{full.getsockname()[1]}/")
        finally:
            for filler in fillers:
                filler.close()
    assert error.code == "connect_timeout"


async def test_our_own_shortage_is_not_the_server_s_fault() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with page_server({"/": answer("python")}) as pages, open_fetcher() as fetcher:
        next_file = os.dup(0)
        os.close(next_file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_file, hard))
        try:
            error, _ = await failure(fetcher, pages.url())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert error.code == "internal"
        assert error.retryable
        assert (await fetcher.fetch(pages.url())).body == b"python"


async def test_a_broken_kept_alive_connection_is_not_tried_again_in_secret() -> None:
    async def reset_the_second(request: Request) -> bytes | None:
        if len(pages.requests) == 2:
            request.reset()
            return None
        return answer("python")

    async with page_server({"/": reset_the_second}) as pages, open_fetcher() as fetcher:
        await fetcher.fetch(pages.url())
        error, _ = await failure(fetcher, pages.url())
        assert error.code == "connect_failed"
        assert [request.connection for request in pages.requests] == [0, 0]
        await fetcher.fetch(pages.url())
        assert [request.connection for request in pages.requests] == [0, 0, 1]


async def test_an_address_that_is_none() -> None:
    async with open_fetcher() as fetcher:
        error, trail = await failure(fetcher, "ftp://example.org/")
    assert error.code == "invalid_url"
    assert "ftp" in error.detail
    assert trail.final_url is None
