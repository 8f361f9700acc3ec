"""Whether this machine's clock can be relied on, judged by Postgres's: pure.

Leases are written by Postgres's clock and judged by the fetcher's. As in NTP, a reading that was taken between two
moments of one's own bounds one's own error from both sides, however long the messages took.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.messages import ClockReading

MAX_OFF_S = 2.0
CLAIM_COUNTS_FOR_S = 10.0
"""A claim from the future proves that the clock is behind, not when it is right again: it has to be proved anew."""


@dataclass(frozen=True, slots=True)
class Off:
    """The clock is ahead of Postgres's by at least `least_s` seconds; behind where that is negative."""

    least_s: float

    def __str__(self) -> str:
        way = "ahead of" if self.least_s > 0 else "behind"
        return f"at least {abs(self.least_s):.1f} s {way} PostgreSQL's"


def judge(said_at: datetime, database_at: datetime, received_at: datetime) -> Off | None:
    """Whether the clock is off for sure.

    Args:
        said_at: Own clock, before the reading.
        database_at: Postgres's clock at the reading.
        received_at: Own clock, after the reading.

    Returns:
        None while the clock may be right within `MAX_OFF_S`, also when nothing follows as it was set in between.
    """
    if received_at < said_at:
        return None
    least_s, most_s = (said_at - database_at).total_seconds(), (received_at - database_at).total_seconds()
    if least_s > MAX_OFF_S:
        return Off(least_s)
    return Off(most_s) if most_s < -MAX_OFF_S else None


class ClockGuard:
    """Keeps the newest judgement. Without any reading, the clock passes for right."""

    def __init__(self, fetcher: str) -> None:
        self._fetcher = fetcher
        self._off: Off | None = None
        self._claimed: tuple[Off, float] | None = None

    def read(self, reading: ClockReading, received_at: datetime) -> None:
        """Takes a reading; those of other fetchers are passed over.

        Each holds for itself, so that the last to come decides: whichever clock was set, the next one shows it.
        """
        if reading.fetcher == self._fetcher:
            self._off = judge(reading.said_at, reading.database_at, received_at)
            self._claimed = None

    def claimed(self, claimed_at: datetime, received_at: datetime, monotonic_s: float) -> None:
        """Takes what a claim says for nothing: it was made before it was received, by Postgres's clock."""
        if received_at - claimed_at < -timedelta(seconds=MAX_OFF_S):
            self._claimed = Off((received_at - claimed_at).total_seconds()), monotonic_s

    def off(self, monotonic_s: float) -> Off | None:
        """By how much the clock is off; None while it may be right."""
        if self._claimed is not None and monotonic_s - self._claimed[1] < CLAIM_COUNTS_FOR_S:
            return self._claimed[0]
        return self._off
