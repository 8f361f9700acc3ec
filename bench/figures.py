"""What the measurements share: percentiles, and the memory of processes."""

from collections.abc import Sequence
from pathlib import Path


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that is no smaller than `share` of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def peak_mb(pid: int) -> float:
    """The most memory (resident, in MB of 10^6 bytes) that a process has had so far; Linux."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"process {pid} does not say")
