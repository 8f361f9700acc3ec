"""What a page may take, and how a child binds itself to that and to its fetcher (setrlimit(2), prctl(2))."""

import ctypes
import math
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

EXIT_MEMORY = 77
"""Exit code of a child that was refused memory and could still say so."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of reading one page in a child.

    Attributes:
        memory_bytes: address space of the child, its programs included.
        cpu_s: processor time, in whole seconds, as the system counts them.
        wall_s: time in all, less where the lease ends before; what neither computes nor ends is stuck.
    """

    memory_bytes: int = 2**30
    cpu_s: int = 10
    wall_s: float = 30.0


def bind(memory_bytes: int) -> None:
    """Binds this process for all its life: to so much memory, and to the life of the thread that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):  # where memory runs out, the child should be taken and not its fetcher
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    # Whoever stops a fetcher may signal all its processes: that must not look like the page's doing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, memory_bytes)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, hard))


@contextmanager
def limited(cpu_s: int, wall_s: float) -> Iterator[None]:
    """Kills this process when the block takes longer; both signals kill inside C code, too."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime) + cpu_s)
    signal.setitimer(signal.ITIMER_REAL, wall_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def busy_s(pid: int) -> float | None:
    """How long a process has computed or waited for a processor, also just after its death (proc_pid_schedstat(5)).

    Returns:
        None where the system does not tell.
    """
    try:
        computed_ns, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return (int(computed_ns) + int(waited_ns)) / 1e9


def peak_bytes() -> int:
    """The most memory that this program has held."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return inherited_peak_bytes()


def inherited_peak_bytes() -> int:
    """The most memory that this process has held, as getrusage(2) tells: that of its fetcher at the start included."""
    return peak_of(resource.getrusage(resource.RUSAGE_SELF))


def peak_of(usage: resource.struct_rusage) -> int:
    """The most memory that a process has held; Linux counts it in KiB, macOS in bytes."""
    return usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024
