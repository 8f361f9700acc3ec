"""From a valid request to a committed check: the command is sent, and what became of it is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from services.gateway.requests import CheckRequest
from services.gateway.waiting import Ticket, Waiting
from shared import topics
from shared.clock import WallClock
from shared.messages import CommandOutcome, Idempotency, SubmitCheck, encode
from shared.nsq.errors import NsqError

log = structlog.get_logger(__name__)

EXPIRES_S: Final = 60.0
GIVE_UP_S: Final = 5.0
REPEAT_S: Final = 2.5
_AFTER_ERROR_S: Final = 0.1


class Receipt(Protocol):
    """Where a message was taken."""

    async def wait_lost(self) -> None:
        """Waits until the connection ends that took it."""


class Publisher(Protocol):
    """What `shared.nsq.producer.Producer` does."""

    async def publish(self, topic: str, body: bytes, *, timeout_s: float | None = None) -> Receipt:
        """Publishes one message; raises NsqError."""


class NotCommitted(Exception):
    """Nobody has said in time that the command was applied; it may still be.

    Attributes:
        check_id: the id that the check then has.
    """

    def __init__(self, check_id: UUID) -> None:
        super().__init__(str(check_id))
        self.check_id = check_id


class Refused(Exception):
    """The command created nothing.

    Attributes:
        outcome: the recorder's code of why not.
    """

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Submitted:
    """A committed check.

    Attributes:
        check_id: its id.
        repeated: whether an earlier request with the same Idempotency-Key made it.
    """

    check_id: UUID
    repeated: bool


class Submitter:
    """Submits checks.

    Args:
        publisher: sends the commands.
        waiting: where to wait for what becomes of them.
        clock: the time by which commands expire.
        new_id: makes ids of commands and checks.
        give_up_s: how long to wait for the outcome.
        repeat_s: when to send the command a second time, if there is no outcome by then.
    """

    def __init__(
        self,
        publisher: Publisher,
        waiting: Waiting,
        *,
        clock: WallClock,
        new_id: Callable[[], UUID],
        give_up_s: float = GIVE_UP_S,
        repeat_s: float = REPEAT_S,
    ) -> None:
        self._publisher = publisher
        self._waiting = waiting
        self._clock = clock
        self._new_id = new_id
        self._give_up_s = give_up_s
        self._repeat_s = repeat_s

    async def submit(self, request: CheckRequest, *, key: str | None, trace: str) -> Submitted:
        """Asks for a check and returns once it is committed.

        Raises:
            NotCommitted: no outcome in time.
            Refused: it was decided against.
            TooManyWaiting: there is no room to wait.
        """
        command = SubmitCheck(
            id=self._new_id(),
            expires_at=self._clock() + timedelta(seconds=EXPIRES_S),
            check_id=self._new_id(),
            url=request.url,
            host=request.host,
            question=request.question,
            label=request.label,
            idempotency=None if key is None else Idempotency(key=key, digest=request.digest()),
            trace=trace,
        )
        with self._waiting.interest(command.check_id, command.id) as ticket:
            try:
                async with asyncio.timeout(self._give_up_s):
                    await self._see_through(encode(command), ticket)
            except TimeoutError:
                log.warning("no outcome in time", check=str(command.check_id), command=str(command.id))
                raise NotCommitted(command.check_id) from None
            return _submitted(command.check_id, ticket.outcome)

    async def _see_through(self, body: bytes, ticket: Ticket) -> None:
        """Sends the command until it is known what became of it; cancelled at the deadline."""
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(body))
            await ticket.settled()
            sending.cancel()

    async def _send(self, body: bytes) -> None:
        """Publishes, and again whenever the connection drops that took it, and once after `repeat_s`."""
        repeat_at: float | None = asyncio.get_running_loop().time() + self._repeat_s
        while True:
            receipt = await self._publish(body)
            try:
                async with asyncio.timeout_at(repeat_at):
                    await receipt.wait_lost()
            except TimeoutError:
                repeat_at = None
                log.info("command repeated: no outcome yet")
            else:
                log.info("command repeated: the connection that took it dropped")

    async def _publish(self, body: bytes) -> Receipt:
        while True:
            try:
                return await self._publisher.publish(topics.COMMANDS.name, body, timeout_s=self._give_up_s)
            except NsqError as error:
                log.warning("command not published", error=str(error))
                await asyncio.sleep(_AFTER_ERROR_S)  # until the deadline of the whole


def _submitted(check_id: UUID, outcome: CommandOutcome | None) -> Submitted:
    if outcome is None:
        return Submitted(check_id, repeated=False)
    if outcome.outcome == "repeated" and outcome.check_id is not None:
        return Submitted(outcome.check_id, repeated=True)
    if outcome.outcome == "expired":
        raise NotCommitted(check_id)
    raise Refused(outcome.outcome)
