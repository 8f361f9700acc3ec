"""What a flush decides, check by check, between its reads and its writes: pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.recorder import lifecycle, orders
from services.recorder.lifecycle import Change, CheckState, RetryPolicy
from shared.messages import (
    AttemptFinished,
    AttemptRef,
    AttemptsLate,
    AttemptsStarted,
    CheckCommand,
    CommandOutcome,
    Report,
)
from shared.urls import InvalidUrl, host_key_of

Jitter = Callable[[], float]
"""Returns a factor between 0.5 and 1.5."""

AttemptName = tuple[UUID, int]
"""A check's id and the number of one of its attempts."""


@dataclass(slots=True)
class Reports:
    """The reports of one flush, each attempt's outcome once."""

    started: list[AttemptRef]
    finished: list[AttemptFinished]
    late: list[AttemptRef]

    @classmethod
    def of(cls, reports: Iterable[Report]) -> "Reports":
        """Sorts reports by kind; a count wins over a failure of the same attempt."""
        kept: dict[AttemptName, AttemptFinished] = {}
        started: list[AttemptRef] = []
        late: list[AttemptRef] = []
        for report in reports:
            match report:
                case AttemptsStarted(attempts=refs):
                    started += refs
                case AttemptsLate(attempts=refs):
                    late += refs
                case AttemptFinished():
                    name = (report.check_id, report.attempt)
                    if name not in kept or (kept[name].error is not None and report.error is None):
                        kept[name] = report
        return cls(started, list(kept.values()), late)

    @property
    def ending(self) -> list[AttemptFinished | AttemptRef]:
        """Those that end a lease."""
        return [*self.finished, *self.late]

    def hosts(self) -> set[str]:
        """Whose turns and pauses they change."""
        asked_to_pause = [each for each in self.finished if each.error is not None and each.error.retry_after_s]
        return {each.host for each in self.ending} | {answering_host(each) for each in asked_to_pause}


def answering_host(report: AttemptFinished) -> str:
    """The host that asked for a pause: where the redirects led, or a link shortener would pause for all its targets."""
    try:
        return host_key_of(report.facts.final_url) if report.facts.final_url else report.host
    except InvalidUrl:  # of a fetcher with other rules
        return report.host


@dataclass(slots=True)
class Ledger:
    """The rows as they were read, and what has become of them since.

    Attributes:
        states: of checks by id, each as it is after all changes so far; one that is not there has no row.
        before: the same as they were read.
        changes: the newest change of each check that changed.
        history: outcomes of attempts, for the history.
        pauses: hosts that asked for fewer requests, and for how many seconds: whatever becomes of the check.
        reopened: checks that a new run was asked for.
        deleted: checks that go, with all that belongs to them.
        outcomes: of commands.
    """

    states: dict[UUID, CheckState]
    changes: dict[UUID, Change] = field(default_factory=dict)
    history: list[AttemptFinished] = field(default_factory=list)
    pauses: list[tuple[str, float]] = field(default_factory=list)
    reopened: set[UUID] = field(default_factory=set)
    deleted: set[UUID] = field(default_factory=set)
    outcomes: list[CommandOutcome] = field(default_factory=list)
    before: Mapping[UUID, CheckState] = field(init=False)

    def __post_init__(self) -> None:
        self.before = dict(self.states)

    def report(
        self, reports: Reports, leases: Collection[AttemptName], now: datetime, policy: RetryPolicy, jitter: Jitter
    ) -> None:
        """Applies reports: `leases` are the names of the attempts whose lease they ended."""
        for ref in reports.started:
            if state := self.states.get(ref.check_id):
                self._keep(ref.check_id, lifecycle.started(state, ref))
        ended = set(leases)
        for report in reports.finished:
            had_lease = _take(ended, (report.check_id, report.attempt))
            if had_lease and report.error is not None and report.error.retry_after_s:
                self.pauses.append((answering_host(report), report.error.retry_after_s))
            if state := self.states.get(report.check_id):
                change = lifecycle.finished(state, report, had_lease=had_lease, now=now, policy=policy, jitter=jitter())
                self._keep(report.check_id, change)
        for ref in reports.late:
            if state := self.states.get(ref.check_id):
                had_lease = _take(ended, (ref.check_id, ref.attempt))
                self._keep(ref.check_id, lifecycle.late(state, ref, had_lease=had_lease, now=now))

    def command(self, commands: Iterable[CheckCommand], known: Mapping[UUID, CommandOutcome], now: datetime) -> None:
        """Applies commands in the order of their ids; of one that was applied before, the `known` outcome stands."""
        for command in sorted(commands, key=lambda each: each.id):
            if command.id in known:
                self.outcomes.append(known[command.id])
                continue
            if command.expires_at < now:
                self._outcome(command, "expired")
                continue
            outcome, change = orders.decide(self.states.get(command.check_id), command, now)
            self._outcome(command, outcome)
            self._keep(command.check_id, change)
            if outcome == "deleted":
                self._delete(command.check_id)
            elif change is not None and change.due_at is not None:
                self.reopened.add(command.check_id)
            elif change is not None:
                self.reopened.discard(command.check_id)

    def _outcome(self, command: CheckCommand, outcome: str) -> None:
        self.outcomes.append(CommandOutcome(id=command.id, outcome=outcome, check_id=command.check_id))

    def _delete(self, check_id: UUID) -> None:
        del self.states[check_id]
        self.changes.pop(check_id, None)
        self.reopened.discard(check_id)
        self.history = [report for report in self.history if report.check_id != check_id]
        self.deleted.add(check_id)

    def _keep(self, check_id: UUID, change: Change | None) -> None:
        if change is None:
            return
        if change.history is not None:
            self.history.append(change.history)
        if change.state != self.states[check_id]:
            self.states[check_id] = change.state
            self.changes[check_id] = change


def _take(names: set[AttemptName], name: AttemptName) -> bool:
    there = name in names
    names.discard(name)
    return there
