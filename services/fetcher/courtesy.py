"""Bulk work steps back while a check is in hand that a person waits for.

Whatever has begun shares one event loop. A crowd of pages that begin together has each step of a person's page wait for
a step of each of them: beside two hundred lines a second that came to forty milliseconds of the slowest twentieth.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from shared.clock import MonotonicClock

WAITS_S: Final = 0.02
"""So long bulk work holds off for a person's page; one that takes longer waits for the network, and needs no loop."""


class Courtesy:
    """Lets attempts of batches begin, one at a time."""

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        self._persons = 0
        self._until_s = 0.0
        self._left = asyncio.Event()
        self._turn = asyncio.Lock()

    @contextmanager
    def person(self) -> Iterator[None]:
        """Has bulk work hold off, for `WAITS_S` at most."""
        self._persons += 1
        self._until_s = self._clock() + WAITS_S
        try:
            yield
        finally:
            self._persons -= 1
            if not self._persons:
                self._left.set()

    async def turn(self) -> None:
        """Waits for the turn of an attempt of a batch: whatever is ready goes first, and persons for a moment.

        However many persons there are, one attempt waits for `WAITS_S` at most when its turn has come.
        """
        async with self._turn:
            if self._persons and (left_s := self._until_s - self._clock()) > 0:
                self._left.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await self._left.wait()
            await asyncio.sleep(0)
