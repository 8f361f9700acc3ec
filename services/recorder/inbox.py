"""Where messages of both topics gather while a flush is under way."""

import asyncio
from collections import deque

from shared.nsq.message import Message


class Inbox:
    """A queue that gives out all that waits, up to a bound: one message when idle, sets when busy.

    Its size is bounded by what the consumers have in flight: each message in it is unfinished at its nsqd.
    """

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._filled = asyncio.Event()

    def put(self, message: Message) -> None:
        """Takes a message; it is finished or requeued later, by whoever takes it out."""
        self._waiting.append(message)
        self._filled.set()

    async def take(self, most: int) -> list[Message]:
        """Waits for a message, then returns those that are there, oldest first, `most` at most."""
        await self._filled.wait()
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not self._waiting:
            self._filled.clear()
        return taken
