"""The supervisor's API: what runs, and starting and stopping single processes.

It is served on a Unix socket in a folder that only this user may enter. A TCP port, on loopback too, would let every
local user, and any web page in a browser here, start programs as us: the API asks for no token.
"""

import contextlib
import fcntl
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from deploy.local import compose

SOCKET = Path("run") / "supervisor.sock"
_LONGEST_SOCKET_PATH = 100  # bytes; the system's limit is 103 to 107
_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 45.0  # stopping answers when the process is gone
_WORKING_FOLDER = threading.Lock()
_ACTIVE = ("Running", "Restarting", "Pending", "Launching", "Launched")


class SupervisorError(Exception):
    """The supervisor can't be reached, or refused; the text says why."""


class State(NamedTuple):
    """One process as the supervisor sees it."""

    name: str
    pid: int
    status: str
    ready: bool
    has_probe: bool
    restarts: int
    exit_code: int
    age_s: float

    @property
    def active(self) -> bool:
        """Whether it runs, or is about to."""
        return self.status in _ACTIVE

    @property
    def fetcher_number(self) -> int | None:
        """Its number when it is a fetcher."""
        kind, _, number = self.name.rpartition("-")
        return int(number) if kind == compose.FETCHER and number.isdigit() else None


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A name of `path` that is short enough for the address of a socket."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    with _WORKING_FOLDER:
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(path.parent)
            yield path.name
        finally:
            os.fchdir(here)
            os.close(here)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with _short_path(self._path) as address:
            self.sock.connect(address)


class Supervisor:
    """A client of the supervisor that runs in `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def _ask(self, method: str, path: str, *, timeout_s: float = _TIMEOUT_S) -> Any:
        connection = _Connection(self.home / SOCKET, timeout_s)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SupervisorError(f"the supervisor does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise SupervisorError(f"the supervisor refused {path}: {body}")
        return body

    def states(self) -> list[State]:
        """All processes that are meant to run or did their work, in the order of their names.

        Raises:
            SupervisorError: it does not answer.
        """
        found = []
        for item in self._ask("GET", "/processes")["data"]:
            state = State(
                name=item["name"],
                pid=item["pid"],
                status=item["status"],
                ready=item["is_ready"] == "Ready",
                has_probe=item["has_ready_probe"],
                restarts=item["restarts"],
                exit_code=item["exit_code"],
                age_s=item["age"] / 1e9,
            )
            if state.fetcher_number is None or state.active or state.status == "Terminating":
                found.append(state)
        return sorted(found, key=lambda state: (state.fetcher_number is not None, state.fetcher_number, state.name))

    def start(self, name: str) -> None:
        """Starts a process that does not run."""
        self._ask("POST", f"/process/start/{name}")

    def stop(self, name: str) -> None:
        """Stops a process and waits until it is gone; it is not started again."""
        self._ask("PATCH", f"/process/stop/{name}", timeout_s=_STOP_TIMEOUT_S)

    def scale_fetchers(self, wanted: int, *, ready_within_s: float) -> None:
        """Starts or stops fetchers, so that `wanted` of them run, and waits until those are ready.

        Raises:
            SupervisorError: it refused, or a fetcher did not become ready in time.
        """
        with (self.home / "run" / "scale.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            running = {state.name for state in self.states() if state.fetcher_number is not None and state.active}
            kept = [compose.fetcher_name(number) for number in range(wanted)]
            for name in kept:
                if name not in running:
                    self.start(name)
            # Together: each may take its time to finish the work in hand.
            with ThreadPoolExecutor(compose.MAX_FETCHERS) as pool:
                list(pool.map(self.stop, running.difference(kept)))
            deadline = time.monotonic() + ready_within_s
            while True:
                ready = sum(state.ready for state in self.states() if state.fetcher_number is not None)
                if ready == wanted:
                    return
                if time.monotonic() >= deadline:
                    raise SupervisorError(f"only {ready} of {wanted} fetchers are ready after {ready_within_s:.0f} s")
                time.sleep(0.2)
