"""Heads of answers that break the rules: status lines, headers, and what comes before them."""

import asyncio

import pytest

from services.fetcher.fetching.fetch import Trail
from tests.integration.fetching.fetchers import check_hazard, eventually, failure, open_fetcher
from tests.integration.fetching.hazards import MIB, OK, PAGE, drip, flood, last, parts, raw, stay
from tests.integration.pages import Request, Route, answer, page_server


def headers(count: int, value: str) -> bytes:
    return raw(OK + "\n".join(f"X-{number}: {value}" for number in range(count)))


CASES: dict[str, tuple[Route, bytes | str]] = {
    "no reason": (last(raw("HTTP/1.1 200\nContent-Type: text/html")), PAGE),
    "status 000": (last(raw("HTTP/1.1 000 Nought")), "http_error"),
    "status 20": (last(raw("HTTP/1.1 20")), "http_error"),
    "status 99": (last(raw("HTTP/1.1 99 Low")), "http_error"),
    "status 600": (last(raw("HTTP/1.1 600 High")), "http_error"),
    "status 999": (last(raw("HTTP/1.1 999 Request denied")), "blocked"),
    "status 2000": (last(raw("HTTP/1.1 2000 OK")), "http_error"),
    "status in letters": (last(raw("HTTP/1.1 abc OK")), "http_error"),
    "HTTP/0.9": (last(PAGE), "http_error"),
    "HTTP/1.0": (last(raw("HTTP/1.0 200 OK\nContent-Type: text/html")), PAGE),
    "HTTP/1.0 kept alive": (raw("HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 9"), PAGE),
    "HTTP/2.0 in words": (last(raw("HTTP/2.0 200 OK\nContent-Type: text/html")), PAGE),
    "HTTP/2 in frames": (last(b"\0\0\x12\x04" + bytes(23)), "http_error"),
    "HTTP/3": (last(raw("HTTP/3 200 OK")), "http_error"),
    "Shoutcast": (last(raw("ICY 200 OK\nContent-Type: audio/mpeg")), "http_error"),
    "lower case": (last(raw("http/1.1 200 ok\ncontent-type: text/html")), "http_error"),
    "bare line feeds": (last(b"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 9\n\n" + PAGE), PAGE),
    "empty lines first": (last(b"\r\n\r\n" + answer(PAGE)), PAGE),
    "junk first": (last(b"junk\r\n" + answer(PAGE)), "http_error"),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(PAGE), PAGE),
    "102 and 103 first": (
        parts(
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r",
            b"\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r",
            b"\n" + PAGE,
        ),
        PAGE,
    ),
    "32 interim answers": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 32 + answer(PAGE), PAGE),
    "33 interim answers": (last(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 33 + answer(PAGE)), "http_error"),
    "endless interim answers": (flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "http_error"),
    "drip of interim answers": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "deadline_exceeded"),
    "101": (stay(raw("HTTP/1.1 101 Switching\nUpgrade: websocket\nConnection: Upgrade", b"\x81\5hello")), "http_error"),
    "101 without an upgrade": (stay(raw("HTTP/1.1 101 Switching Protocols", b"")), "http_error"),
    "101 and a flood": (
        flood(raw("HTTP/1.1 101 Switching\nUpgrade: h2c\nConnection: Upgrade", b""), b"x" * 65_536),
        "http_error",
    ),
    "204 with a body": (stay(raw("HTTP/1.1 204 No Content\nContent-Length: 9")), "empty_body"),
    "205": (raw("HTTP/1.1 205 Reset\nContent-Length: 0", b""), "empty_body"),
    "206": (raw("HTTP/1.1 206 Part\nContent-Range: bytes 0-8/99\nContent-Length: 9"), "http_error"),
    "304": (raw("HTTP/1.1 304 Not Modified\nContent-Length: 9", b""), "http_error"),
    "300 without a Location": (raw("HTTP/1.1 300 Choose\nContent-Length: 9"), "http_error"),
    "100 headers": (last(headers(100, "a")), PAGE),
    "10,000 headers": (last(headers(10_000, "a")), "http_error"),
    "a header of a megabyte": (last(raw(f"{OK}X-More: {'a' * MIB}")), "http_error"),
    "270,000 bytes of headers": (last(headers(9, "a" * 30_000)), "http_error"),
    "240,000 bytes of headers": (last(headers(8, "a" * 30_000)), PAGE),
    "endless header": (flood(b"HTTP/1.1 200 OK\r\nX-More: ", b"a" * 65_536), "http_error"),
    "endless name of a header": (flood(b"HTTP/1.1 200 OK\r\n", b"a" * 65_536), "http_error"),
    "endless headers": (flood(b"HTTP/1.1 200 OK\r\n", b"X-More: a\r\n" * 1000), "http_error"),
    "endless reason": (flood(b"HTTP/1.1 200 ", b"a" * 65_536), "http_error"),
    "drip in a header": (drip(b"HTTP/1.1 200 OK\r\nX-More: "), "deadline_exceeded"),
    "drip of headers": (drip(b"HTTP/1.1 200 OK\r\n", b"X-More: a\r\n"), "deadline_exceeded"),
    "8-bit value": (last(raw(f"{OK}X-More: \xe4\xff")), PAGE),
    "8-bit name": (last(raw(f"{OK}X-M\xf6re: a")), "http_error"),
    "NUL in a value": (last(raw(f"{OK}X-More: a\0b")), "http_error"),
    "NUL in a name": (last(raw(f"{OK}X-M\0re: a")), "http_error"),
    "carriage return in a value": (last(raw(f"{OK}X-More: a\rb")), "http_error"),
    "no colon": (last(raw(f"{OK}X-More")), "http_error"),
    "no name": (last(raw(f"{OK}: a")), "http_error"),
    "folded": (last(raw(f"{OK}X-More: a\n b")), PAGE),
    "many cookies": (last(raw(OK + "\n".join(f"Set-Cookie: c{number}={'x' * 999}" for number in range(110)))), PAGE),
    "several types": (last(raw(f"{OK}Content-Type: image/png")), "unsupported_type"),
    "a type and junk": (last(raw(f"{OK}Content-Type: junk")), PAGE),
    "types in a list": (last(raw("HTTP/1.1 200 OK\nContent-Type: text/html, text/html")), PAGE),
    "junk for a type": (last(raw("HTTP/1.1 200 OK\nContent-Type: ;;;\xff=;charset")), PAGE),
    "an empty type": (last(raw("HTTP/1.1 200 OK\nContent-Type:")), PAGE),
    "8-bit charset": (last(raw("HTTP/1.1 200 OK\nContent-Type: text/html; charset=\xff\xfe")), PAGE),
}  # fmt: skip


