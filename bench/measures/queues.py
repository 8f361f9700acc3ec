"""Jobs that do nothing, from publish over consume to FIN: `shared.nsq` alone, against Taskiq and Dramatiq on Redis."""

import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.peers import environment
from bench.processes import running
from bench.redis import redis
from bench.site import Site
from bench.table import Row, ratio
from tests.integration.servers import Nsqd

_WITHIN_S = 120


@dataclass(frozen=True, slots=True)
class Queue:
    """One way to have jobs done: how its worker is started, how jobs are sent, and how many of them in a round."""

    work: tuple[str, ...]
    send: tuple[str, ...]
    jobs: int

    async def jobs_per_s(self, env: Mapping[str, str], share: float) -> float:
        """From the first job that is sent until the last one is done, with one process for either side."""
        jobs = int(self.jobs * share)
        async with running(*self.work, env=env, merged=True) as worker:
            for count in (1, jobs):  # the first one says that the worker has started
                async with running(*self.send, str(count), env=env) as sender:
                    began_s = float(await sender.line("BEGAN", within_s=_WITHIN_S))
                    took_s = float(await worker.line("DONE", within_s=_WITHIN_S)) - began_s
            return jobs / took_s


def queues(nsqd: str, python: str) -> dict[str, Queue]:
    """All of them; `python` is the peers'."""
    ours = (sys.executable, "-m", "bench.peers.noop_ours")
    taskiq, dramatiq = "bench.peers.noop_taskiq", "bench.peers.noop_dramatiq"
    return {
        "ours": Queue((*ours, "work", nsqd), (*ours, "send", nsqd), 40_000),
        "Taskiq": Queue(
            (python, "-m", "taskiq", "worker", "--workers", "1", f"{taskiq}:broker"), (python, "-m", taskiq), 6_000
        ),
        "Dramatiq": Queue((python, "-m", "dramatiq", dramatiq, "-p", "1", "-t", "8"), (python, "-m", dramatiq), 6_000),
    }


async def measure(_site: Site, rounds: int, share: float) -> list[Row]:
    """A B C A B C."""
    python = environment.python()
    found: dict[str, list[float]] = {}
    async with Nsqd() as nsqd, redis() as url:
        env = {"PEER_REDIS": url, "PATH": f"{Path(python).parent}:{os.environ['PATH']}"}
        for _ in range(rounds):
            for name, queue in queues(nsqd.tcp, str(python)).items():
                found.setdefault(name, []).append(await queue.jobs_per_s(env, share))
    best = max(found.keys() - {"ours"}, key=lambda name: statistics.median(found[name]))
    value = ratio(found["ours"], found[best])
    shown = f"{value:.1f}× ({found['ours'][-1]:.0f} against {best}'s {found[best][-1]:.0f})"
    return [Row("no-op jobs a second on shared.nsq, against the faster of Taskiq and Dramatiq", value, shown, 3, 5)]
