"""Requests that wait until something is recorded: what became of a command, or a check's final state.

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

from shared.clock import MonotonicClock, monotonic_s
from shared.messages import FINAL, CommandOutcome, Recorded, Status

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.1
MAX_WAITING: Final = 5_000
MANY_COMMANDS: Final = 1_000
"""So many commands may come at once: they are settled in a second or two, or the recorder is being restarted."""
FEW_COMMANDS: Final = 100
"""So many may while commands are settled late: else all of them would be, until the last one gives up."""
PATIENCE_S: Final = 3.0
"""More may as long as they are settled within this time, at the pace of late; who came in would else wait in vain."""
_SOON_S: Final = 1.0


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
    """One request's interest in a check, in what becomes of a command, or in both.

    A command that creates a check is told by either: by the check being there, or by the outcome that says why not.

    Attributes:
        check_id: the check, or None.
        command_id: the command, or None.
        status: the check's newest known state; None while nothing is known of it.
        outcome: what became of the command, once that is known.
        is_deleted: whether the check was there and is gone.
        cut_short: whether to wait for a final state no longer.
    """

    def __init__(self, check_id: UUID | None, command_id: UUID | None) -> None:
        self.check_id = check_id
        self.command_id = command_id
        self.status: Status | None = None
        self.outcome: CommandOutcome | None = None
        self.is_deleted = False
        self.cut_short = False
        self._exists = False
        self._changed = asyncio.Event()

    @property
    def is_settled(self) -> bool:
        """Whether it is known what became of the command: it has an outcome, or the check that it makes was seen."""
        return self.outcome is not None or self._exists or self.is_deleted

    @property
    def is_final(self) -> bool:
        """Whether the check is in a final state."""
        return self.status in FINAL

    @property
    def wants_check(self) -> bool:
        """Whether news of the check would tell more than is known."""
        return self.check_id is not None and not (self.is_final or self.is_deleted)

    @property
    def wants_outcome(self) -> bool:
        """Whether the outcome of the command would."""
        return self.command_id is not None and not self.is_settled

    @property
    def knows_check(self) -> bool:
        """Whether the check is known to have been there."""
        return self._exists

    async def settled(self) -> None:
        """Waits for `is_settled`; the deadline is the caller's."""
        while not self.is_settled:
            await self._change()

    async def final(self) -> None:
        """Waits until the check is final or gone, or this process stops; the deadline is the caller's."""
        while not (self.is_final or self.is_deleted or self.cut_short):
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def begin_again(self) -> None:
        """Takes the check as being there in an unknown state: the caller is about to read it, or has.

        What was heard of it may be older than that: a retried check has been final before.
        """
        self.status = None
        self._exists = True

    def notice_status(self, status: Status) -> None:
        """Takes news of the check."""
        self._exists = True
        if not self.is_final:  # a look-up may have begun before the hint's commit
            self.status = status
        self._changed.set()

    def notice_outcome(self, outcome: CommandOutcome) -> None:
        """Takes what became of the command."""
        self.outcome = outcome
        self._changed.set()

    def notice_deleted(self) -> None:
        """Takes that the check is gone."""
        self.is_deleted = True
        self._changed.set()

    def cut(self) -> None:
        """Tells the request to wait for a final state no longer."""
        self.cut_short = True
        self._changed.set()


class _Pace:
    """How many commands may wait: as many as were settled of late in the time that they may take.

    That is counted in the last whole second, or in this one if it is more already.
    """

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        self._second = 0
        self._counts = (0, 0)
        self._is_late = False

    def ended(self, began_s: float, *, settled: bool) -> None:
        """Takes when a command that waits no longer began to, and whether it was settled."""
        took_s = self._clock() - began_s
        if settled:
            before, now = self._turned()
            self._counts = (before, now + 1)
            # Once late, they are until they come soon: in between they are in time as others were told at once.
            self._is_late = took_s > (_SOON_S if self._is_late else PATIENCE_S)
        elif took_s > PATIENCE_S:
            self._is_late = True

    def most(self) -> float:
        """How many may wait now: those that come in above it are told at once, not when it is too late."""
        return max(FEW_COMMANDS if self._is_late else MANY_COMMANDS, PATIENCE_S * max(self._turned()))

    def _turned(self) -> tuple[int, int]:
        second = int(self._clock())
        if second != self._second:
            self._counts = (self._counts[1] if second == self._second + 1 else 0, 0)
            self._second = second
        return self._counts


