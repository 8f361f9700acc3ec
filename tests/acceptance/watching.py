"""What trouble costs the services besides answers: processor time, lines of log, open files, readiness."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.acceptance.fleet import Fleet
from tests.acceptance.processes import Service

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY_S = 0.5
_OF_A_REQUEST = '"trace":"'
MOST_CPU = 0.3
"""Of a core, while people are at work."""
MOST_LINES_PER_S = 3.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One process at one time: seconds of processor time, lines of log about trouble, open files."""

    pid: int
    cpu_s: float
    lines: int
    files: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process used in `took_s` seconds: processor time, and lines of log."""

    took_s: float
    cpu_s: float
    lines: int

    @property
    def is_modest(self) -> bool:
        """Whether it neither spins nor floods its log; to notice and to recover may take something at once."""
        return self.cpu_s < 0.5 + MOST_CPU * self.took_s and self.lines < 40 + MOST_LINES_PER_S * self.took_s


def read(service: Service) -> Reading:
    """Reads all of it; what each request leaves in the log is no sign of trouble."""
    folder = Path(f"/proc/{service.pid}")
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    lines = [line for line in service.log.splitlines() if _OF_A_REQUEST not in line]
    return Reading(service.pid, cpu_s, len(lines), len(list((folder / "fd").iterdir())))


class Watch:
    """Watches all services while something is wrong.

    Attributes:
        missing: What each service's /readyz has named as missing at some time.
    """

    def __init__(self, stack: Fleet) -> None:
        self._stack = stack
        self._before = {service.name: read(service) for service in stack.services}
        self._began_s = time.monotonic()
        self.missing: dict[str, set[str]] = {}

    async def run(self) -> None:
        """Asks /healthz and /readyz of all until cancelled; a service that is not alive fails it."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                await asyncio.gather(*(self._ask(http, service) for service in self._stack.services))
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _ask(self, http: aiohttp.ClientSession, service: Service) -> None:
        async with http.get(f"{service.ops}/healthz") as answer:
            assert answer.status == 200, f"{service.name} is not alive"
        async with http.get(f"{service.ops}/readyz") as answer:
            parts = await answer.json()
            assert answer.status == (200 if parts.pop("ready") else 503)
        self.missing.setdefault(service.name, set()).update(name for name, there in parts.items() if not there)

    def costs(self) -> dict[str, Cost]:
        """What each service has used since the beginning."""
        took_s = time.monotonic() - self._began_s
        found = {}
        for service in self._stack.services:
            now, before = read(service), self._before[service.name]
            assert now.pid == before.pid
            found[service.name] = Cost(took_s, now.cpu_s - before.cpu_s, now.lines - before.lines)
        return found


def open_files(stack: Fleet) -> dict[str, int]:
    """How many files and sockets each service has open; fetchers apart, which keep connections to pages for a while."""
    return {service.name: read(service).files for service in stack.services if service.kind != "fetcher"}
