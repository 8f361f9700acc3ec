"""When a message was sent, at the earliest, if this process was stopped meanwhile."""

from shared.clock import MonotonicClock

_LATE = 2.0


class StallGuard:
    """Tells since when messages read now may have been waiting in the socket.

    While a process is stopped or starved, nsqd's clock on the messages sent to it goes on. Read afterwards, they look
    fresh; they are dated to the last moment at which the process was known to run instead.

    Args:
        clock: Monotonic seconds.
        tick_s: How often `tick` is called while all is well; twice that late is a stall.
    """

    def __init__(self, clock: MonotonicClock, *, tick_s: float) -> None:
        self._clock = clock
        self._tick_s = tick_s
        self._ticked_at = clock()
        self._stalled_at = 0.0
        self._suspect_until = 0.0

    def tick(self) -> None:
        """Says that the process runs."""
        now_s = self._clock()
        if now_s - self._ticked_at > _LATE * self._tick_s:
            self._stalled_at = self._ticked_at
            self._suspect_until = now_s + self._tick_s  # until what has waited is read
        self._ticked_at = now_s

    def received_at(self) -> float:
        """The monotonic time to be given to a message that is read now."""
        now_s = self._clock()
        if now_s - self._ticked_at > _LATE * self._tick_s:
            return self._ticked_at
        return self._stalled_at if now_s < self._suspect_until else now_s
