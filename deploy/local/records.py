"""Which processes are ours: records of pid and start time, so that a stranger with the same pid is never taken for one.

A record is `run/processes/NAME.json` in WORDWATCH_HOME, written by the process itself before it becomes its program.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path("run") / "processes"
MARK = "RUNNING_UNDER_WORDWATCH"
"""Environment variable that everything which a stack starts inherits; its value is the WORDWATCH_HOME."""
HAS_PROC = Path("/proc/self/stat").exists()  # Linux
_STATE, _START = 0, 19  # places in /proc/PID/stat after the program's name; see proc_pid_stat(5)


class Process(NamedTuple):
    """One process, for all time: no other ever has the same pid and start."""

    name: str
    pid: int
    start: str


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets


def start_of(pid: int) -> str | None:
    """When the process `pid` started, as a text to compare; None when there is none (a zombie is none)."""
    if HAS_PROC:
        fields = _stat(pid)
        if fields is None or fields[_STATE] in "ZX":
            return None
        # Ticks since boot begin anew with each boot.
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {fields[_START]}"
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
    shown = subprocess.run(command, env={"LC_ALL": "C", "PATH": "/bin:/usr/bin"}, capture_output=True, check=False)
    state, _, start = shown.stdout.decode().strip().partition(" ")
    return " ".join(start.split()) if state and not state.startswith("Z") else None


def this_process(name: str) -> Process:
    """The process that calls."""
    start = start_of(os.getpid())
    if start is None:
        raise RuntimeError("this process does not see itself in /proc")
    return Process(name, os.getpid(), start)


def write(home: Path, process: Process) -> None:
    """Puts a record down, in place of an earlier one of the same name."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{process.name}.{process.pid}"
    fresh.write_text(json.dumps({"pid": process.pid, "start": process.start}))
    fresh.replace(folder / f"{process.name}.json")


def read(home: Path) -> list[Process]:
    """All records, of the living and the dead; what can't be read is none."""
    found = []
    for path in sorted((home / FOLDER).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads(path.read_text())
            found.append(Process(path.stem, int(record["pid"]), str(record["start"])))
    return found


def clear(home: Path) -> None:
    """Removes the records of processes that are no more."""
    for process in read(home):
        if not alive(process):
            (home / FOLDER / f"{process.name}.json").unlink(missing_ok=True)


def alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return start_of(process.pid) == process.start


def send(process: Process, number: signal.Signals) -> bool:
    """Sends a signal to this very process, and to no other that has its pid by now.

    Returns:
        Whether there was somebody to send it to.

    Raises:
        PermissionError: the process runs as another user.
    """
    try:
        if not hasattr(os, "pidfd_open"):
            if not alive(process):
                return False
            os.kill(process.pid, number)
            return True
        handle = os.pidfd_open(process.pid)
    except (ProcessLookupError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        return False
    try:
        # The handle can't pass to another process; what it holds is looked at before it is used.
        if not alive(process):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _all_pids() -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            yield int(entry)


def _is_marked(pid: int, home: Path) -> bool:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # of another user: not started by us
        return False
    return f"{MARK}={home}".encode() in variables


def cluster_name(data: Path) -> str:
    """What the PostgreSQL of `data` is called; its parts have that in their titles: `postgres: NAME: checkpointer`.

    While one of them works in the folder no other can be called so, wherever either is moved or mounted: the inode is
    not given away.
    """
    folder = data.stat()
    return f"wordwatch-{folder.st_dev:x}-{folder.st_ino:x}"


def _is_called(pid: int, name: str) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    # A part that is just being born still has the words with which the server was started.
    return words[0].startswith(f"postgres: {name}: ".encode()) or f"cluster_name={name}".encode() in words


def _user_of(pid: int) -> int | None:
    found = re.search(r"^Uid:\s*\d+\s+(\d+)", Path(f"/proc/{pid}/status").read_text(errors="replace"), re.MULTILINE)
    return int(found[1]) if found else None


def serves_database(pid: int, data: Path) -> bool:
    """Whether a process is a part of the PostgreSQL of `data`: those overwrite their environment, but work there."""
    process = Path(f"/proc/{pid}")
    try:
        if (process / "comm").read_text().strip() != "postgres":
            return False
        try:
            return (process / "cwd").samefile(data)
        except PermissionError:  # of another user: only CAP_SYS_PTRACE lets root look, and few containers grant it
            return _user_of(pid) == data.stat().st_uid and _is_called(pid, cluster_name(data))
    except OSError:
        return False


def ours(home: Path) -> list[Process]:
    """Everything of this WORDWATCH_HOME that is alive: what is recorded, and (on Linux) what that started."""
    home = home.resolve()
    found = {process.pid: process for process in read(home) if alive(process)}
    if HAS_PROC:
        data = home / "postgres" / "data"
        for pid in _all_pids():
            if pid in found or pid == os.getpid():
                continue
            # Before the look: if the pid goes to a stranger after it, this is not the start of that one.
            start = start_of(pid)
            if start is None:
                continue
            if serves_database(pid, data):
                found[pid] = Process("postgres", pid, start)
            elif _is_marked(pid, home):
                found[pid] = Process("child", pid, start)
    return [process for process in found.values() if process.pid != os.getpid()]


def end(processes: Iterable[Process], *, within_s: float, kill_within_s: float = 5.0) -> list[Process]:
    """Asks the processes to end, and kills those that have not after `within_s`.

    Returns:
        Those that are still alive even so.
    """
    waiting = [p for p in processes if send(p, signal.SIGINT if p.name == "postgres" else signal.SIGTERM)]
    waiting = _wait(waiting, within_s)
    for process in waiting:
        send(process, signal.SIGKILL)
    return _wait(waiting, kill_within_s)


def _wait(processes: list[Process], within_s: float) -> list[Process]:
    deadline = time.monotonic() + within_s
    while True:
        processes = [process for process in processes if alive(process)]
        if not processes or time.monotonic() >= deadline:
            return processes
        time.sleep(0.05)
