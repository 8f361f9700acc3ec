"""Bodies that are made to take memory or time: what they take is bounded, and others go on meanwhile."""

import asyncio
import gc
import gzip
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest

from services.fetcher.fetching.fetch import Fetcher
from tests.integration.fetching.fetchers import check_hazard, open_fetcher, outcome
from tests.integration.fetching.hazards import MIB, chunked, encoded, flood, members
from tests.integration.pages import Route, page_server

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOTHING = gzip.compress(b"")
BOMB = "decompression_failed"


def zeros(mib: int = 30) -> bytes:
    return bytes(mib * MIB)


def br(data: bytes) -> bytes:
    packed: bytes = brotli.compress(data, quality=5)
    return packed


def endless_gzip() -> Route:
    chunk = b"ffff\r\n%b\r\n" % (b"\x1f\x8b" * 32_767 + b"\0")
    return flood(chunked(b"", "Content-Encoding: gzip"), chunk)


# Made when they are needed: every process of a test run reads this module.
BOMBS: dict[str, tuple[Callable[[], Route], str]] = {
    "gzip": (lambda: encoded(gzip.compress(zeros()), "gzip"), BOMB),
    "deflate": (lambda: encoded(zlib.compress(zeros()), "deflate"), BOMB),
    "br": (lambda: encoded(br(zeros()), "br"), BOMB),
    "zstd": (lambda: encoded(zstd.compress(zeros()), "zstd"), BOMB),
    "many members": (lambda: encoded(members(300, 100_000), "gzip"), BOMB),
    "three times gzip": (
        lambda: encoded(gzip.compress(gzip.compress(gzip.compress(zeros()))), "gzip, gzip, gzip"),
        BOMB,
    ),
    "br in br": (lambda: encoded(br(br(zeros())), "br, br"), BOMB),
    "gzip in zstd": (lambda: encoded(zstd.compress(gzip.compress(zeros())), "gzip, zstd"), BOMB),
    "members of nothing": (lambda: encoded(NOTHING * 20_000, "gzip"), BOMB),
    "frames of nothing": (lambda: encoded(zstd.compress(b"") * 20_000, "zstd"), BOMB),
    "members of nothing in br": (lambda: encoded(br(NOTHING * 100_000), "gzip, br"), BOMB),
    "five codings": (lambda: encoded(NOTHING, "gzip, gzip, gzip, gzip, gzip"), BOMB),
    "a thousand codings": (lambda: encoded(NOTHING, "gzip, " * 1000), BOMB),
    "8-bit coding": (lambda: encoded(NOTHING, "\u00ff"), BOMB),
    "two codings in two headers": (
        lambda: encoded(gzip.compress(NOTHING), "gzip\r\nContent-Encoding: gzip"),
        "empty_body",
    ),
    "endless gzip": (endless_gzip, BOMB),
}


@pytest.mark.parametrize(("make", "code"), BOMBS.values(), ids=BOMBS)
async def test_bombs(make: Callable[[], Route], code: str) -> None:
    await check_hazard(make(), code)


async def longest_turn_s(fetcher: Fetcher, url: str) -> float:
    """Fetch, and return the processor time that the longest turn of the event loop took meanwhile, in seconds."""
    turns = [0.0]

    async def watch() -> None:
        while True:
            began_s = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - began_s)

    gc.disable()  # of all that a run of tests has in memory, a collection may take longer than what is looked for
    try:
        watcher = asyncio.create_task(watch())
        await outcome(fetcher, url)
        for _ in range(3):  # the last turn counts, too
            await asyncio.sleep(0)
        watcher.cancel()
    finally:
        gc.enable()
    return max(turns)


SLOW: dict[str, Callable[[], Route]] = {
    "tiny chunks": lambda: chunked(b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n"),
    "frames of nothing": lambda: encoded(zstd.compress(b"") * 30_000, "zstd"),
    "zeros in br": lambda: encoded(br(zeros(10)), "br"),
    "zeros in br in br": lambda: encoded(br(br(zeros(10))), "br, br"),
    "zeros in zstd in gzip": lambda: encoded(gzip.compress(zstd.compress(zeros(10))), "zstd, gzip"),
    "interim answers": lambda: flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000),
    "chunk extensions": lambda: flood(chunked(b""), b"1;%b\r\na\r\n" % (b"x" * 8000)),
}


@pytest.mark.parametrize("make", SLOW.values(), ids=SLOW)
async def test_nothing_holds_up_the_others(make: Callable[[], Route]) -> None:
    """Of the turns measured here none takes 20 ms of the processor, the server's part included."""
    async with page_server({"/": make()}) as pages, open_fetcher(max_bytes=10 * MIB) as fetcher:
        assert await longest_turn_s(fetcher, pages.url()) < 0.1


@pytest.mark.parametrize("name", ["gzip", "br in br", "endless gzip"])
async def test_memory_is_bounded(name: str) -> None:
    """A megabyte may come; what it takes on the way is some times that, whatever it wants to be."""
    async with page_server({"/": BOMBS[name][0]()}) as pages, open_fetcher(max_bytes=MIB) as fetcher:
        await outcome(fetcher, pages.url())  # what is made once is made
        tracemalloc.start()
        try:
            await outcome(fetcher, pages.url())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8 * MIB
