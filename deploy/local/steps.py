"""What each step of the set-up stands on: programs that can be stopped, stamps, folders that appear in one piece.

Standard library alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
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
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
STOP_WITHIN_S = 5.0
# Waits for a line from us and, when our end of the pipe closes without one, for whatever reason, ends the step with all
# that it started. The step itself takes the shell's place.
_GUARDED = 'exec 3<&0 </dev/null; { read -r _ <&3 || kill -s KILL 0; } & exec "$@" 3<&-'
PYTHON_DROPPED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONSTARTUP", "__PYVENV_LAUNCHER__")


NO_NETWORK = (
    "Is there a way to the network? A proxy's address goes into HTTPS_PROXY, that of an index of packages into"
    " PIP_INDEX_URL or GOPROXY"
)


class SetupError(Exception):
    """Something that the set-up can't do; the text says what would help."""


class Work:
    """The programs that the set-up has running, so that all of them can be ended, and the log that they write."""

    def __init__(self, tools: Path, environ: Mapping[str, str]) -> None:
        self.log = tools / "setup.log"
        self.environ = environ
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
                    ["/bin/sh", "-c", _GUARDED, "step", *arguments],
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                self._running.add(process)
            code = process.wait()
            _release(process)
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


def _release(process: subprocess.Popen[bytes]) -> None:
    """Tells the guard of a step that has ended that there is nothing to end."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # the guard was ended with the step
            process.stdin.write(b"\n")
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


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


def environment(environ: Mapping[str, str], settings: dict[str, str], dropped: tuple[str, ...]) -> dict[str, str]:
    """The environment with `settings`, and without what would get in the way."""
    return {name: value for name, value in environ.items() if name not in {*dropped, *PYTHON_DROPPED}} | settings
