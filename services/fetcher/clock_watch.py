"""Takes no checks while the clock is off: leases could be judged neither here nor by what is said of them."""

from collections.abc import Callable
from datetime import datetime

import msgspec
import structlog

from services.fetcher.clock_guard import ClockGuard, Off
from shared.clock import MonotonicClock, WallClock
from shared.messages import decode_clock_readings
from shared.nsq.message import Message

log = structlog.get_logger(__name__)


class ClockWatch:
    """Asks the guard whenever there is something new, and tells when its answer changes.

    Args:
        guard: Judges.
        utc_now: The clock that is judged.
        clock: Monotonic seconds.
        on_change: Called with whether checks may be taken.
    """

    def __init__(
        self, guard: ClockGuard, *, utc_now: WallClock, clock: MonotonicClock, on_change: Callable[[bool], None]
    ) -> None:
        self._guard = guard
        self._utc_now = utc_now
        self._clock = clock
        self._on_change = on_change
        self._off: Off | None = None

    def is_right(self) -> bool:
        """Whether checks may be taken."""
        return self._off is None

    async def receive(self, message: Message) -> None:
        """Takes readings of Postgres's clock."""
        received_at = self._utc_now()
        try:
            readings = decode_clock_readings(message.body).readings
        except msgspec.DecodeError as error:
            log.error("message dropped: it can't be read", topic=message.topic, error=str(error), id=message.id)
            return
        for reading in readings:
            self._guard.read(reading, received_at)
        self.look()

    def claimed(self, claimed_at: datetime) -> None:
        """Takes what a claim says of the clock."""
        self._guard.claimed(claimed_at, self._utc_now(), self._clock())
        self.look()

    def look(self) -> None:
        """Tells when the answer has changed; called from time to time, too, as some evidence expires."""
        before, self._off = self._off, self._guard.off(self._clock())
        if (before is None) == (self._off is None):
            return
        if self._off is None:
            log.info("clock is right again: checks are taken")
        else:
            log.error(f"clock is {self._off}: no checks are taken until it is set right (is NTP running here?)")
        self._on_change(self._off is None)
