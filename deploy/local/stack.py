"""One running stack: started, watched until it is ready, and put down again without a trace."""

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from deploy.local import compose, homes, ports, postgres, records
from deploy.local.interrupts import Interrupts
from deploy.local.relay import relay
from deploy.local.supervisor import SOCKET, State, Supervisor, SupervisorError
from shared.settings import Settings

SUPERVISOR = "supervisor"
NOTE = Path("run") / "stack.json"
PROJECT = Path("run") / "process-compose.yaml"
READY_WITHIN_S = 120.0
_GIVE_UP_AFTER_RESTARTS = 10
_STOP_WITHIN_S = 45.0  # the services' own 29 s, then the servers' 10 s
_LONE_SUPERVISOR_S = 2.0
_LEFTOVER_STOP_S = 15.0
_LINE = re.compile(r"^\[(.+?)\t\] (.*)$")


class StackError(Exception):
    """The stack can't be started, or ended by itself; the text says why and what would help."""


class AlreadyRunning(StackError):
    """A stack of this WORDWATCH_HOME runs."""


def note(home: Path) -> dict[str, Any] | None:
    """What the stack that runs in `home` says of itself: `pid`, `start`, `ready`, `url` …; None when none runs."""
    try:
        said = json.loads((home / NOTE).read_text())
        runner = records.Process("runner", int(said["pid"]), str(said["start"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return said if records.alive(runner) else None


def end_leftovers(home: Path, say: Callable[[str], None]) -> int:
    """Ends what a stack of `home` left behind that was killed itself; nobody else's processes are touched.

    Returns:
        How many there were.

    Raises:
        StackError: they can't be ended.
    """
    left = records.ours(home)
    if left:
        listed = ", ".join(f"{process.name} ({process.pid})" for process in left[:12])
        say(f"ending what an earlier run left behind: {listed}")
    try:
        # A supervisor first: it would start the others again.
        records.end([process for process in left if process.name == SUPERVISOR], within_s=_LEFTOVER_STOP_S)
        stubborn = records.end(left, within_s=_LEFTOVER_STOP_S)
    except PermissionError as error:
        raise StackError(
            f"a process of an earlier run in {home} belongs to another user: end it first ({error})"
        ) from None
    if stubborn:
        raise StackError(f"these processes of an earlier run do not end: {', '.join(str(p.pid) for p in stubborn)}")
    records.clear(home)
    return len(left)


class Stack:
    """The stack of one WORDWATCH_HOME, owned by this process.

    Use it as a context manager: whatever happens in the block, everything is stopped at its end.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        interrupts: Interrupts | None = None,
        show_logs: bool = True,
        output: IO[str] = sys.stdout,
    ) -> None:
        self.settings = settings
        self.environ = environ
        self.home = settings.home.absolute()
        self.supervisor = Supervisor(self.home)
        self.url = f"http://{compose.ADDRESS}:{settings.port}"
        self.sample_url = f"http://{compose.ADDRESS}:{settings.sample_port}"
        self._interrupts = interrupts or Interrupts()
        self._show_logs = show_logs
        self._output = output
        self._printing = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> "Stack":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def say(self, text: str, *, source: str = "wordwatch") -> None:
        """Prints lines under the name of the process that they come from."""
        with self._printing:
            try:
                for line in text.splitlines() or [""]:
                    print(f"{source:11} | {line}", file=self._output)
                self._output.flush()
            except (BrokenPipeError, ValueError):  # nobody reads any more: no reason to fall over
                self._output = open(os.devnull, "w")  # noqa: SIM115 - for the rest of our life

    def start(self) -> None:
        """Starts everything; does not wait for it.

        Raises:
            AlreadyRunning: a stack of this home runs.
            StackError: a port is taken, a program is missing, or the like.
            HomeError: the folder can't be a WORDWATCH_HOME.
        """
        homes.claim(self.home)
        for folder in ("run", "logs", "nsqd"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / "run").chmod(0o700)  # the supervisor's socket stands here
        self._take_lock()
        self._note(ready=False)
        end_leftovers(self.home, self.say)
        taken = ports.problems(compose.ports(self.settings))
        if taken:
            raise StackError("\n".join(taken))
        try:
            project = compose.as_text(compose.project(self.settings, self.home))
            env = compose.environment(self.settings, self.environ, self.home)
        except postgres.PostgresError as error:
            raise StackError(str(error)) from error
        (self.home / PROJECT).write_text(project, encoding="utf-8")
        with self._interrupts.held():  # or it could be started without our knowing it
            self._process = self._start_supervisor(env)
        threading.Thread(target=relay, args=(self._process.stdout, self._show), daemon=True).start()

    def _take_lock(self) -> None:
        self._lock = (self.home / "run" / "lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            running = note(self.home) or {}
            state = "runs" if running.get("ready") else "is being started or stopped"
            raise AlreadyRunning(
                f"a stack of {self.home} {state}: {running.get('url', 'no URL yet')} (pid {running.get('pid', '?')});"
                " `make stop` ends it, another WORDWATCH_HOME and WORDWATCH_PORT_OFFSET start a second one"
            ) from None

    def _note(self, *, ready: bool) -> None:
        this = records.this_process("runner")
        said = {
            "pid": this.pid,
            "start": this.start,
            "ready": ready,
            "url": self.url,
            "sample_url": self.sample_url,
            "allow_targets": self.settings.allow_targets,
        }
        fresh = self.home / NOTE.with_suffix(".new")
        fresh.write_text(json.dumps(said))
        fresh.replace(self.home / NOTE)

    def _start_supervisor(self, env: Mapping[str, str]) -> "subprocess.Popen[str]":
        program = self.settings.tools_dir.absolute() / "bin" / "process-compose"
        if not program.exists():
            raise StackError(f"{program} is not there; `make run` builds it")
        launcher = [sys.executable, "-S", str(compose.ROOT / "deploy" / "local" / "launch.py")]
        options = ["-t=false", "--no-server=false", "--read-only=false", "--disable-dotenv"]
        files = ["-U", "-u", str(SOCKET), "-L", "logs/process-compose.log", "-f", str(PROJECT)]
        return subprocess.Popen(
            [*launcher, str(self.home), SUPERVISOR, str(self.home), str(program), *options, *files],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches us alone: we stop the rest in order
        )

    def _show(self, line: str) -> None:
        found = _LINE.match(line.rstrip("\n"))
        if found and found[2] and self._show_logs:
            self.say(found[2], source=found[1])

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Waits until every process can do its work.

        Raises:
            StackError: one can't, in the given time; the text holds the end of its log.
        """
        deadline = time.monotonic() + within_s
        states: list[State] = []
        while True:
            self._check_supervisor()
            with contextlib.suppress(SupervisorError):
                states = self.supervisor.states()
            migration = next((state for state in states if state.name == "migrate"), None)
            if migration and migration.status == "Completed" and migration.exit_code:
                raise StackError(f"the database could not be brought up to date:\n{self._log_end('migrate')}")
            waiting = [state for state in states if not _is_ready(state)]
            if states and not waiting:
                self._note(ready=True)
                return
            failing = [state for state in waiting if state.restarts >= _GIVE_UP_AFTER_RESTARTS]
            if failing or time.monotonic() >= deadline:
                raise StackError(self._why_not_ready(failing or waiting))
            time.sleep(0.1)

    def _why_not_ready(self, waiting: list[State]) -> str:
        # What was never started waits for another one, which tells more.
        started = [state for state in waiting if state.status != "Pending"] or waiting
        return "\n".join(f"{state.name} does not get ready:\n{self._log_end(state.name)}" for state in started)

    def _log_end(self, name: str) -> str:
        try:
            lines = (self.home / "logs" / f"{name}.log").read_text(errors="replace").splitlines()
        except OSError:
            return "    (no log)"
        return "\n".join("    " + line for line in lines[-10:])

    def _check_supervisor(self) -> None:
        if self._process is None:
            raise StackError("the stack was not started")
        code = self._process.poll()
        if code is not None:
            log = self.home / "logs" / "process-compose.log"
            raise StackError(f"the supervisor ended with code {code}; its log is {log}")

    def watch(self) -> None:
        """Stays until interrupted, and tells of each process that ended and was started again.

        Raises:
            StackError: the supervisor itself ended.
        """
        seen: dict[str, int] = {}
        while True:
            self._check_supervisor()
            with contextlib.suppress(SupervisorError):
                for state in self.supervisor.states():
                    if state.restarts > seen.get(state.name, 0):
                        self.say(f"{state.name} had ended (code {state.exit_code}) and was started again")
                    seen[state.name] = state.restarts
            time.sleep(2)

    def stop(self) -> None:
        """Stops everything, in order; a second Ctrl-C kills instead. Does nothing when nothing was started."""
        if self._lock is None:
            return
        with self._interrupts.held(for_good=True):
            if self._process is not None:
                self._note(ready=False)
                self.say("stopping")
                self._stop_supervisor(self._process)
            left = records.end(records.ours(self.home), within_s=0 if self._interrupts.count > 1 else 5)
            if left:
                self.say(f"these did not end: {', '.join(f'{p.name} ({p.pid})' for p in left)}")
            elif self._process is not None:
                self.say("stopped")
            records.clear(self.home)
            (self.home / NOTE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _stop_supervisor(self, process: "subprocess.Popen[str]") -> None:
        process.send_signal(signal.SIGTERM)
        began = alone_since = time.monotonic()
        while process.poll() is None and self._interrupts.count < 2:
            now = time.monotonic()
            if any(other.pid != process.pid for other in records.ours(self.home)):
                alone_since = now
            # Seldom it misses the end of a process and waits the whole time for it.
            if now - alone_since > _LONE_SUPERVISOR_S or now - began > _STOP_WITHIN_S:
                break
            time.sleep(0.1)
        if process.poll() is None:
            process.kill()
        process.wait()


def _is_ready(state: State) -> bool:
    if state.name == "migrate":
        return state.status == "Completed" and state.exit_code == 0
    return state.status == "Running" and (state.ready or not state.has_probe)
