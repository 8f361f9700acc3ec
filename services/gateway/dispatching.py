"""The way out for commands: those of one turn of the event loop go together, and again where they may have been lost.

The way to nsqd and its answer cost more than the command that goes it. So a busy gateway sends many at once, an idle
one each by itself, and nobody waits for company.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

import structlog

from shared import topics
from shared.nsq.errors import NsqError
from shared.nsq.producer import split

log = structlog.get_logger(__name__)

REPEAT_S: Final = 2.5
_PUBLISH_WITHIN_S: Final = 5.0
_AFTER_ERROR_S: Final = 0.1


class Receipt(Protocol):
    """Where messages were taken."""

    async def wait_lost(self) -> None:
        """Waits until the connection ends that took them."""


class Publisher(Protocol):
    """What `shared.nsq.producer.Producer` does."""

    async def publish_set(self, topic: str, bodies: Sequence[bytes], *, timeout_s: float | None = None) -> Receipt:
        """Publishes messages together; raises NsqError."""


@dataclass(eq=False, slots=True)
class Dispatch:
    """A command on its way.

    Attributes:
        body: the command as JSON.
        names: by which the log calls it.
        together: those that it was sent with, once it was sent.
    """

    body: bytes
    names: Mapping[str, str]
    together: _Together | None = None


@dataclass(eq=False, slots=True)
class _Together:
    """What was sent together, as far as it is still wanted, and the task that sees to it."""

    wanted: dict[Dispatch, None]
    task: asyncio.Task[None] | None = None

    def tell(self, event: str) -> None:
        for each in self.wanted:
            log.info(event, **each.names)


class Dispatcher:
    """Publishes commands, and once more those that are still wanted after `repeat_s`, or when their connection drops.

    How many are on their way is bounded by those who wait for what becomes of them, see `waiting`.

    Args:
        publisher: takes them to the recorder.
        repeat_s: from when a command was sent first until it is repeated.
    """

    def __init__(self, publisher: Publisher, *, repeat_s: float = REPEAT_S) -> None:
        self._publisher = publisher
        self._repeat_s = repeat_s
        self._next: dict[Dispatch, None] = {}
        self._filled = asyncio.Event()

    def send(self, body: bytes, names: Mapping[str, str]) -> Dispatch:
        """Sends a command, and sees to it until it is called off."""
        dispatch = Dispatch(body, names)
        self._next[dispatch] = None
        self._filled.set()
        return dispatch

    def call_off(self, dispatch: Dispatch) -> None:
        """Sends it no more: it is known what became of it, or nobody waits for that."""
        together = dispatch.together
        if together is None:
            del self._next[dispatch]
            return
        del together.wanted[dispatch]
        if not together.wanted and together.task is not None:
            together.task.cancel()

    async def run(self) -> None:
        """Sends what there is, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._filled.wait()
                self._filled.clear()
                taken, self._next = self._next, {}
                for together in _sets(taken):
                    together.task = group.create_task(self._see_through(together))

    async def _see_through(self, together: _Together) -> None:
        """Publishes until nothing of it is wanted any more: then it is cancelled."""
        repeat_at: float | None = asyncio.get_running_loop().time() + self._repeat_s
        while True:
            receipt = await self._publish(together)
            try:
                async with asyncio.timeout_at(repeat_at):
                    await receipt.wait_lost()
            except TimeoutError:
                repeat_at = None
                together.tell("command repeated: no outcome yet")
            else:
                together.tell("command repeated: the connection that took it dropped")

    async def _publish(self, together: _Together) -> Receipt:
        while True:
            bodies = [each.body for each in together.wanted]
            try:
                return await self._publisher.publish_set(topics.COMMANDS.name, bodies, timeout_s=_PUBLISH_WITHIN_S)
            except NsqError as error:
                log.warning("commands not published", error=str(error), count=len(bodies))
                await asyncio.sleep(_AFTER_ERROR_S)


def _sets(taken: dict[Dispatch, None]) -> Iterable[_Together]:
    """Puts together what goes with one MPUB."""
    dispatches = iter(taken)
    for bodies in split([each.body for each in taken]):
        together = _Together(dict.fromkeys(islice(dispatches, len(bodies))))
        for each in together.wanted:
            each.together = together
        yield together
