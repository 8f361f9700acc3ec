"""A batch of a million lines: `python -m bench.million [LINES] [HOSTS]`.

Prints the time until the 202, until all lines have their checks, and the peak memory of each service so far. Nothing is
fetched: the fetcher takes nothing in hand but the first few, as its pages never answer.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import aiohttp

from bench.figures import peak_mb
from bench.lanes import POSTGRES
from tests.acceptance.fleet import Fleet, fleet
from tests.integration.servers import eventually

_PIECE = 1_000


async def lines(count: int, hosts: int) -> AsyncIterator[bytes]:
    """CSV with a header: so many pages of so many hosts, a fiftieth of them twice."""
    yield b"url,words,label\r\n"
    for start in range(0, count, _PIECE):
        numbers = (n - 1 if n % 50 == 49 else n for n in range(start, min(start + _PIECE, count)))
        yield b"".join(
            b"https://host-%d.invalid/pages/%d?from=list,,row %d\r\n" % (n % hosts, n, n % 7) for n in numbers
        )


def memory(stack: Fleet) -> str:
    """The peak of each service."""
    return ", ".join(
        f"{service.name} {peak_mb(service.pid):.0f} MB" for service in stack.services if service.is_running
    )


async def measure(count: int, hosts: int) -> None:
    """Uploads, waits, and tells."""
    async with fleet(fetchers=1, postgres_settings=POSTGRES, log_level="warning") as stack:
        await stack.fetchers[0].terminate()  # what is measured is how the lines come in

        async def quiet() -> bool:
            await asyncio.sleep(0.2)
            return not await stack.postgres.ask("SELECT count(*) FROM jobs WHERE finished_at IS NULL")

        timeout = aiohttp.ClientTimeout(total=600)
        async with aiohttp.ClientSession(stack.gateways[0].url, timeout=timeout) as api:
            began_s = time.monotonic()
            headers = {"Content-Type": "text/csv"}
            async with api.post("/api/v1/batches", data=lines(count, hosts), headers=headers) as answer:
                body = await answer.json()
                assert answer.status == 202, body
            print(f"202 after {time.monotonic() - began_s:.1f} s: {body}", flush=True)
            await eventually(quiet, timeout_s=600, what="all lines have their checks")
            print(f"all checks there after {time.monotonic() - began_s:.1f} s", flush=True)
            queued = await stack.postgres.ask("SELECT count(*) FROM queue")
            assert queued == body["queued"], queued
            began_s, size = time.monotonic(), 0
            async with api.get(f"/api/v1/batches/{body['id']}/export", params={"format": "csv"}) as answer:
                async for piece in answer.content.iter_any():
                    size += len(piece)
            print(f"export: {size / 1e6:.0f} MB in {time.monotonic() - began_s:.1f} s", flush=True)
            began_s = time.monotonic()
            async with api.post(f"/api/v1/batches/{body['id']}/cancel") as answer:
                assert answer.status == 200, await answer.text()
            await eventually(quiet, timeout_s=600, what="all checks are cancelled")
            print(f"cancelled in {time.monotonic() - began_s:.1f} s", flush=True)
        print(f"peak memory: {memory(stack)}; {sys.argv[0]} {count} {hosts}")


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(measure(*(arguments + [1_000_000, 10_000][len(arguments) :])))
