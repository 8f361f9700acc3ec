"""Pages that arrive: what is sent, what comes back, what is kept."""

import asyncio
import gzip
import sys
import zlib

import brotli  # type: ignore[import-untyped]
import pytest

from services.fetcher.fetching.fetch import Trail
from tests.integration.fetching.fetchers import eventually, open_fetcher
from tests.integration.pages import Request, answer, page_server, redirect

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = ("Python counts snakes. " * 500).encode()


async def test_a_page() -> None:
    async with page_server({"/": answer("<p>python")}) as pages, open_fetcher() as fetcher:
        page = await fetcher.fetch(pages.url())
    assert page.body == b"<p>python"
    assert page.bytes == 9
    assert page.status == 200
    assert page.final_url == pages.url()
    assert page.redirects == ()
    assert page.address == "127.0.0.1"
    assert page.content_type == "text/html; charset=utf-8"
    assert set(page.timings_ms) == {"dns", "connect", "first_byte", "download"}


async def test_what_is_sent() -> None:
    async with page_server({"*": answer("x")}) as pages, open_fetcher() as fetcher:
        await fetcher.fetch(pages.url("/a/../%7e//b?x=%7e&y=+%2F|{}&z=é"))
    (request,) = pages.requests
    assert request.method == "GET"
    assert request.target == "/%7e//b?x=%7e&y=+%2F|{}&z=%C3%A9"
    assert request.headers["host"] == f"127.0.0.1:{pages.port}"
    assert request.headers["user-agent"] == "wordwatch-test"
    assert request.headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert not {"cookie", "authorization", "referer", "connection"} & set(request.headers)


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", _raw_deflate(TEXT)),
        ("br", brotli.compress(TEXT)),
        ("zstd", zstd.compress(TEXT)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT))),
        ("identity", TEXT),
        ("", TEXT),
    ],
    ids=["gzip", "x-gzip", "zlib", "raw deflate", "br", "zstd", "two", "identity", "none"],
)
async def test_content_codings(coding: str, packed: bytes) -> None:
    route = answer(packed, content_encoding=coding)
    async with page_server({"/": route}) as pages, open_fetcher() as fetcher:
        page = await fetcher.fetch(pages.url())
    assert page.body == TEXT
    assert page.bytes == len(TEXT)


@pytest.mark.parametrize("size", [1, 7, 65_536])
async def test_a_body_in_pieces(size: int) -> None:
    packed = gzip.compress(TEXT)

    async def in_pieces(request: Request) -> bytes:
        await request.send(answer(content_encoding="gzip", content_length="", transfer_encoding="chunked"))
        for start in range(0, len(packed), size):
            piece = packed[start : start + size]
            await request.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        return b"0\r\n\r\n"

    async with page_server({"/": in_pieces}) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).body == TEXT


async def test_a_body_that_ends_with_the_connection() -> None:
    async def old_server(request: Request) -> None:
        await request.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\npython")

    async with page_server({"/": old_server}) as pages, open_fetcher() as fetcher:
        page = await fetcher.fetch(pages.url())
    assert page.body == b"python"
    assert page.content_type == "text/plain"


async def test_a_body_without_a_type_is_downloaded() -> None:
    async with page_server({"/": answer("python", content_type="")}) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).content_type is None


async def test_large_headers_are_taken() -> None:
    route = answer("python", content_security_policy="x" * 20_000)
    async with page_server({"/": route}) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).body == b"python"


async def test_connections_are_used_again() -> None:
    async with page_server({"/": answer("a"), "/b": redirect("/")}) as pages, open_fetcher() as fetcher:
        for _ in range(3):
            await fetcher.fetch(pages.url())
        again = await fetcher.fetch(pages.url("/b"))
    assert pages.connections == 1
    assert len(pages.requests) == 5
    assert again.address == "127.0.0.1"
    assert "connect" not in again.timings_ms


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with page_server({"/": answer("a")}) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).body == b"a"


async def test_timings_say_where_the_time_went() -> None:
    async def slow(request: Request) -> bytes:
        await asyncio.sleep(0.06)
        await request.send(answer(content_length="1"))
        await asyncio.sleep(0.03)
        return b"a"

    async with page_server({"/": slow, "/via": redirect("/")}) as pages, open_fetcher() as fetcher:
        timings = (await fetcher.fetch(pages.url("/via"))).timings_ms
    assert timings["first_byte"] >= 55
    assert timings["download"] >= 25


async def test_cancelling_closes_the_connection() -> None:
    reached = asyncio.Event()
    left = asyncio.Event()

    async def endless(request: Request) -> None:
        await request.send(answer("begun", content_length="100"))
        reached.set()
        await request.until_client_leaves()
        left.set()

    trail = Trail()
    async with page_server({"/": endless}) as pages, open_fetcher() as fetcher:
        task = asyncio.create_task(fetcher.fetch(pages.url(), trail=trail))
        await reached.wait()
        await eventually(lambda: trail.bytes > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            await left.wait()
    assert trail.http_status == 200
    assert trail.address == "127.0.0.1"
