"""Ends this process when its event loop hangs: nothing inside a loop that hangs can do that.

Two timers of the system, wound up anew every second. One counts the processor time of this process alone, so that
a fetcher which was merely stopped from outside goes on when it is continued. The other counts time as such and is long:
it ends whatever hangs without computing.
"""

import asyncio
import faulthandler
import signal
from dataclasses import dataclass

from services.fetcher.reading.threads import CountingThreads, StuckThread

EVERY_S = 1.0
_STDERR = 2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long pages may hold this process up.

    Attributes:
        loop_cpu_s: processor time of the process without a sign of its loop, after which SIGPROF ends it.
        loop_s: time without a sign of its loop, also while stopped from outside, after which it exits with code 1.
        thread_s: seconds that one page may hold a counting thread, after which the service ends with code 1.
    """

    loop_cpu_s: float = 15.0
    loop_s: float = 120.0
    thread_s: int = 20


class Watchdog:
    """Watches the event loop that runs it, and the threads that count."""

    def __init__(self, threads: CountingThreads, patience: Patience) -> None:
        self._threads = threads
        self._patience = patience

    async def run(self) -> None:
        """Watches until cancelled.

        Raises:
            StuckThread: A page holds a thread. The long timer runs on: the service has that time to end in order.
        """
        if not faulthandler.is_enabled():
            faulthandler.enable(file=_STDERR)  # a page that crashes this process leaves a trace, too
        faulthandler.register(signal.SIGPROF, file=_STDERR, all_threads=True, chain=True)  # shows where, then ends it
        while True:
            self._wind_up()
            try:
                self._threads.tick()
            except StuckThread:
                signal.setitimer(signal.ITIMER_PROF, 0)  # the thread computes on while the service ends
                raise
            await asyncio.sleep(EVERY_S)

    def _wind_up(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self._patience.loop_cpu_s)
        faulthandler.dump_traceback_later(self._patience.loop_s, exit=True, file=_STDERR)

    @staticmethod
    def disarm() -> None:
        """Stops both timers."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        faulthandler.unregister(signal.SIGPROF)
