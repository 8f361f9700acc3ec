"""One task with an owner."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Runs one coroutine between `start` and `stop`; what kills it before comes out of `wait` and of `stop`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._task is not None and not self._task.done()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts `work`, once."""
        if self._task is not None:
            work.close()
            raise RuntimeError(f"{self._name} is started twice")
        self._task = asyncio.create_task(work, name=self._name)

    async def wait(self) -> None:
        """Waits for the end; being cancelled here does not end the task.

        Raises:
            RuntimeError: It was not started.
            Exception: Whatever ended it.
        """
        if self._task is None:
            raise RuntimeError(f"{self._name} is not started")
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def stop(self) -> None:
        """Ends it; nothing happens when it was not started."""
        if self._task is not None:
            self._task.cancel()
            await self.wait()