@pytest.mark.parametrize(("route", "expected"), CASES.values(), ids=CASES)
async def test_heads(route: Route, expected: bytes | str) -> None:
    await check_hazard(route, expected)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "breaks the rules of HTTP: Bad status line"),
        (raw("HTTP/1.1 000 Nought"), "breaks the rules of HTTP: status 0"),
        (headers(9, "a" * 30_000), "262144 bytes of headers"),
        (b"", "hung up without an answer"),
    ],
)
async def test_what_is_no_http_is_said_in_one_line_and_without_a_status(said: bytes, words: str) -> None:
    """aiohttp has statuses of its own for these; nobody has sent one."""
    async with page_server({"/": last(said)}) as pages, open_fetcher() as fetcher:
        error, trail = await failure(fetcher, pages.url())
    assert words in error.detail
    assert "400" not in error.detail
    assert "\n" not in error.detail
    assert error.http_status is None
    assert trail.http_status is None


async def test_a_wrong_type_is_seen_before_the_body_is_sent() -> None:
    sent = 0

    async def video(request: Request) -> None:
        nonlocal sent
        await request.send(answer(content_type="video/mp4", content_length="1000000000"))
        while True:
            await request.send(bytes(10_000))
            sent += 10_000
            await asyncio.sleep(0)

    async with page_server({"/": video}) as pages, open_fetcher() as fetcher:
        error, _ = await failure(fetcher, pages.url())
        assert error.code == "unsupported_type"
        async with asyncio.timeout(2):
            await pages.idle.wait()
    assert sent < 10 * MIB  # what fits into the buffers of both sides


async def test_an_answer_before_the_question() -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(PAGE))
        await writer.drain()
        await reader.read()

    async with page_server() as pages, open_fetcher() as fetcher:
        pages.talk = hasty
        assert (await fetcher.fetch(pages.url())).body == PAGE


async def test_what_comes_unasked_is_no_answer_to_the_next_question() -> None:
    """A server that sends two answers to one question would else put a page under another page's address."""
    more = asyncio.Event()

    async def twice(request: Request) -> None:
        await request.send(answer("first"))
        await more.wait()
        await request.send(answer("unasked"))
        await request.until_client_leaves()

    async with page_server({"/": twice, "/next": answer("next")}) as pages, open_fetcher() as fetcher:
        assert (await fetcher.fetch(pages.url())).body == b"first"
        more.set()
        await eventually(pages.idle.is_set, within_s=2)  # the client hangs up at once, not when it is done waiting
        assert (await fetcher.fetch(pages.url("/next"))).body == b"next"


@pytest.mark.parametrize("together", [True, False])
async def test_two_answers_to_one_question(together: bool) -> None:
    first, second = answer("first" * 100), answer("unasked")
    packets = [first + second] if together else [first[:300], first[300:] + second]
    async with (
        page_server({"/": parts(*packets), "/next": answer("next")}) as pages,
        open_fetcher() as fetcher,
    ):
        trail = Trail()
        assert (await fetcher.fetch(pages.url(), trail=trail)).body == b"first" * 100
        assert (await fetcher.fetch(pages.url("/next"))).body == b"next"
    assert pages.connections == 2


async def test_a_server_that_speaks_first_is_no_http_however_quickly_it_speaks() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await reader.read()

    async with page_server() as pages, open_fetcher() as fetcher:
        pages.talk = talk
        for _ in range(40):
            error, _ = await failure(fetcher, pages.url())
            assert (error.code, error.retryable) == ("http_error", False), str(error)
