"""A batch of a million lines: `python -m bench.million [LINES] [HOSTS]`.

Prints the time until the 202, until all lines have their checks, and the peak memory of each service so far. Nothing is
fetched: the fetcher takes nothing in hand but the first few, as its pages never answer.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bench.figures import memory
from bench.stack import POSTGRES
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.servers import eventually

_PIECE = 1_000
_WITHIN_S = 600


async def lines(count: int, hosts: int) -> AsyncIterator[bytes]:
    """CSV with a header: so many pages of so many hosts, a fiftieth of them twice."""
    yield b"url,words,label\r\n"
    for start in range(0, count, _PIECE):
        numbers = (n - 1 if n % 50 == 49 else n for n in range(start, min(start + _PIECE, count)))
        yield b"".join(
            b"https://host-%d.invalid/pages/%d?from=list,,row %d\r\n" % (n % hosts, n, n % 7) for n in numbers
        )


@asynccontextmanager
async def without_fetchers(*, audited: bool = True) -> AsyncIterator[Fleet]:
    """A stack that takes batches; what is measured is how their lines come in."""
    async with fleet(fetchers=1, postgres_settings=POSTGRES, log_level="warning", audited=audited) as stack:
        await stack.fetchers[0].terminate()
        yield stack


async def accepted(stack: Fleet, count: int, hosts: int) -> tuple[float, dict[str, Any]]:
    """Uploads a batch: seconds until its 202, and what that says."""
    began_s, headers = time.monotonic(), {"Content-Type": "text/csv"}
    timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
    async with stack.api.post("/api/v1/batches", data=lines(count, hosts), headers=headers, timeout=timeout) as answer:
        body = await answer.json()
        assert answer.status == 202, body
    return time.monotonic() - began_s, body


async def filed(stack: Fleet) -> None:
    """Waits until no job is under way: all lines have their checks, or have lost them again."""

    async def quiet() -> bool:
        await asyncio.sleep(0.2)
        return not await stack.postgres.ask("SELECT count(*) FROM jobs WHERE finished_at IS NULL")

    await eventually(quiet, timeout_s=_WITHIN_S, what="no job under way")


async def measure(count: int, hosts: int) -> None:
    """Uploads, waits, and tells."""
    async with without_fetchers() as stack:
        began_s = time.monotonic()
        took_s, body = await accepted(stack, count, hosts)
        print(f"202 after {took_s:.1f} s: {body}", flush=True)
        await filed(stack)
        print(f"all checks there after {time.monotonic() - began_s:.1f} s", flush=True)
        queued = await stack.postgres.ask("SELECT count(*) FROM queue")
        assert queued == body["queued"], queued
        began_s, size = time.monotonic(), 0
        async with stack.api.get(f"/api/v1/batches/{body['id']}/export", params={"format": "csv"}) as answer:
            async for piece in answer.content.iter_any():
                size += len(piece)
        print(f"export: {size / 1e6:.0f} MB in {time.monotonic() - began_s:.1f} s", flush=True)
        began_s = time.monotonic()
        async with stack.api.post(f"/api/v1/batches/{body['id']}/cancel") as answer:
            assert answer.status == 200, await answer.text()
        await filed(stack)
        print(f"cancelled in {time.monotonic() - began_s:.1f} s", flush=True)
        print(f"peak memory: {memory(stack.services)}; {sys.argv[0]} {count} {hosts}")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(measure(*(arguments + [1_000_000, 10_000][len(arguments) :])))
