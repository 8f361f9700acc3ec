"""Where messages of both topics gather while a flush is under way."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import chain

import msgspec

from shared import messages, topics
from shared.nsq.message import Message

PURGE_ABOVE = 4_000
"""Well above what both consumers have in flight: so many wait only when most of them were lost."""
MOST_BATCH_COMMANDS = 300
"""Commands about batches that wait here. They come through the same consumer as those of single checks, whose places
they must not all take while something holds them up."""
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
            self.purge()
        (self._commands if message.topic == topics.COMMANDS.name else self._reports).append(message)
        self._filled.set()

    def purge(self) -> None:
        """Forgets what was lost."""
        self._commands = deque(each for each in self._commands if not each.is_lost)
        self._reports = deque(each for each in self._reports if not each.is_lost)

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


def sorted_into(
    flush: Inbox, batches: Inbox, hand_back: Callable[[Message], Awaitable[None]]
) -> Callable[[Message], Awaitable[None] | None]:
    """Where commands go: those that may touch many rows into an inbox of their own, all others into the flush's.

    Args:
        flush: of the flush.
        batches: of those that may touch many rows, `MOST_BATCH_COMMANDS` at most.
        hand_back: what is done with those for which there is no room.
    """

    def put(message: Message) -> Awaitable[None] | None:
        if not _touches_many(message):
            flush.put(message)
            return None
        if len(batches) >= MOST_BATCH_COMMANDS:
            batches.purge()
        if len(batches) >= MOST_BATCH_COMMANDS:
            return hand_back(message)
        batches.put(message)
        return None

    return put


def sorted_by_lane(interactive: Inbox, bulk: Inbox) -> Callable[[Message], None]:
    """Where reports go: what a person waits for must not wait for what nobody does."""

    def put(message: Message) -> None:
        (bulk if _may_wait(message) else interactive).put(message)

    return put


def _may_wait(message: Message) -> bool:
    try:
        return messages.lane_of(message.body) == "bulk"
    except msgspec.DecodeError:  # whoever decodes all of it says so
        return True


def _touches_many(message: Message) -> bool:
    try:
        return messages.kind_of(message.body) in messages.BATCH_KINDS
    except msgspec.DecodeError:  # whoever decodes all of it says so
        return False