class Waiting:
    """All requests that wait in this process.

    Args:
        look_up: asks the database.
        unavailable: what `look_up` raises when the database does not answer; it is then asked again.
        most: requests that may wait at once.
        look_every_s: pause between look-ups.
        clock: tells the pace at which commands are settled.
    """

    def __init__(
        self,
        look_up: LookUp,
        *,
        unavailable: type[Exception],
        most: int = MAX_WAITING,
        look_every_s: float = LOOK_EVERY_S,
        clock: MonotonicClock = monotonic_s,
    ) -> None:
        self._look_up = look_up
        self._unavailable = unavailable
        self._most = most
        self._look_every_s = look_every_s
        self._tickets: dict[Ticket, None] = {}
        self._by_id: dict[UUID, list[Ticket]] = {}
        self._somebody = asyncio.Event()
        self._stopping = False
        self._is_blind = False
        self._commands = 0
        self._clock = clock
        self._pace = _Pace(clock)

    def __len__(self) -> int:
        return len(self._tickets)

    @contextmanager
    def interest(
        self, check_id: UUID | None = None, command_id: UUID | None = None, *, goes_on: bool = False
    ) -> Iterator[Ticket]:
        """Registers interest for as long as the context lasts. To be entered before the command is sent.

        Args:
            check_id: the check.
            command_id: the command.
            goes_on: whether the command goes on with what was let in before, so that only `most` bounds it.

        Raises:
            TooManyWaiting: see there.
        """
        if len(self._tickets) >= self._most:
            raise TooManyWaiting
        if command_id is not None and not goes_on and self._commands >= self._pace.most():
            raise TooManyWaiting
        ticket = Ticket(check_id, command_id)
        ids = [one for one in (check_id, command_id) if one is not None]
        self._tickets[ticket] = None
        for one in ids:
            self._by_id.setdefault(one, []).append(ticket)
        if self._stopping:
            ticket.cut()
        self._somebody.set()
        self._commands += command_id is not None
        began_s = self._clock()
        try:
            yield ticket
        finally:
            if command_id is not None:
                self._commands -= 1
                if not goes_on:
                    self._pace.ended(began_s, settled=ticket.is_settled)
            del self._tickets[ticket]
            for one in ids:
                self._by_id[one].remove(ticket)
                if not self._by_id[one]:
                    del self._by_id[one]

    def hint(self, recorded: Recorded) -> None:
        """Takes a hint of the recorder."""
        self._notice({check.id: check.status for check in recorded.checks}, recorded.outcomes)
        for check_id in recorded.deleted:
            for ticket in self._by_id.get(check_id, ()):
                ticket.notice_deleted()

    def _notice(self, checks: Mapping[UUID, Status], outcomes: Collection[CommandOutcome]) -> None:
        for check_id, status in checks.items():
            for ticket in self._by_id.get(check_id, ()):
                ticket.notice_status(status)
        for outcome in outcomes:
            for ticket in self._by_id.get(outcome.id, ()):
                ticket.notice_outcome(outcome)

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
        checks = {t.check_id for t in self._tickets if t.check_id is not None and t.wants_check}
        commands = {t.command_id for t in self._tickets if t.command_id is not None and t.wants_outcome}
        if not checks and not commands:
            return
        # What is known to be there before the question is sent, and is not found by it, was deleted in between.
        known = [t for t in self._tickets if t.wants_check and t.knows_check]
        try:
            found = await self._look_up(list(checks), list(commands))
        except self._unavailable as error:
            if not self._is_blind:  # once, not ten times a second
                log.warning("what is waited for can't be looked up", error=str(error), waiting=len(self._tickets))
            self._is_blind = True
            return
        if self._is_blind:
            log.info("what is waited for is looked up again")
            self._is_blind = False
        self._notice(found.checks, found.outcomes)
        for ticket in known:
            if ticket.check_id not in found.checks:
                ticket.notice_deleted()
