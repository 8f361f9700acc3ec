"""Ctrl-C, SIGTERM and SIGHUP, turned into one KeyboardInterrupt, at a moment when it does no harm."""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_REQUEST_S = 1.0


class Interrupts:
    """Counts the requests to stop: the first raises KeyboardInterrupt in the main thread, the others only count.

    Signals close together are one request: `make` passes on a SIGTERM that its whole process group has had already.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._now = now
        self._last = 0.0
        self._held = 0
        self._raised = False

    def install(self) -> None:
        """Takes over the signals of this process, but for those that it was started to ignore (nohup)."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if not self.count or self._now() - self._last >= _ONE_REQUEST_S:
            self.count += 1
            self._last = self._now()
        self._raise_if_due()

    def _raise_if_due(self) -> None:
        if self.count and not self._held and not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self, *, for_good: bool = False) -> Iterator[None]:
        """Lets the block run to its end undisturbed; what came meanwhile is raised after it, or never if `for_good`."""
        self._held += 1
        try:
            yield
        finally:
            if not for_good:
                self._held -= 1
        self._raise_if_due()
