"""Sending a command until it is known what became of it, or until it is too late to wait for that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from services.gateway.dispatching import Dispatcher
from services.gateway.waiting import Waiting
from shared.messages import CancelBatch, CloseBatch, Command, CommandOutcome, FillBatch, SubmitCheck, encode

log = structlog.get_logger(__name__)

GIVE_UP_S: Final = 5.0
_GO_ON: Final = (FillBatch, CloseBatch, CancelBatch)
"""Commands of uploads that were let in, and those that give something up."""

Settled = Callable[[str, str | None, float], None]


class NotCommitted(Exception):
    """Nobody has said in time that a command was applied; it may still be.

    Attributes:
        check_id: the check that the command makes or is about, if it is about one.
        batch_id: or the batch.
    """

    def __init__(self, check_id: UUID | None = None, *, batch_id: UUID | None = None) -> None:
        super().__init__(str(check_id or batch_id or "many checks"))
        self.check_id = check_id
        self.batch_id = batch_id


class Sender:
    """Sends commands.

    Args:
        dispatcher: takes them to the recorder.
        waiting: where to wait for what becomes of them.
        give_up_s: how long to wait for the outcome.
        settled: told the kind of each command, what became of it (None: nobody knows), and how long that took.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        waiting: Waiting,
        *,
        give_up_s: float = GIVE_UP_S,
        settled: Settled = lambda _kind, _outcome, _took_s: None,
    ) -> None:
        self._dispatcher = dispatcher
        self._waiting = waiting
        self._give_up_s = give_up_s
        self._settled = settled

    async def send(self, command: Command, *, give_up_s: float | None = None) -> CommandOutcome | None:
        """Sends a command and returns its outcome; None when that is the check that it made.

        Args:
            command: what to send.
            give_up_s: how long to wait for this one's outcome.

        Raises:
            NotCommitted: no outcome in time.
            TooManyWaiting: there is no room to wait.
        """
        # A check that was there before says nothing about a command.
        made = command.check_id if isinstance(command, SubmitCheck) else None
        kind, began_s, outcome = str(command.__struct_config__.tag), time.perf_counter(), None
        check_id, batch_id = getattr(command, "check_id", None), getattr(command, "batch_id", None)
        names = {"trace": command.trace, "command": str(command.id)}
        with self._waiting.interest(made, command.id, goes_on=isinstance(command, _GO_ON)) as ticket:
            dispatch = self._dispatcher.send(encode(command), names | _names(check_id, batch_id))
            try:
                async with asyncio.timeout(self._give_up_s if give_up_s is None else give_up_s):
                    await ticket.settled()
                outcome = "applied"
                if ticket.outcome is not None:  # an Idempotency-Key may have led to another one
                    outcome, found = ticket.outcome.outcome, ticket.outcome
                    check_id, batch_id = found.check_id or check_id, found.batch_id or batch_id
                tell = log.debug if isinstance(command, FillBatch) else log.info
                tell("command settled", kind=kind, outcome=outcome, **names, **_names(check_id, batch_id))
            except TimeoutError:
                log.warning("no outcome in time", kind=kind, **dispatch.names)
                raise NotCommitted(check_id, batch_id=batch_id) from None
            finally:
                self._dispatcher.call_off(dispatch)
                self._settled(kind, outcome, time.perf_counter() - began_s)
            return ticket.outcome


def _names(check_id: UUID | None, batch_id: UUID | None) -> dict[str, str]:
    """What the log calls the check or the batch by."""
    return {name: str(id_) for name, id_ in (("check", check_id), ("batch", batch_id)) if id_ is not None}
