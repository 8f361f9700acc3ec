"""Where messages of both topics gather while a flush is under way."""

import asyncio
from collections import deque

from shared.nsq.message import Message

PURGE_ABOVE = 4_000
"""Well above what both consumers have in flight: so many wait only when most of them were lost."""


class Inbox:
    """A queue that gives out all that waits, up to a bound: one message when idle, sets when busy.

    Its size is bounded by what the consumers have in flight. A message that was lost meanwhile (its nsqd has gone, or
    delivers it anew) is passed over: its next delivery is in here already, or will be.
    """

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Takes a message; it is finished or requeued later, by whoever takes it out."""
        if len(self._waiting) >= PURGE_ABOVE:
            self._waiting = deque(each for each in self._waiting if not each.is_lost)
        self._waiting.append(message)
        self._filled.set()

    async def take(self, most: int) -> list[Message]:
        """Waits for a message, then returns those that are there, oldest first, `most` at most."""
        while True:
            await self._filled.wait()
            taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            if not self._waiting:
                self._filled.clear()
            if present := [message for message in taken if not message.is_lost]:
                return present
