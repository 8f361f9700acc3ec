"""Programs that the tests of the local runner start, and waiting for them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.local import records

ROOT = Path(__file__).parents[3]
LAUNCHER = [sys.executable, "-S", str(ROOT / "deploy" / "local" / "launch.py")]


def until(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Waits until the condition holds; fails when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def launch(home: Path, name: str, *command: str) -> "subprocess.Popen[bytes]":
    """Starts a program of a stack in `home`, as the supervisor does, and waits until it is recorded."""
    process = subprocess.Popen(
        [*LAUNCHER, str(home), name, str(home), *command],
        env={"PATH": os.defpath, records.MARK: str(home)},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: any(record.pid == process.pid for record in records.read(home)))
    return process
