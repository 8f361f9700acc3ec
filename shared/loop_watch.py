"""How late an event loop is: what every service tells of itself, and what ends one whose loop has stopped turning."""

import asyncio
import faulthandler
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

from shared.clock import MonotonicClock, monotonic_s

EVERY_S: Final = 0.25
STALLED_S: Final = 120.0
"""A loop that has not turned for so long ends its process: to whoever supervises that, it looks alive for ever."""
_STDERR: Final = 2


class LoopWatch:
    """Measures how much later than asked for its loop wakes it.

    Args:
        registry: where the lag is told.
        clock: monotonic seconds.
        on_turn: called at each turn.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        clock: MonotonicClock = monotonic_s,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._on_turn = on_turn
        self._lag = Histogram(
            "wordwatch_event_loop_lag_seconds",
            "How late the event loop came to what was due, four times a second",
            registry=registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            self._on_turn()
            due_s = self._clock() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._lag.observe(max(0.0, self._clock() - due_s))


def end_when_stalled(after_s: float) -> None:
    """Winds up a timer that ends this process with a traceback of all threads, unless it is wound up again in time.

    It belongs to the process, not to the loop: nothing inside a loop that hangs can end it.
    """
    faulthandler.dump_traceback_later(after_s, exit=True, file=_STDERR)


def may_stall() -> None:
    """Stops that timer."""
    faulthandler.cancel_dump_traceback_later()
