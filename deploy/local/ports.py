"""The ports of the stack: what must be free before it starts, and who holds what is not."""

import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"  # TCP state in /proc/net/tcp; see proc_pid_net(5)


class Port(NamedTuple):
    """A port that a program of the stack will listen on."""

    number: int
    setting: str
    purpose: str


def is_free(number: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`number` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run that linger in TIME_WAIT are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
            probe.listen(1)
        except OSError:
            return False
    return True


def problems(wanted: Iterable[Port]) -> list[str]:
    """A sentence for each port that can't be had: in use by somebody, or wanted twice."""
    said: list[str] = []
    seen: dict[int, Port] = {}
    for port in wanted:
        twin = seen.setdefault(port.number, port)
        if twin is not port:
            said.append(
                f"port {port.number} is wanted twice: by {twin.setting} ({twin.purpose})"
                f" and {port.setting} ({port.purpose})"
            )
        elif not is_free(port.number):
            said.append(
                f"port {port.number} ({port.purpose}) is in use{holder(port.number)}; end that program, choose"
                f" another port with {port.setting}, or shift all with WORDWATCH_PORT_OFFSET"
            )
    return said


def holder(number: int) -> str:
    """Who listens on a port, as " by NAME (pid N)"; "" where that can't be seen."""
    if not Path("/proc/net/tcp").exists():
        return ""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(number)}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and sockets and _holds(Path("/proc") / entry, sockets):
            try:
                return f" by {Path(f'/proc/{entry}/comm').read_text().strip()} (pid {entry})"
            except OSError:
                break
    return ""


def _listening_inodes(number: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == number:
                found.add(fields[9])
    return found


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        handles = os.listdir(process / "fd")
    except OSError:  # of another user, or gone
        return False
    for handle in handles:
        try:
            if os.readlink(process / "fd" / handle) in sockets:
                return True
        except OSError:
            continue
    return False
