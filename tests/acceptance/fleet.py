"""Every process of wordwatch, as many of each as a test asks for, each to be killed, frozen and started by itself.

    async with fleet(gateways=2, recorders=2, fetchers=3, nsqds=2, lookupds=2) as stack:
        ...                                  # stack.api: an HTTP session for the first gateway
        await stack.recorders[0].kill()
        await stack.recorders[0].start()     # the same ports and settings; returns when it is ready

Nothing restarts by itself. All of it ends with the test, also when the test is killed.
"""

import asyncio
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from deploy.local.postgres import copy_binaries
from tests.integration.postgres import SUPERUSER, Owner, find_binaries
from tests.integration.servers import HOST, Nsqd, Nsqlookupd, eventually, free_port

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 40.0
# Reads until our end of the pipe closes, for whatever reason. $0: process id.
_GUARDIAN = 'read -r _; kill -9 "$0"'
_POSTGRES = {
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
        self, folder: Path, data: Path | None = None, *, password: str = "", settings: Mapping[str, str] = _POSTGRES
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


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wordwatch-fleet-"))
    folder.chmod(0o777)  # PostgreSQL runs as somebody else where we are root
    return folder


async def _run(command: Sequence[str | Path], **options: Any) -> None:
    run = functools.partial(subprocess.run, capture_output=True, text=True, check=False, timeout=60, **options)
    done: subprocess.CompletedProcess[str] = await asyncio.to_thread(run, command)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Fleet:
    """All that runs. `api` is a session for the first gateway."""

    folder: Path
    environ: dict[str, str]
    postgres: Postgres
    lookupds: list[Nsqlookupd] = field(default_factory=list)
    nsqds: list[Nsqd] = field(default_factory=list)
    gateways: list[Gateway] = field(default_factory=list)
    recorders: list[Service] = field(default_factory=list)
    schedulers: list[Service] = field(default_factory=list)
    fetchers: list[Service] = field(default_factory=list)

    @property
    def services(self) -> list[Service]:
        return [*self.recorders, *self.schedulers, *self.fetchers, *self.gateways]

    @property
    def api(self) -> aiohttp.ClientSession:
        return self._sessions[0]

    def session(self, number: int) -> aiohttp.ClientSession:
        """A session for one gateway."""
        return self._sessions[number]

    def __post_init__(self) -> None:
        self._sessions: list[aiohttp.ClientSession] = []

    def open_sessions(self) -> list[aiohttp.ClientSession]:
        timeout = aiohttp.ClientTimeout(total=90)
        self._sessions = [aiohttp.ClientSession(gateway.url, timeout=timeout) for gateway in self.gateways]
        return self._sessions

    def fetcher(self, module: str = "services.fetcher", **settings: str) -> Service:
        """One fetcher more, not started yet; `settings` are WORDWATCH_* without the prefix, in any case."""
        service = Service("fetcher", len(self.fetchers), self.environ | _variables(settings), self.folder, module)
        self.fetchers.append(service)
        return service


def _variables(settings: dict[str, Any]) -> dict[str, str]:
    return {f"WORDWATCH_{name.upper()}": str(value) for name, value in settings.items()}


@asynccontextmanager
async def fleet(
    *,
    gateways: int = 1,
    recorders: int = 1,
    schedulers: int = 1,
    fetchers: int = 1,
    nsqds: int = 1,
    lookupds: int = 1,
    nsqd_options: Sequence[str] = (),
    postgres_data: Path | None = None,
    postgres_settings: Mapping[str, str] = _POSTGRES,
    password: str = "",
    logs: Path | None = None,
    **settings: Any,
) -> AsyncIterator[Fleet]:
    """Starts everything and waits until all of it is ready.

    Args:
        postgres_data: where PostgreSQL's data are to be; not there yet.
        logs: a folder for the logs of all services; None: the end of each is printed when it is over.
        postgres_settings: of the server, by name.
        password: what stands in the URL of the database.
        settings: of all services, as in `shared.settings` (`lease_s=20`, `fetch_timeout_s=5`, …).
    """
    given = {"allow_targets": "127.0.0.0/8", "lease_s": 20, "fetch_timeout_s": 5} | settings
    folder = _folder()
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = Postgres(folder, postgres_data, password=password, settings=postgres_settings)
        stack.push_async_callback(postgres.kill)
        found = [await stack.enter_async_context(Nsqlookupd()) for _ in range(lookupds)]
        queues = [await stack.enter_async_context(Nsqd(*nsqd_options, lookupds=found)) for _ in range(nsqds)]
        await postgres.prepare()
        where = {"nsqlookupd": ",".join(each.http for each in found)} if found else {}
        where |= {} if found else {"nsqd": ",".join(each.tcp for each in queues)}
        environ = {"PATH": os.environ["PATH"], "WORDWATCH_HOME": str(folder / "home")}
        environ |= _variables({"database_url": postgres.url} | where | given)
        all_ = Fleet(folder, environ, postgres, found, queues)
        all_.recorders = [_service("recorder", n, all_) for n in range(recorders)]
        all_.schedulers = [_service("scheduler", n, all_) for n in range(schedulers)]
        all_.gateways = [Gateway(n, environ, folder) for n in range(gateways)]
        for _ in range(fetchers):
            all_.fetcher()
        try:
            await asyncio.gather(*(service.start() for service in all_.services))
            for session in all_.open_sessions():
                await stack.enter_async_context(session)
            yield all_
        finally:
            await asyncio.gather(*(service.kill() for service in all_.services))
            _show_or_keep(all_.services, logs)


def _show_or_keep(services: Sequence[Service], logs: Path | None) -> None:
    for service in services:
        if logs is None:
            print(f"--- {service.name}\n{service.log[-3000:]}")  # shown when the test fails
        elif service.log_path.exists():
            shutil.copy(service.log_path, logs)


def _service(kind: str, number: int, all_: Fleet) -> Service:
    return Service(kind, number, all_.environ, all_.folder, f"services.{kind}")
