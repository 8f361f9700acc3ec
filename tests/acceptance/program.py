"""The program `wordwatch`, as a person or a script runs it: from another folder, in a pipe or at a terminal."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local import launcher

RUN_WITHIN_S = 90


@dataclass
class Program:
    """The program in a folder of its own.

    Attributes:
        folder: where it is run.
        environ: all of its environment.
    """

    folder: Path
    environ: dict[str, str]

    def __post_init__(self) -> None:
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        launcher.write(Path(sys.executable), self.bin / launcher.NAME)
        self.environ = {"PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.folder), **self.environ}

    def run(
        self, *arguments: str | Path, stdin: str = "", environ: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Runs it with pipes all around."""
        return subprocess.run(
            [launcher.NAME, *arguments],
            executable=self.bin / launcher.NAME,
            cwd=self.folder,
            env=self.environ | (environ or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_S,
            check=False,
        )

    def shell(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Runs a line of shell that uses it."""
        return subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_S,
            check=False,
        )

    def interrupted(self, *arguments: str | Path, when: Callable[[str], bool]) -> tuple[int, str]:
        """Runs it at a terminal, and has Ctrl-C pressed when `when` says so of what it shows.

        Returns:
            The exit code, and all that it showed.
        """
        with self._at_terminal(*arguments) as (process, shown):
            asyncio.run(shown.until(lambda: when(shown.text)))
            process.send_signal(signal.SIGINT)
            asyncio.run(shown.until(lambda: process.poll() is not None))
            return process.returncode, shown.text

    def at_terminal(self, *arguments: str | Path) -> tuple[int, str]:
        """Runs it at a terminal; the exit code, and what it showed."""
        with self._at_terminal(*arguments) as (process, shown):
            asyncio.run(shown.until(lambda: process.poll() is not None))
            return process.returncode, shown.text

    @contextmanager
    def _at_terminal(self, *arguments: str | Path) -> Iterator[tuple["subprocess.Popen[bytes]", "Shown"]]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 100, 0, 0))
        os.set_blocking(ours, False)
        # A Ctrl-C that is ignored here (in the background of a shell) would be ignored there.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            [self.bin / launcher.NAME, *arguments],
            cwd=self.folder,
            env=self.environ | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        signal.signal(signal.SIGINT, before)
        os.close(theirs)
        try:
            yield process, Shown(ours)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


@dataclass
class Shown:
    """What comes to a terminal."""

    terminal: int
    text: str = ""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Reads until something is so, and all that is there by then."""
        async with asyncio.timeout(RUN_WITHIN_S):
            while True:
                is_so = condition()
                with suppress(OSError):  # nothing is there, or nobody writes any more
                    while data := os.read(self.terminal, 65_536):
                        self.text += data.decode(errors="replace")
                if is_so:
                    return
                await asyncio.sleep(0.01)
