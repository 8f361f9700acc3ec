"""Answers that break the rules of HTTP, or bend them: raw bytes and routes that send them.

What comes out of each is said where it is tested; here stands only what the server does.
"""

from __future__ import annotations

import asyncio
import gzip

from tests.integration.pages import Request, Route, answer

PAGE = b"<p>python"
MIB = 1024 * 1024
OK = "HTTP/1.1 200 OK\nContent-Type: text/html\n"
CHUNKS = b"9\r\n<p>python\r\n0\r\n\r\n"


def raw(head: str, body: bytes = PAGE) -> bytes:
    """Spell out an answer line by line; characters up to U+00FF are bytes. The connection is kept."""
    return head.strip("\n").replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def last(data: bytes) -> Route:
    """Send this and end the connection."""

    async def send(request: Request) -> None:
        await request.send(data)

    return send


def stay(data: bytes) -> Route:
    """Send this, and then nothing more until the client leaves."""

    async def send(request: Request) -> None:
        await request.send(data)
        await request.until_client_leaves()

    return send


def parts(*data: bytes) -> Route:
    """Send each of these in a packet of its own, and end the connection."""

    async def send(request: Request) -> None:
        for part in data:
            await request.send(part)
            await asyncio.sleep(0.02)  # so that they are not read together

    return send


def flood(head: bytes, part: bytes, *, most: int = 64 * MIB, every_s: float = 0.0) -> Route:
    """Send a beginning, and then the same again and again; `most` bytes end it, should nobody hang up."""

    async def send(request: Request) -> None:
        await request.send(head)
        for _ in range(most // len(part)):
            await request.send(part)
            await asyncio.sleep(every_s)

    return send


def drip(head: bytes, part: bytes = b"a") -> Route:
    """Send a beginning, and then a byte now and then: never silent for long, and never done."""
    return flood(head, part, every_s=0.02)


def chunked(chunks: bytes, more: str = "") -> bytes:
    """Spell out an answer in chunks, which are given as they go over the wire."""
    return raw(f"{OK}Transfer-Encoding: chunked\n{more}", chunks)


def encoded(body: bytes, coding: str) -> bytes:
    return answer(body, content_encoding=coding)


async def half_close(request: Request) -> None:
    """End the own direction of the connection, and wait for the other."""
    await request.send(answer(PAGE, content_length=""))
    request.writer.write_eof()
    await request.until_client_leaves()


async def reset_after_end(request: Request) -> None:
    """End the connection in order in the middle of the body, and then reset it."""
    await request.send(answer(PAGE, content_length="100"))
    request.writer.write_eof()
    await asyncio.sleep(0.02)
    request.reset()


async def reads_nothing(request: Request) -> None:
    """Take nothing more from the client, and send nothing."""
    request.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(10)


def members(count: int, size: int) -> bytes:
    """Return a gzip stream of so many members with so many zeros each."""
    return gzip.compress(bytes(size)) * count
