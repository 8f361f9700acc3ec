"""Answers that are kept, and questions that are asked once for all who wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from services.fetcher.robots.answers import Answer
from shared.clock import MonotonicClock

MAX_ORIGINS: Final = 20_000
MAX_BYTES: Final = 32 * 2**20

Ask = Callable[[], Coroutine[Any, Any, Answer]]


@dataclass(frozen=True, slots=True)
class Known:
    """An answer as one caller gets it.

    Attributes:
        answer: the answer.
        left_s: for how many seconds it is still fresh.
        asked: whether it was this caller who had it asked.
    """

    answer: Answer
    left_s: float
    asked: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    until_s: float


@dataclass(eq=False, slots=True)
class _Question:
    task: asyncio.Task[Answer]
    waiting: int = 0


class Cache:
    """Answers by origin; those that were needed least lately are forgotten first.

    A question belongs to this cache, not to who asked first: it goes on while anybody waits for it, and no longer.

    Args:
        clock: monotonic seconds.
        max_origins: how many answers are kept at most.
        max_bytes: how much memory they may take, about.
    """

    def __init__(self, *, clock: MonotonicClock, max_origins: int = MAX_ORIGINS, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_origins = max_origins
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._questions: dict[str, _Question] = {}
        self._tasks: set[asyncio.Task[Answer]] = set()
        self.size_bytes = 0

    def __len__(self) -> int:
        """Number of answers that are kept."""
        return len(self._kept)

    async def get(self, origin: str, ask: Ask) -> Known:
        """Return the answer for an origin, asked for if it is not known.

        Args:
            origin: scheme, host and port.
            ask: begins to ask; whatever it raises is raised to all who wait.
        """
        kept = self._fresh(origin)
        if kept is not None:
            return Known(kept.answer, kept.until_s - self._clock(), asked=False)
        question = self._questions.get(origin)
        asked = question is None
        if question is None:
            question = self._questions[origin] = self._begin(origin, ask)
        question.waiting += 1
        try:
            # Not `shield`: cancelled, this leaves the question alone, and there is nothing to be said of it.
            await asyncio.wait({question.task})
        finally:
            question.waiting -= 1
            if not question.waiting or question.task.done():
                self._end(origin, question)
        answer = question.task.result()
        return Known(answer, answer.fresh_s, asked)

    async def close(self) -> None:
        """End what is being asked; whoever still waits is cancelled."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, origin: str, ask: Ask) -> _Question:
        task = asyncio.create_task(ask(), name=f"robots.txt of {origin}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _Question(task)

    def _end(self, origin: str, question: _Question) -> None:
        """Put a question away that has its answer, or that nobody waits for any more."""
        if self._questions.get(origin) is not question:
            return
        del self._questions[origin]
        if not question.task.done():
            question.task.cancel()
        elif not question.task.cancelled() and question.task.exception() is None:
            self._keep(origin, question.task.result())

    def _fresh(self, origin: str) -> _Kept | None:
        kept = self._kept.get(origin)
        if kept is None:
            return None
        if kept.until_s <= self._clock():
            self._forget(origin)
            return None
        self._kept.move_to_end(origin)
        return kept

    def _keep(self, origin: str, answer: Answer) -> None:
        if answer.fresh_s <= 0:
            return
        self._forget(origin)
        self._kept[origin] = _Kept(answer, self._clock() + answer.fresh_s)
        self.size_bytes += answer.size_bytes
        while len(self._kept) > self._max_origins or self.size_bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, origin: str) -> None:
        kept = self._kept.pop(origin, None)
        if kept is not None:
            self.size_bytes -= kept.answer.size_bytes
