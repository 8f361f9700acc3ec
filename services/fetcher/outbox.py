"""The way out for reports: whatever waits while one publish is under way goes with the next."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from shared import topics
from shared.messages import AttemptRef, AttemptsLate, AttemptsStarted, encode
from shared.nsq.errors import NsqError
from shared.nsq.producer import Producer

HOLD_S: Final = 0.03


class Outbox:
    """Publishes reports on `results`: those that a person waits for at once, others together in one MPUB.

    Each way to nsqd and from there to the recorder costs all of them more than the report that goes it. Others wait for
    `HOLD_S` at most, and no longer than half of what is in hand waits here: the other half has the places meanwhile.

    Its size is bounded by the checks in flight: each has at most one report here that it waits for.

    Args:
        producer: publishes.
        fetcher: the name of this one.
        timeout_s: for a publish.
        in_hand: tells how many checks are in flight.
    """

    def __init__(self, producer: Producer, *, fetcher: str, timeout_s: float, in_hand: Callable[[], int]) -> None:
        self._producer = producer
        self._fetcher = fetcher
        self._timeout_s = timeout_s
        self._in_hand = in_hand
        self._bodies: list[bytes] = []
        self._started: list[AttemptRef] = []
        self._late: list[AttemptRef] = []
        self._next: asyncio.Future[None] | None = None
        self._filled = asyncio.Event()
        self._enough = asyncio.Event()

    async def publish(self, report: bytes, *, at_once: bool = False) -> None:
        """Returns when an nsqd has taken the report, given as JSON.

        Raises:
            NsqError: none has, in time.
        """
        self._bodies.append(report)
        if at_once or 2 * len(self._bodies) >= self._in_hand():
            self._enough.set()
        await self._taken()

    async def late(self, ref: AttemptRef) -> None:
        """As `publish`, for an attempt that was not begun; those of a moment share one message."""
        self._late.append(ref)
        await self._taken()

    def started(self, ref: AttemptRef) -> None:
        """Says that an attempt is under way. Nobody waits for it: without this word the check only shows as queued."""
        self._started.append(ref)
        self._filled.set()

    async def _taken(self) -> None:
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._filled.set()
        await asyncio.shield(self._next)  # shared by all that wait: one that is cancelled must not take it along

    async def run(self) -> None:
        """Publishes until cancelled."""
        while True:
            await self._filled.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_S):
                    await self._enough.wait()
            self._filled.clear()
            self._enough.clear()
            bodies, waiting = self._take()
            try:
                await self._producer.publish_many(topics.RESULTS.name, bodies, timeout_s=self._timeout_s)
            except NsqError as error:
                if waiting is not None:
                    waiting.set_exception(error)
                    waiting.exception()  # it may be that all who waited have gone
            else:
                if waiting is not None:
                    waiting.set_result(None)

    def _take(self) -> tuple[Sequence[bytes], asyncio.Future[None] | None]:
        bodies, waiting = self._bodies, self._next
        if self._started:
            bodies.append(encode(AttemptsStarted(fetcher=self._fetcher, attempts=tuple(self._started))))
        if self._late:
            bodies.append(encode(AttemptsLate(fetcher=self._fetcher, attempts=tuple(self._late))))
        self._bodies, self._started, self._late, self._next = [], [], [], None
        return bodies, waiting
