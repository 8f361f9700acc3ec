"""The changes that callers can ask for, each as a command and what its outcome means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from services.gateway.inputs import MAX_AHEAD_DAYS
from services.gateway.requests import CheckRequest
from services.gateway.sending import NotCommitted, Sender
from shared.clock import WallClock
from shared.messages import (
    CancelCheck,
    CheckCommand,
    CommandOutcome,
    DeleteCheck,
    Idempotency,
    RetryCheck,
    SubmitCheck,
)

EXPIRES_S: Final = 60.0
_DONE: Final = frozenset({"applied", "deleted"})
"""Outcomes of commands that did what they say."""


class Refused(Exception):
    """The command changed nothing.

    Attributes:
        outcome: the recorder's code of why not.
        about: what the command was about.
    """

    def __init__(self, outcome: str, *, about: Literal["check", "batch"] = "check") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.about = about


@dataclass(frozen=True, slots=True)
class Submitted:
    """A committed check.

    Attributes:
        check_id: its id.
        repeated: whether an earlier request with the same Idempotency-Key made it.
    """

    check_id: UUID
    repeated: bool


class Commands:
    """Asks the recorder for changes. Each returns once its change is committed.

    All may raise, besides what they say:
        NotCommitted: no outcome in time.
        Refused: it was decided against.
        TooManyWaiting: there is no room to wait.

    Args:
        sender: sends the commands.
        clock: the time by which they expire.
        new_id: makes ids of commands and checks.
    """

    def __init__(self, sender: Sender, *, clock: WallClock, new_id: Callable[[], UUID]) -> None:
        self._sender = sender
        self._clock = clock
        self._new_id = new_id

    def latest_start(self) -> datetime:
        """How late a check that is asked for now may begin."""
        return self._clock() + timedelta(days=MAX_AHEAD_DAYS)

    async def submit(self, request: CheckRequest, *, key: str | None, trace: str) -> Submitted:
        """Makes a check, or finds the one that this Idempotency-Key has made."""
        command = SubmitCheck(
            id=self._new_id(),
            expires_at=self._expiry(),
            check_id=self._new_id(),
            url=request.url,
            host=request.host,
            question=request.question,
            label=request.label,
            idempotency=None if key is None else Idempotency(key=key, digest=request.digest()),
            trace=trace,
            run_at=request.run_at,
        )
        return _submitted(command.check_id, await self._sender.send(command))

    async def cancel(self, check_id: UUID, *, trace: str) -> None:
        """Gives a check up."""
        await self._see_done(CancelCheck, check_id, trace)

    async def retry(self, check_id: UUID, *, trace: str) -> None:
        """Begins a new run of a failed or cancelled check."""
        await self._see_done(RetryCheck, check_id, trace)

    async def delete(self, check_id: UUID, *, trace: str) -> None:
        """Removes a check with its history."""
        await self._see_done(DeleteCheck, check_id, trace)

    async def _see_done(self, kind: type[CheckCommand], check_id: UUID, trace: str) -> None:
        command = kind(id=self._new_id(), expires_at=self._expiry(), check_id=check_id, trace=trace)
        require_done(await self._sender.send(command), check_id=check_id)

    def _expiry(self) -> datetime:
        return self._clock() + timedelta(seconds=EXPIRES_S)


def require_done(outcome: CommandOutcome | None, *, check_id: UUID | None = None, batch_id: UUID | None = None) -> None:
    """Sees to it that a command about a check, or else about a batch or many, did what it says.

    Raises:
        NotCommitted: it expired.
        Refused: it was decided against.
    """
    became = "expired" if outcome is None else outcome.outcome
    if became == "expired":
        raise NotCommitted(check_id, batch_id=batch_id)
    if became not in _DONE:
        raise Refused(became, about="batch" if check_id is None else "check")


def _submitted(check_id: UUID, outcome: CommandOutcome | None) -> Submitted:
    if outcome is None or outcome.outcome == "applied":
        return Submitted(check_id, repeated=False)
    if outcome.outcome == "repeated" and outcome.check_id is not None:
        return Submitted(outcome.check_id, repeated=True)
    if outcome.outcome == "expired":
        raise NotCommitted(check_id)
    raise Refused(outcome.outcome)
