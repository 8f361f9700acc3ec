"""Time as an argument: what decides by the clock is given one, so that tests can give another."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

WallClock = Callable[[], datetime]
"""Returns the present time, with time zone UTC."""

MonotonicClock = Callable[[], float]
"""Returns seconds that never go back; only differences mean something."""


def utc_now() -> datetime:
    """The wall clock of this machine."""
    return datetime.now(UTC)


monotonic_s: MonotonicClock = time.monotonic
