"""Whether an attempt may begin: pure, by its lease and the clock, and by what was begun before."""

import heapq
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.messages import ClaimedCheck

REPORT_MARGIN_S = 4.0
"""What an attempt keeps of its lease, beyond the fetch, to count and to publish its result."""
PUBLISH_MARGIN_S = 3.0
"""What of that is for publishing alone: what is not counted by then is given up."""
MAX_WAIT_S = 3.0
"""The claim looks 1 s ahead; more than that is a clock that is off, and no reason to sleep on a message."""


@dataclass(frozen=True, slots=True)
class TooLate:
    """Too little of the lease is left: the check goes back, and another attempt is made."""


@dataclass(frozen=True, slots=True)
class Begin:
    """The attempt may begin, after a wait of `wait_s` seconds (0: now)."""

    wait_s: float


def judge(check: ClaimedCheck, now: datetime, fetch_timeout_s: float) -> TooLate | Begin:
    """Whether `check` may be fetched: only while a whole fetch and its report fit into the lease."""
    start = max(now, check.not_before)
    if check.not_after - start < timedelta(seconds=fetch_timeout_s + REPORT_MARGIN_S):
        return TooLate()
    return Begin(wait_s=min((start - now).total_seconds(), MAX_WAIT_S))


class Begun:
    """The attempts that this process has begun, each remembered until its lease ends.

    nsqd delivers a message again when a FIN got lost; such a repeat is no reason to fetch again.
    """

    def __init__(self) -> None:
        self._attempts: set[tuple[UUID, int]] = set()
        self._ends: list[tuple[datetime, UUID, int]] = []

    def __contains__(self, check: ClaimedCheck) -> bool:
        return (check.check_id, check.attempt) in self._attempts

    def add(self, check: ClaimedCheck, now: datetime) -> None:
        """Remembers an attempt, and forgets those whose lease has ended by `now`."""
        while self._ends and self._ends[0][0] <= now:
            _, check_id, attempt = heapq.heappop(self._ends)
            self._attempts.discard((check_id, attempt))
        name = (check.check_id, check.attempt)
        self._attempts.add(name)
        heapq.heappush(self._ends, (check.not_after, *name))

    def forget(self, check: ClaimedCheck) -> None:
        """Lets an attempt be begun once more: it was handed back."""
        self._attempts.discard((check.check_id, check.attempt))

    def __len__(self) -> int:
        return len(self._attempts)
