"""Pages a second end to end, and processor time of a page: two fetchers against Celery, two processes."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from bench import stack
from bench.peers import environment
from bench.processes import Program, cpu_s, running
from bench.redis import redis
from bench.site import Site
from bench.stack import Took
from bench.table import Row, ratio
from tests.acceptance.fleet import Fleet
from tests.integration.servers import eventually

OURS, THEIRS = 4_000, 1_000
_PROCESSES = 2
_WITHIN_S = 600


class Peer:
    """Workers, their writer, and what tells them what to do."""

    def __init__(self, site: Site, env: dict[str, str], programs: list[Program], database: str) -> None:
        self._site = site
        self._env = env
        self._programs = programs
        self._database = database
        self._runs = 0

    async def batch(self, pages: int, folder: Path) -> Took:
        """Counts so many pages: from the first task that is sent until the last row is there."""
        self._runs += 1
        file = folder / f"theirs{self._runs}.txt"
        file.write_text("\n".join(self._site.urls(pages, run=f"theirs{self._runs}")))
        connection = await asyncpg.connect(self._database)
        before = await connection.fetchval("SELECT count(*) FROM peer_results")
        pids = [each.pid for each in self._programs]
        cpu, began = cpu_s(pids), datetime.now(UTC)
        command = [str(environment.python()), "-m", "bench.peers.celery_send", str(file), "python", str(before)]
        async with running(*command, env=self._env, quiet=False) as sender:
            sent_cpu_s = float(await sender.line("CPU ", within_s=_WITHIN_S))

        async def written() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM peer_results") >= before + pages)

        await eventually(written, timeout_s=_WITHIN_S, what="all rows of the peer", every_s=stack.LOOK_EVERY_S)
        ended: datetime = await connection.fetchval("SELECT max(at) FROM peer_results")
        wall_s = (ended - began).total_seconds()
        await connection.close()
        return Took(pages, wall_s, cpu_s(pids) - cpu + sent_cpu_s, 0.0)


@asynccontextmanager
async def peer(fleet: Fleet, site: Site) -> AsyncIterator[Peer]:
    """The peer, on the database and the nsqd of a stack that has nothing to do meanwhile."""
    python = str(environment.python())
    async with AsyncExitStack() as open_:
        env = {
            "PEER_REDIS": await open_.enter_async_context(redis()),
            "PEER_NSQD": fleet.nsqds[0].http,
            "PEER_NSQD_TCP": fleet.nsqds[0].tcp,
            "PEER_DATABASE": fleet.postgres.url,
            "PATH": os.environ["PATH"],
        }
        writer = await open_.enter_async_context(
            running(python, "-m", "bench.peers.celery_writer", env=env, quiet=False)
        )
        await writer.line("ready", within_s=30)
        command = ["-m", "celery", "-A", "bench.peers.celery_app", "worker", "--concurrency", str(_PROCESSES)]
        options = ["--pool", "prefork", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]
        workers = await open_.enter_async_context(running(python, *command, *options, env=env))
        yield Peer(site, env, [workers, writer], fleet.postgres.url)


async def measure(site: Site, rounds: int, share: float) -> list[Row]:
    """A B A B, on the same servers."""
    ours, theirs = [], []
    async with stack.running(site, fetchers=2) as ours_, peer(ours_.fleet, site) as theirs_:
        await theirs_.batch(100, ours_.fleet.folder)  # warm
        for _ in range(rounds):
            ours.append(await ours_.batch(int(OURS * share)))
            theirs.append(await theirs_.batch(int(THEIRS * share), ours_.fleet.folder))
    rate = ratio([each.pages_per_s for each in ours], [each.pages_per_s for each in theirs])
    cost = ratio([each.python_ms for each in theirs], [each.python_ms for each in ours])
    fast, slow = ours[-1], theirs[-1]
    return [
        Row(
            "pages/s end to end, 2 fetchers, against Celery prefork 2",
            rate,
            f"{rate:.1f}× ({fast.pages_per_s:.0f} against {slow.pages_per_s:.0f})",
            8,
            12,
        ),
        Row(
            "processor time of 1,000 pages, all Python processes, Celery's against ours",
            cost,
            f"{cost:.1f}× ({slow.python_ms:.2f} s against {fast.python_ms:.2f} s)",
            8,
            12,
        ),
    ]
