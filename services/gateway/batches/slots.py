"""Room for uploads: so many are under way at once, and a few more wait a moment for one of them to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from services.gateway.problems import Problem

MOST_AT_ONCE: Final = 16
MOST_WAITING: Final = 64
WAIT_S: Final = 3.0
"""Small uploads end within less: who comes while they are many need not be sent away."""


class Slots:
    """Slots for uploads, given out in the order in which they are asked for.

    Args:
        most: uploads that are under way at once.
        most_waiting: how many more may wait for one of these to end.
        wait_s: how long.
    """

    def __init__(self, most: int = MOST_AT_ONCE, *, most_waiting: int = MOST_WAITING, wait_s: float = WAIT_S) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self._wait_s = wait_s
        self._free = asyncio.Semaphore(most)
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A slot for as long as the context lasts.

        Raises:
            Problem: `too_many_uploads`: none became free in time, or too many wait for one.
        """
        await self._enter()
        try:
            yield
        finally:
            self._free.release()

    async def _enter(self) -> None:
        if self._free.locked() and self._waiting >= self._most_waiting:
            raise self._full()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise self._full() from None
        finally:
            self._waiting -= 1

    def _full(self) -> Problem:
        return Problem("too_many_uploads", f"{self._most} uploads are under way here.")
