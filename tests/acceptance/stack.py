"""A stack as a person starts it: `make run` in a process of its own, seen through its output and its API alone."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.ports import is_free
from shared import settings
from tests.integration.servers import free_port

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 120
STOP_WITHIN_S = 30


@dataclass
class Stack:
    """One WORDWATCH_HOME, and the `make run` that may be running in it.

    Attributes:
        home: the folder.
        environ: further settings; then all of its environment.
        target: what is made to start it.
        greeting: what it says when all is ready.
    """

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    target: str = "run"
    greeting: str = "ready after"
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
        offset = free_offset()
        self.environ = {
            **clean,
            "WORDWATCH_HOME": str(self.home),
            "WORDWATCH_TOOLS": str(settings.from_environment().tools_dir.absolute()),
            "WORDWATCH_PORT_OFFSET": str(offset),
            **self.environ,
        }
        self.config = settings.load(self.environ)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.config.port}"

    @property
    def output(self) -> str:
        path = self.home / "output"
        return path.read_text(errors="replace") if path.exists() else ""

    def make(self, *arguments: str, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self) -> None:
        """Runs make and waits until it says that all is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "output").open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "--no-print-directory", self.target],
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_WITHIN_S
        while self.greeting not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def terminate(self) -> None:
        """SIGTERM to `make run`, as a service manager sends it; make passes it on, waits, and ends by it as well."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(STOP_WITHIN_S)
        self.process = None

    def kill_everything(self) -> None:
        """SIGKILL to the whole tree: what `make run` started, and what that started, at once."""
        assert self.process is not None
        for pid in [self.process.pid, *_below(self.process.pid)]:
            _kill(pid)
        self.process.wait(10)
        self.process = None

    def pids(self) -> dict[str, int]:
        """The processes that `make ps` lists, by name."""
        listed = self.make("ps").stdout.splitlines()[1:]
        rows = [re.split(r"\s{2,}", line.strip()) for line in listed]
        return {row[0]: int(row[1]) for row in rows if len(row) > 2 and row[1].isdigit() and row[1] != "0"}

    def kill(self, name: str) -> int:
        """SIGKILL to one process of the stack; returns its pid."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def left_processes(self) -> list[str]:
        """Command lines of processes that still belong to this home."""
        mark = str(self.home).encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                environ = (folder / "environ").read_bytes()
            except OSError:
                continue
            ours = int(folder.name) != os.getpid() and (mark in words or b"WORDWATCH_HOME=" + mark in environ)
            if ours and words:
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def close(self) -> None:
        """Ends whatever is left."""
        self.make("stop")
        if self.process is not None:
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill_everything()


def _below(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from _below(int(child))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def free_offset() -> int:
    """A WORDWATCH_PORT_OFFSET at which all ports of a stack are free, those of further fetchers and of the lab too."""
    while True:
        offset = free_port() - settings.load({}).port
        config = settings.load({"WORDWATCH_PORT_OFFSET": str(offset)})
        fields = [field.name for field in dataclasses.fields(config) if field.metadata["port"]]
        rows = (
            range(config.fetcher_ops_port, config.fetcher_ops_port + 8),
            range(config.lab_port, config.lab_port + 12),
        )
        if all(map(is_free, {*(getattr(config, name) for name in fields), *rows[0], *rows[1]})):
            return offset


@contextmanager
def running(home: Path, **environ: str) -> Iterator[Stack]:
    """A started stack; stopped at the end, and its output shown if the test fails."""
    with started(Stack(home, environ)) as stack:
        yield stack


@contextmanager
def started(stack: Stack) -> Iterator[Stack]:
    """Likewise, of a stack of one's own."""
    try:
        stack.start()
        yield stack
    finally:
        stack.close()
        print(stack.output)


def body_of(answer: "subprocess.CompletedProcess[str]") -> Any:
    """The JSON that a program printed."""
    return json.loads(answer.stdout)
