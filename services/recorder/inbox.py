"""Where messages of both topics gather while a flush is under way."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import chain

import msgspec

from shared import messages, topics
from shared.nsq.message import Message

PURGE_ABOVE = 4_000
"""Well above what both consumers have in flight: so many wait only when most of them were lost."""
REPORTS_OF_A_SET = 5
"""At least one in so many of a set is a report, if there are any: a crowd of commands must not keep results out."""


class Inbox:
    """A queue that gives out all that waits, up to a bound: one message when idle, sets when busy.

    Commands go before reports, as a person waits for each. Its size is bounded by what the consumers have in flight. A
    message that was lost meanwhile (its nsqd has gone, or delivers it anew) is passed over: its next delivery is in
    here already, or will be.
    """

    def __init__(self) -> None:
        self._commands: deque[Message] = deque()
        self._reports: deque[Message] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._commands) + len(self._reports)

    def put(self, message: Message) -> None:
        """Takes a message; it is finished or requeued later, by whoever takes it out."""
        if len(self) >= PURGE_ABOVE:
            self._commands = deque(each for each in self._commands if not each.is_lost)
            self._reports = deque(each for each in self._reports if not each.is_lost)
        (self._commands if message.topic == topics.COMMANDS.name else self._reports).append(message)
        self._filled.set()

    async def take(self, most: int) -> list[Message]:
        """Waits for a message, then returns those that are there, commands first, the oldest first, `most` at most."""
        while True:
            await self._filled.wait()
            commands = min(len(self._commands), most - min(len(self._reports), most // REPORTS_OF_A_SET))
            reports = min(len(self._reports), most - commands)
            taken = list(
                chain(
                    (self._commands.popleft() for _ in range(commands)),
                    (self._reports.popleft() for _ in range(reports)),
                )
            )
            if not len(self):
                self._filled.clear()
            if present := [message for message in taken if not message.is_lost]:
                return present


def sorted_into(flush: Inbox, batches: Inbox) -> Callable[[Message], None]:
    """Where commands go: those that may touch many rows into an inbox of their own, all others into the flush's."""

    def put(message: Message) -> None:
        (batches if _touches_many(message) else flush).put(message)

    return put


def _touches_many(message: Message) -> bool:
    try:
        return messages.kind_of(message.body) in messages.BATCH_KINDS
    except msgspec.DecodeError:  # whoever decodes all of it says so
        return False
