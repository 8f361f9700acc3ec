"""When a lease without a result may be given up: pure, from what was seen of the queues and by the clock.

A result may still be on its way when its lease ends. So a lease is given up only when, after its end, every nsqd that
can be reached was seen with no result waiting, and another `grace_s` have passed in which the database answered (what
the recorder had in hand is committed by then); or, when that never happens, after `force_s`.
"""

from collections import deque

GRACE_S = 10.0


class DrainWatch:
    """Remembers when the queue of results was seen empty. Times are seconds of one monotonic clock."""

    def __init__(self, *, force_s: float, grace_s: float = GRACE_S) -> None:
        self._force_s = force_s
        self._grace_s = grace_s
        self._seen_empty: deque[float] = deque()

    def saw_empty(self, now_s: float) -> None:
        """Every nsqd that can be reached has no result waiting."""
        self._seen_empty.append(now_s)

    def database_stalled(self) -> None:
        """The database did not answer in time: results may wait in a recorder's hands."""
        self._seen_empty.clear()

    def ended_for_s(self, now_s: float) -> float:
        """How long ago a lease must have ended to be given up now, in seconds."""
        seen = self._seen_empty
        while len(seen) > 1 and seen[1] <= now_s - self._grace_s:
            seen.popleft()
        if seen and seen[0] <= now_s - self._grace_s:
            return min(now_s - seen[0], self._force_s)
        return self._force_s
