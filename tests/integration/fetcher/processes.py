"""Fetchers as processes of their own: to be killed, stopped, and looked at from outside."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.servers import HOST, Nsqd, eventually, free_port

ROOT = Path(__file__).parents[3]
HOSTILE = "tests.integration.fetcher.hostile"


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid: int) -> list[int]:
    """Process ids of its children."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(FileNotFoundError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


class FetcherProcess:
    """One fetcher. Its output goes to `log`."""

    def __init__(self, process: subprocess.Popen[bytes], ops_port: int, log: Path) -> None:
        self._process = process
        self._ops = f"http://{HOST}:{ops_port}"
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def ended(self, *, timeout_s: float = 60.0) -> int:
        """Waits for its end; returns its exit code."""
        await eventually(lambda: self._process.poll() is not None, timeout_s=timeout_s, what=f"its end\n{self.log}")
        assert self._process.returncode is not None
        return self._process.returncode

    async def is_ready(self) -> bool:
        """Whether /readyz says that it can do its work."""
        return await self._readiness() == 200

    async def is_not_ready(self) -> bool:
        """Whether /readyz says that it can't."""
        return await self._readiness() == 503

    async def _readiness(self) -> int:
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self._ops}/readyz") as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def metric(self, name: str, **labels: str) -> float:
        async with aiohttp.ClientSession() as http, http.get(f"{self._ops}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@asynccontextmanager
async def fetcher_process(
    nsqd: Nsqd, module: str = "services.fetcher", *arguments: str, ready: bool = True, **variables: str
) -> AsyncIterator[FetcherProcess]:
    """Runs a fetcher until the block ends, whatever becomes of it meanwhile."""
    ops_port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "WORDWATCH_NSQD": nsqd.tcp,
        "WORDWATCH_ALLOW_TARGETS": "127.0.0.0/8",
        "WORDWATCH_HOST_RATE_PER_S": "0",
        "WORDWATCH_OPS_PORT": str(ops_port),
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: ASYNC220 - a test may wait for a fork
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        fetcher = FetcherProcess(process, ops_port, log)
        try:
            if ready:
                await eventually(fetcher.is_ready, timeout_s=30, what="readiness")
            yield fetcher
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)
            print(fetcher.log[-6000:])  # shown when the test fails
