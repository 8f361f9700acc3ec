"""What a page costs each part of the system: `python -m bench.costs [PAGES]`.

One batch over the pages of nginx, two fetchers, all limits on. Prints for a page the processor time of each kind of
process, what PostgreSQL writes to its log (WAL) and keeps in tables and indices, and what goes through nsqd.
"""

import asyncio
import sys

import aiohttp

from bench import site, stack
from bench.processes import cpu_s
from tests.acceptance.fleet import Fleet

PAGES = 10_000
_WAL = "SELECT pg_current_wal_lsn() - '0/0'"
_SIZES = """
SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""


def processes(fleet: Fleet) -> dict[str, list[int]]:
    """Process ids by kind."""
    return {
        "fetchers": [each.pid for each in fleet.fetchers],
        "recorder": [each.pid for each in fleet.recorders],
        "scheduler": [each.pid for each in fleet.schedulers],
        "gateway": [each.pid for each in fleet.gateways],
        "nsqd": [each.pid for each in fleet.nsqds],
        "PostgreSQL": [fleet.postgres.pid],
    }


async def messages(fleet: Fleet) -> tuple[int, int]:
    """How many messages nsqd has been given so far, and their bytes."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{fleet.nsqds[0].http}/stats?format=json") as answer,
    ):
        topics = (await answer.json())["topics"]
    return sum(each["message_count"] for each in topics), sum(each["message_bytes"] for each in topics)


async def measure(pages: int) -> None:
    """One batch, and what it took."""
    async with site.nginx() as where, stack.running(where, fetchers=2) as stack_:
        fleet = stack_.fleet
        ask = fleet.postgres.ask
        cpu = {name: cpu_s(pids) for name, pids in processes(fleet).items()}
        wal, size, sent = await ask(_WAL), await ask(_SIZES), await messages(fleet)
        took = await stack_.batch(pages)
        print(f"{took.pages_per_s:.0f} pages/s")
        for name, pids in processes(fleet).items():
            print(f"{name:>12}: {(cpu_s(pids) - cpu[name]) / pages * 1000:.3f} ms of a processor for a page")
        print(f"         WAL: {float(await ask(_WAL) - wal) / pages:.0f} bytes")
        print(f"   on a disk: {(await ask(_SIZES) - size) / pages:.0f} bytes, indices included")
        count, size_sent = await messages(fleet)
        print(f"        nsqd: {(count - sent[0]) / pages:.2f} messages, {(size_sent - sent[1]) / pages:.0f} bytes")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else PAGES))
