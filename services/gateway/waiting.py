"""Requests that wait until something is recorded.

They are woken by the recorder's hints, and besides everything that is waited for is looked up in one query every 100 ms
while anybody waits. So hints make it fast, and losing them makes it no slower than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from shared.messages import FINAL, CommandOutcome, Recorded, Status

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.1
APPLIED: Final = "applied"
"""The outcome of a command that did what it says."""
MAX_WAITING: Final = 5_000


class TooManyWaiting(Exception):
    """No request more may wait here now."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up found: the states of checks, and outcomes of commands."""

    checks: Mapping[UUID, Status]
    outcomes: Sequence[CommandOutcome]


LookUp = Callable[[Sequence[UUID], Sequence[UUID]], Awaitable[Found]]
"""Asks the database about checks and commands."""


class Ticket:
    """One request's interest in a check and, where it sent a command, in what became of that.

    Attributes:
        check_id: the check.
        command_id: the command, or None.
        status: the check's newest known state; None while it is not known to exist.
        outcome: why the command created nothing, once that is known.
    """

    def __init__(self, check_id: UUID, command_id: UUID | None) -> None:
        self.check_id = check_id
        self.command_id = command_id
        self.status: Status | None = None
        self.outcome: CommandOutcome | None = None
        self.cut_short = False
        self._changed = asyncio.Event()

    @property
    def is_settled(self) -> bool:
        """Whether it is known what became of the command: the check exists, or there is an outcome."""
        return self.status is not None or self.outcome is not None

    @property
    def is_final(self) -> bool:
        """Whether the check is in a final state."""
        return self.status in FINAL

    async def settled(self) -> None:
        """Waits for `is_settled`; the deadline is the caller's."""
        while not self.is_settled:
            await self._change()

    async def final(self) -> None:
        """Waits for `is_final`, or until this process stops; the deadline is the caller's."""
        while not (self.is_final or self.cut_short):
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def notice(self, *, status: Status | None = None, outcome: CommandOutcome | None = None) -> None:
        """Takes news and wakes the request."""
        if status is not None and not self.is_final:  # a look-up may have begun before the hint's commit
            self.status = status
        self.outcome = outcome or self.outcome
        self._changed.set()

    def cut(self) -> None:
        """Tells the request to wait for a final state no longer."""
        self.cut_short = True
        self._changed.set()


class Waiting:
    """All requests that wait in this process.

    Args:
        look_up: asks the database.
        unavailable: what `look_up` raises when the database does not answer; it is then asked again.
        most: requests that may wait at once.
        look_every_s: pause between look-ups.
    """

    def __init__(
        self,
        look_up: LookUp,
        *,
        unavailable: type[Exception],
        most: int = MAX_WAITING,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._look_up = look_up
        self._unavailable = unavailable
        self._most = most
        self._look_every_s = look_every_s
        self._tickets: dict[Ticket, None] = {}
        self._by_id: dict[UUID, list[Ticket]] = {}
        self._somebody = asyncio.Event()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._tickets)

    @contextmanager
    def interest(self, check_id: UUID, command_id: UUID | None = None) -> Iterator[Ticket]:
        """Registers interest for as long as the context lasts. To be entered before the command is sent.

        Raises:
            TooManyWaiting: see there.
        """
        if len(self._tickets) >= self._most:
            raise TooManyWaiting
        ticket = Ticket(check_id, command_id)
        ids = [one for one in (check_id, command_id) if one is not None]
        self._tickets[ticket] = None
        for one in ids:
            self._by_id.setdefault(one, []).append(ticket)
        if self._stopping:
            ticket.cut()
        self._somebody.set()
        try:
            yield ticket
        finally:
            del self._tickets[ticket]
            for one in ids:
                self._by_id[one].remove(ticket)
                if not self._by_id[one]:
                    del self._by_id[one]

    def hint(self, recorded: Recorded) -> None:
        """Takes a hint of the recorder."""
        self._notice({check.id: check.status for check in recorded.checks}, recorded.outcomes)

    def _notice(self, checks: Mapping[UUID, Status], outcomes: Collection[CommandOutcome]) -> None:
        for check_id, status in checks.items():
            for ticket in self._by_id.get(check_id, ()):
                ticket.notice(status=status)
        for outcome in outcomes:
            if outcome.outcome == APPLIED:  # the check itself tells that
                continue
            for ticket in self._by_id.get(outcome.id, ()):
                ticket.notice(outcome=outcome)

    def stop(self) -> None:
        """Ends the waiting for final states, now and from now on; what waits for its command goes on."""
        self._stopping = True
        for ticket in list(self._tickets):
            ticket.cut()

    async def run(self) -> None:
        """Looks things up until cancelled."""
        while True:
            if not self._tickets:
                self._somebody.clear()
                await self._somebody.wait()
            await asyncio.sleep(self._look_every_s)
            await self._look()

    async def _look(self) -> None:
        tickets = [ticket for ticket in self._tickets if not ticket.is_final]
        if not tickets:
            return
        checks = list({ticket.check_id for ticket in tickets})
        commands = [t.command_id for t in tickets if t.command_id is not None and not t.is_settled]
        try:
            found = await self._look_up(checks, commands)
        except self._unavailable as error:
            log.warning("what is waited for can't be looked up", error=str(error), waiting=len(tickets))
            return
        self._notice(found.checks, found.outcomes)
