"""A page server as fast as can be, in a process of its own: `python -m bench.pages PORT HOSTS [DELAY_MS]`.

It serves the same page at every address on 127.1.0.1, 127.1.0.2, … (so many hosts), and has no robots.txt. The page has
some 5 kB, with "python" three times where a reader sees it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import uvloop

COUNT = 3
_WORDS = "the quick brown fox jumps over the lazy dog and many a snake sleeps in the warm sand of the long river "
_PAGE = (
    "<!DOCTYPE html><html lang=en><title>A page</title><body><h1>Snakes</h1>"
    + "".join(f"<p>{_WORDS}{'python ' if n < COUNT else ''}no. {n}</p>" for n in range(40))
    + "</body></html>"
).encode()
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
_NONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def host(number: int) -> str:
    """The address of host `number`."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


class _Answers(asyncio.Protocol):
    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._wire: asyncio.Transport | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._wire is not None
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            answer = _NONE if head.startswith(b"GET /robots.txt") else _OK
            if self._delay_s and answer is _OK:
                asyncio.get_running_loop().call_later(self._delay_s, self._wire.write, answer)
            else:
                self._wire.write(answer)


async def _serve(port: int, hosts: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    for number in range(hosts):
        await loop.create_server(lambda: _Answers(delay_s), host(number), port, backlog=512)
    print("serving", flush=True)
    await asyncio.Event().wait()


@asynccontextmanager
async def serving(port: int, *, hosts: int, delay_ms: float = 0) -> AsyncIterator[None]:
    """Runs the server until the block ends."""
    command = [sys.executable, "-m", "bench.pages", str(port), str(hosts), str(delay_ms)]
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
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
