"""What the death of a reading child says about the page that it had: pure."""

import signal
from dataclasses import dataclass
from enum import Enum

from services.fetcher.reading.limits import EXIT_MEMORY

_KILLED_FOR_MEMORY_BYTES = 128 * 2**20


class Cause(Enum):
    """Why a child died."""

    CRASH = "crash"
    MEMORY = "memory"
    CPU = "cpu"
    TIME = "time"
    OUTSIDE = "outside"
    """Somebody killed it: the page has nothing to do with it."""
    STARVED = "starved"
    """It ran out of time while others had the processor: the page has nothing to do with it either."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended.

    Attributes:
        exit_code: as in `subprocess`: the negative number of a signal.
        peak_bytes: the most memory that it held, 0 if that was no more than before it had the page.
        cpu_s: processor time of its life.
        busy_s: how long it computed or waited for a processor while it had the page; None where that is not known.
    """

    exit_code: int
    peak_bytes: int
    cpu_s: float
    busy_s: float | None = None

    def __str__(self) -> str:
        how = signal.Signals(-self.exit_code).name if self.exit_code < 0 else f"exit code {self.exit_code}"
        return f"{how} after {self.cpu_s:.1f} s of processor time, with {self.peak_bytes >> 20} MiB at most"


def cause_of(death: Death, *, memory_bytes: int, wall_s: float) -> Cause:
    """Why a child died that had a page in hand.

    What is refused memory rarely says so: a parser in C returns an error, or crashes over a null pointer. So whatever
    ends with half of the memory in use counts as having hit the limit: the other half is what it had just asked for,
    as buffers grow by doubling.
    """
    if death.exit_code == -signal.SIGXCPU:
        return Cause.CPU
    if death.exit_code == -signal.SIGALRM:
        return Cause.STARVED if (death.busy_s or 0.0) > wall_s / 2 else Cause.TIME
    if death.exit_code == EXIT_MEMORY or death.peak_bytes >= memory_bytes / 2:
        return Cause.MEMORY
    if death.exit_code == -signal.SIGKILL:  # no page does that: the system short of memory, or a person
        return Cause.MEMORY if death.peak_bytes >= _KILLED_FOR_MEMORY_BYTES else Cause.OUTSIDE
    return Cause.CRASH


def code_of(cause: Cause) -> str:
    """The error code of a page that killed its child."""
    return "poison" if cause is Cause.CRASH else "too_complex"
