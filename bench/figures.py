"""What the measurements share: percentiles, and the memory of processes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.acceptance.processes import Service


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that is no smaller than `share` of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def peak_mb(pid: int) -> float:
    """The most memory (resident, in MB of 10^6 bytes) that a process has had so far; Linux."""
    return _status_mb(pid, "VmHWM")


def resident_mb(pid: int) -> float:
    """The memory that a process has now, resident, in MB of 10^6 bytes; Linux."""
    return _status_mb(pid, "VmRSS")


def _status_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"process {pid} does not say")


def memory(services: Iterable[Service]) -> str:
    """The peak of each service that runs, so far."""
    running = [service for service in services if service.is_running]
    return ", ".join(f"{service.name} {peak_mb(service.pid):.0f} MB" for service in running)
