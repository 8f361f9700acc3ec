"""The programs that a fleet is made of: each keeps its ports and settings over restarts, and ends with the test."""

import asyncio
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from deploy.local.postgres import copy_binaries
from tests.integration.postgres import SUPERUSER, Owner, find_binaries
from tests.integration.servers import HOST, eventually, free_port

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 40.0
# Reads until our end of the pipe closes, for whatever reason. $0: process id.
_GUARDIAN = 'read -r _; kill -9 "$0"'
POSTGRES_SETTINGS = {
    "listen_addresses": HOST,
    "fsync": "off",  # a killed process loses nothing by it; what the disk does in a power cut is not tried here
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}


class Process:
    """One program of ours on this machine; it stays the same `Process` over restarts."""

    def __init__(self, name: str, command: Sequence[str | Path], environ: dict[str, str], log: Path) -> None:
        self.name = name
        self.environ = environ
        self.log_path = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: subprocess.Popen[bytes] | None = None
        self._popen: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """How it ended by itself; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    async def start(self) -> None:
        """Starts it and waits until it is ready."""
        self.launch()
        await eventually(self._is_ready, timeout_s=READY_WITHIN_S, what=f"{self.name} is ready")

    def launch(self) -> None:
        """Starts it and waits for nothing."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._popen,
            )
        self._guardian = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDIAN, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    async def _is_ready(self) -> bool:
        assert self.is_running, f"{self.name} ended:\n{self.log[-4000:]}"
        return await self.answers()

    async def answers(self) -> bool:
        raise NotImplementedError

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        process, guardian = self._process, self._guardian
        if process is None or guardian is None:
            return 0
        assert guardian.stdin is not None
        if how is signal.SIGKILL:
            self.signal(signal.SIGKILL)
        else:
            self.signal(signal.SIGCONT)
            self.signal(how)
        code = await asyncio.to_thread(process.wait, STOP_WITHIN_S)
        guardian.kill()
        guardian.stdin.close()
        await asyncio.to_thread(guardian.wait)
        self._process = self._guardian = None
        return code

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """SIGSTOP."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)


class Service(Process):
    """`python -m services.<kind>`, with an ops port of its own that stays the same."""

    def __init__(
        self, kind: str, number: int, environ: dict[str, str], folder: Path, module: str, *arguments: str
    ) -> None:
        self.kind = kind
        self.ops_port = free_port()
        super().__init__(
            f"{kind}-{number}",
            [sys.executable, "-m", module, *arguments],
            environ | {"WORDWATCH_OPS_PORT": str(self.ops_port)},
            folder / f"{kind}-{number}.log",
        )

    @property
    def ops(self) -> str:
        return f"http://{HOST}:{self.ops_port}"

    async def answers(self) -> bool:
        """Whether /readyz says that it can do its work."""
        try:
            timeout = aiohttp.ClientTimeout(total=2)
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{self.ops}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def metric(self, name: str) -> float:
        """The sum of all samples of a metric."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.ops}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        found = [line for line in lines if line.partition(" ")[0].partition("{")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in found)


class Gateway(Service):
    """A gateway; `url` is its address."""

    def __init__(self, number: int, environ: dict[str, str], folder: Path) -> None:
        self.port = free_port()
        super().__init__("gateway", number, environ | {"WORDWATCH_PORT": str(self.port)}, folder, "services.gateway")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class Postgres(Process):
    """A PostgreSQL server of one's own, which survives SIGKILL (unlike the one that other tests share)."""

    def __init__(
        self,
        folder: Path,
        data: Path | None = None,
        *,
        password: str = "",
        settings: Mapping[str, str] = POSTGRES_SETTINGS,
    ) -> None:
        self.port = free_port()
        self._password = password  # of no use to a server that trusts everybody, but it stands in the URL
        self._binaries, self._owner = find_binaries(), Owner.choose()
        if not self._owner.may_run(self._binaries):  # a virtual environment under a closed home directory
            self._binaries = copy_binaries(self._binaries, folder)
        self._data = data or folder / "data"
        options = [f"-c{name}={value}" for name, value in {**settings, "port": str(self.port)}.items()]
        super().__init__(
            "postgres",
            [self._binaries / "postgres", "-D", self._data, f"-cunix_socket_directories={folder}", *options],
            {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            folder / "postgres.log",
        )
        self._popen = self._owner.popen_arguments()

    @property
    def url(self) -> str:
        return f"postgres://{SUPERUSER}{self._password and ':'}{self._password}@{HOST}:{self.port}/postgres"

    async def prepare(self) -> None:
        """Makes the cluster, starts it, and migrates."""
        options = ["--no-sync", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", f"--username={SUPERUSER}"]
        await _run([self._binaries / "initdb", "-D", self._data, *options], **self._popen)
        await self.start()
        environ = {"PATH": os.environ["PATH"], "WORDWATCH_DATABASE_URL": self.url}
        await _run([sys.executable, "-m", "shared.db.migrate"], env=environ, cwd=ROOT)

    async def answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url, timeout=2)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    async def start(self) -> None:
        """Starts it; what is left of a killed one may hold its memory for a moment, so that it is tried again."""
        for _ in range(20):
            self.launch()
            await eventually(self._ended_or_answers, timeout_s=READY_WITHIN_S, what="PostgreSQL answers")
            if self.is_running:
                return
            await self._end(signal.SIGKILL)
            await asyncio.sleep(0.1)
        raise AssertionError(f"PostgreSQL does not start:\n{self.log[-4000:]}")

    async def _ended_or_answers(self) -> bool:
        return not self.is_running or await self.answers()

    def freeze(self) -> None:
        """SIGSTOP to the server and each of its processes."""
        for pid in [self.pid, *self._children()]:
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to all of them."""
        for pid in [*self._children(), self.pid]:
            _signal(pid, signal.SIGCONT)

    async def terminate(self) -> int:
        """Ends it in order, whoever is connected (fast shutdown)."""
        return await self._end(signal.SIGINT)

    def _children(self) -> list[int]:
        return [
            int(child)
            for task in Path(f"/proc/{self.pid}/task").glob("*")
            for child in (task / "children").read_text().split()
        ]

    async def ask(self, sql: str, *arguments: object) -> Any:
        """Asks for one value, as superuser."""
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            return await connection.fetchval(sql, *arguments)
        finally:
            await connection.close()


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def _run(command: Sequence[str | Path], **options: Any) -> None:
    run = functools.partial(subprocess.run, capture_output=True, text=True, check=False, timeout=60, **options)
    done: subprocess.CompletedProcess[str] = await asyncio.to_thread(run, command)
    assert done.returncode == 0, done.stdout + done.stderr
