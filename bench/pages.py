"""A page server as fast as can be, in a process of its own: `python -m bench.pages PORT HOSTS DELAY_MS KIND`.

It serves pages on 127.1.0.1, 127.1.0.2, … (so many hosts), and has no robots.txt. They are of one kind: `page`, the
same at every address, of 5 kB; `small`, the same with 2 kB; or `site`, those of `bench.content`, gzipped. On the
first two "python" stands three times where a reader sees it.
"""

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, cast

import uvloop

from bench import content

Kind = Literal["page", "small", "site"]
COUNT = 3
_WORDS = "the quick brown fox jumps over the lazy dog and many a snake sleeps in the warm sand of the long river "
_PARAGRAPHS: dict[Kind, int] = {"page": 40, "small": 15}
_NONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def host(number: int) -> str:
    """The address of host `number`."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def _page(paragraphs: int) -> bytes:
    text = "".join(f"<p>{_WORDS}{'python ' if n < COUNT else ''}no. {n}</p>" for n in range(paragraphs))
    return f"<!DOCTYPE html><html lang=en><title>A page</title><body><h1>Snakes</h1>{text}</body></html>".encode()


def _answer(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answers(kind: Kind) -> list[bytes]:
    """What is answered to a question for `/0.html`, `/1.html`, …, or to any other if it is one."""
    if kind == "site":
        return [_answer(gzip.compress(page, 6, mtime=0), "Content-Encoding: gzip") for page in content.pages()]
    return [_answer(_page(_PARAGRAPHS[kind]))]


class _Answers(asyncio.Protocol):
    def __init__(self, delay_s: float, pages: list[bytes]) -> None:
        self._delay_s = delay_s
        self._pages = pages
        self._wire: asyncio.Transport | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._wire is not None
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            answer = _NONE if head.startswith(b"GET /robots.txt") else self._page(head)
            if self._delay_s and answer is not _NONE:
                asyncio.get_running_loop().call_later(self._delay_s, self._wire.write, answer)
            else:
                self._wire.write(answer)

    def _page(self, head: bytes) -> bytes:
        if len(self._pages) == 1:
            return self._pages[0]
        return self._pages[int(head[len("GET /") : head.index(b".html")])]


async def _serve(port: int, hosts: int, delay_s: float, kind: Kind) -> None:
    loop, pages = asyncio.get_running_loop(), answers(kind)
    for number in range(hosts):
        await loop.create_server(lambda: _Answers(delay_s, pages), host(number), port, backlog=512)
    print("serving", flush=True)
    await asyncio.Event().wait()


@asynccontextmanager
async def serving(port: int, *, hosts: int, delay_ms: float = 0, kind: Kind = "page") -> AsyncIterator[None]:
    """Runs the server until the block ends."""
    command = [sys.executable, "-m", "bench.pages", str(port), str(hosts), str(delay_ms), kind]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[1]
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"serving\n"
        yield
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000, cast(Kind, sys.argv[4])))
