"""Keeps checks and batches coming in while something is about to die."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tests.acceptance.stream import Stream
from tests.chaos.plan import Plan
from tests.chaos.uploads import Uploads

SINGLES_EACH_BATCH = 35
PAGES_OF_A_BATCH = (10, 45)
LARGE_ONE_IN, PAGES_OF_A_LARGE_ONE = 20, 150


class Feeder:
    """Submits what the plan has next, as long as it is told to.

    Attributes:
        at_once: how much is to be under way at most, by what was seen of it.
    """

    def __init__(self, plan: Plan, stream: Stream, uploads: Uploads, rng: random.Random) -> None:
        self.at_once = 110
        self._pace_per_s = 1.0
        self._plan = plan
        self._stream = stream
        self.uploads = uploads
        self._rng = rng
        self._feeding = asyncio.Event()
        self._tasks: dict[asyncio.Task[Any], int] = {}
        self._batches = 0

    def feed(self, pace_per_s: float = 100.0) -> None:
        """Lets it begin, or go on at another pace."""
        self._pace_per_s = pace_per_s
        self._feeding.set()

    def pause(self) -> None:
        """Nothing more is asked for; what was asked for goes on until it is accepted."""
        self._feeding.clear()

    async def finish(self) -> None:
        """Pauses, and waits until all that was asked for is accepted.

        Raises:
            AssertionError: Something was not, in the time that is allowed for that.
        """
        self.pause()
        await asyncio.gather(*self._tasks)

    async def run(self) -> None:
        """Feeds until cancelled."""
        while True:
            await self._feeding.wait()
            for task in [task for task in self._tasks if task.done() and task.exception() is None]:
                del self._tasks[task]
            if len(self._stream.under_way) + sum(self._tasks.values()) < self.at_once:
                self._submit()
            await asyncio.sleep(1 / self._pace_per_s)

    def _submit(self) -> None:
        if self._rng.random() < 1 / SINGLES_EACH_BATCH:
            self._batches += 1
            pages = self._rng.randint(*PAGES_OF_A_BATCH)
            upload = self._plan.upload(PAGES_OF_A_LARGE_ONE if self._batches % LARGE_ONE_IN == 0 else pages)
            self._start(self.uploads.send(upload), len(upload.numbers))
        else:
            self._start(self._stream.submit(self._plan.number()), 1)

    def _start(self, work: Coroutine[Any, Any, Any], checks: int) -> None:
        self._tasks[asyncio.create_task(work)] = checks

    async def close(self) -> None:
        """Pauses for good, and gives up what is not accepted yet."""
        self.pause()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def feeding(plan: Plan, stream: Stream, uploads: Uploads, rng: random.Random) -> AsyncIterator[Feeder]:
    """A feeder that runs, and pauses at first, until the block ends."""
    feeder = Feeder(plan, stream, uploads, rng)
    running = asyncio.create_task(feeder.run())
    try:
        yield feeder
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await feeder.close()
