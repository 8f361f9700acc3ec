"""Bodies that break the rules: lengths, chunks, and how connections end."""

import gzip

import pytest

from tests.integration.fetching.fetchers import check_hazard, failure, open_fetcher
from tests.integration.fetching.hazards import (
    CHUNKS,
    MIB,
    OK,
    PAGE,
    chunked,
    drip,
    flood,
    half_close,
    last,
    parts,
    raw,
    reads_nothing,
    reset_after_end,
    stay,
)
from tests.integration.pages import Route, answer, page_server

CASES: dict[str, tuple[Route, bytes | str]] = {
    "length too long": (last(raw(f"{OK}Content-Length: 100")), "body_incomplete"),
    "length too short": (stay(raw(f"{OK}Content-Length: 4")), PAGE[:4]),
    "length too short, in two packets": (parts(raw(f"{OK}Content-Length: 4"), b"more"), PAGE[:4]),
    "negative length": (last(raw(f"{OK}Content-Length: -9")), "http_error"),
    "length with a plus": (last(raw(f"{OK}Content-Length: +9")), "http_error"),
    "length in words": (last(raw(f"{OK}Content-Length: nine")), "http_error"),
    "no length in the length": (last(raw(f"{OK}Content-Length:")), "http_error"),
    "length of 27 digits": (last(raw(f"{OK}Content-Length: {'9' * 27}")), "http_error"),
    "length of nine exabytes": (last(raw(f"{OK}Content-Length: 9223372036854775808")), "too_large"),
    "two lengths": (last(raw(f"{OK}Content-Length: 9\nContent-Length: 4")), "http_error"),
    "the same length twice": (last(raw(f"{OK}Content-Length: 9\nContent-Length: 9")), "http_error"),
    "length and chunks": (last(raw(f"{OK}Content-Length: 9\nTransfer-Encoding: chunked", CHUNKS)), "http_error"),
    "length 0": (raw(f"{OK}Content-Length: 0", b""), "empty_body"),
    "nothing and the end": (last(raw(OK, b"")), "empty_body"),
    "drip of a body": (drip(answer(content_length="100000")), "deadline_exceeded"),
    "endless body": (flood(raw(OK, b""), b"python " * 9999), "too_large"),
    "chunks": (chunked(CHUNKS), PAGE),
    "no chunks": (chunked(b"0\r\n\r\n"), "empty_body"),
    "chunks over HTTP/1.0": (last(raw("HTTP/1.0 200 OK\nTransfer-Encoding: chunked", CHUNKS)), PAGE),
    "chunked twice": (chunked(CHUNKS, "Transfer-Encoding: chunked"), PAGE),
    "gzip as transfer": (last(raw(f"{OK}Transfer-Encoding: gzip", gzip.compress(PAGE))), "decompression_failed"),
    "gzip under chunks": (last(raw(f"{OK}Transfer-Encoding: gzip, chunked", CHUNKS)), "decompression_failed"),
    "no last chunk": (last(chunked(b"9\r\n<p>python\r\n")), "body_incomplete"),
    "last chunk cut short": (last(chunked(b"9\r\n<p>python\r\n0\r\n")), "body_incomplete"),
    "chunk longer than it says": (last(chunked(b"4\r\n<p>python\r\n0\r\n\r\n")), "body_incomplete"),
    "chunk shorter than it says": (last(chunked(b"c\r\n<p>python\r\n0\r\n\r\n")), "body_incomplete"),
    "junk for a size": (last(chunked(b"xyz\r\n<p>python\r\n0\r\n\r\n")), "body_incomplete"),
    "negative size": (last(chunked(b"-9\r\n<p>python\r\n0\r\n\r\n")), "body_incomplete"),
    "size with 0x": (last(chunked(b"0x9\r\n<p>python\r\n0\r\n\r\n")), "body_incomplete"),
    "size of 18 digits": (last(chunked(b"f" * 18 + b"\r\n<p>python\r\n0\r\n\r\n")), "body_incomplete"),
    "bare line feeds": (last(chunked(b"9\n<p>python\n0\n\n")), "body_incomplete"),
    "drip of a size": (drip(chunked(b""), b"0"), "deadline_exceeded"),
    "chunk extension": (chunked(b'9;a=b;c="d;e"\r\n<p>python\r\n0\r\n\r\n'), PAGE),
    "long chunk extension": (chunked(b"9;a=%b\r\n<p>python\r\n0\r\n\r\n" % (b"x" * MIB)), PAGE),
    "endless chunk extension": (flood(chunked(b"9;"), b"a=b;" * 10_000), "too_large"),
    "endless chunk extensions": (flood(chunked(b""), b"1;%b\r\na\r\n" % (b"x" * 8000)), "too_large"),
    "trailers": (chunked(b"9\r\n<p>python\r\n0\r\nX-More: a\r\n\r\n"), PAGE),
    "endless trailers": (flood(chunked(b"9\r\n<p>python\r\n0\r\n"), b"X-More: a\r\n" * 1000), "body_incomplete"),
    "endless trailer": (flood(chunked(b"9\r\n<p>python\r\n0\r\nX-More: "), b"a" * 65_536), "body_incomplete"),
    "tiny chunks": (chunked(b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n"), b"a" * 50_000),
    "half close": (half_close, PAGE),
    "reset after the end": (reset_after_end, "body_incomplete"),
    "reads nothing": (reads_nothing, "read_timeout"),
}  # fmt: skip


@pytest.mark.parametrize(("route", "expected"), CASES.values(), ids=CASES)
async def test_framing(route: Route, expected: bytes | str) -> None:
    await check_hazard(route, expected)


@pytest.mark.parametrize("at", [1, 10, 60, 75, 90, 95, 105, 112])
async def test_how_it_is_cut_into_packets_makes_no_difference(at: int) -> None:
    """The same bytes are the same answer; aiohttp forgets one when the bytes after it in a packet are wrong."""
    whole = raw(f"{OK}Transfer-Encoding: chunked", b"9\r\n<p>python\r\nxyz\r\n")
    async with page_server({"/": parts(whole[:at], whole[at:])}) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert error.code == "body_incomplete"
    assert error.http_status == trail.http_status == 200
