"""Sets wordwatch up on this machine, then becomes the program that was asked for.

    python3 -m deploy.local.setup [--dev] [--bare] [--home DIR] [--tools DIR] -- ARGUMENTS FOR PYTHON

Into the folder of tools go `venv/` (the packages of requirements/*.lock, by hash, and the program `wordwatch`) and
`bin/` (NSQ and the supervisor, built from deploy/*/go.sum). What is there and belongs to the present lock files is left
alone, so a second start needs no network.

It uses the standard library alone, because nothing else is there yet.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local import homes, launcher
from deploy.local.interrupts import Interrupts
from deploy.local.packages import Packages
from deploy.local.programs import Programs
from deploy.local.steps import ROOT, SetupError, Work, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OLDEST_PYTHON = (3, 11)
REPORT_EVERY_S = 15.0
# With the caches of Go and pip on the same disk, rounded up; what is there already needs less when versions change.
NEEDED_BYTES, NEEDED_LATER_BYTES = 2 * 2**30, 2**29


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


def set_up(tools: Path, packages: Packages, programs: Programs, environ: Mapping[str, str]) -> None:
    """Makes what is missing.

    Raises:
        SetupError: a step failed.
        KeyboardInterrupt: stopped by a person; nothing half-made is left that a next start would take for whole.
    """
    tools.mkdir(parents=True, exist_ok=True)
    look_for_room(tools, NEEDED_LATER_BYTES if packages.python.exists() else NEEDED_BYTES)
    work = Work(tools, environ)
    with exclusively(tools, work):
        for stale in tools.glob("building-*"):
            shutil.rmtree(stale, ignore_errors=True)
        if packages.ready() and not programs.missing():
            return  # the set-up that we waited for did it
        work.log.write_text("")
        is_first = not packages.python.exists() and not programs.bin.exists()
        work.say(
            f"{'the first start installs what wordwatch needs into' if is_first else 'bringing up to date'} {tools}"
        )
        try:
            make_all(packages, programs, work)
        finally:
            work.stop()
        work.say("done")


def look_for_room(tools: Path, needed: int) -> None:
    """Says before anything is made when it would not fit.

    Raises:
        SetupError: fewer than `needed` bytes are free.
    """
    free = shutil.disk_usage(tools).free
    if free < needed:
        raise SetupError(
            f"only {free / 2**30:.1f} GiB are free where {tools} is, and up to {needed / 2**30:.1f} GiB may be needed."
            " Make room, or set WORDWATCH_HOME to a folder on another disk"
        )


def main(argv: list[str], environ: Mapping[str, str]) -> int:
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
    home = Path(options.home or ".wordwatch").expanduser().absolute()
    tools = Path(options.tools).expanduser().absolute() if options.tools else home / "tools"
    packages, programs = Packages(tools, "dev" if options.dev else "run"), Programs(tools)
    python = sys.executable if options.bare else str(packages.python)
    if not options.bare and (not packages.ready() or programs.missing()):
        code = _set_up_for_a_person(home, tools, packages, programs, environ)
        if code:
            return code
    if not options.bare:
        launcher.write(packages.python, packages.python.with_name(launcher.NAME))
    if not options.arguments:
        return 0
    os.execve(python, [python, *options.arguments], environment(environ, {}, ()))  # noqa: S606 - the whole point


def _set_up_for_a_person(
    home: Path, tools: Path, packages: Packages, programs: Programs, environ: Mapping[str, str]
) -> int:
    interrupts = Interrupts()
    try:
        interrupts.install()
        if tools == home / "tools":
            homes.claim(home)
        set_up(tools, packages, programs, environ)
    except KeyboardInterrupt:
        print("set-up stopped; the next start goes on from here", file=sys.stderr)
        return 130
    except homes.HomeError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    except (SetupError, OSError) as error:
        log = tools / "setup.log"
        print(f"set-up failed: {error}", file=sys.stderr)
        if log.exists():
            print(f"The whole output is in {log}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
