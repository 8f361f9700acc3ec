"""What a commit tells the log: which request made it, which check it is about, and what became of that. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.recorder.ledger import Ledger
from shared.messages import AttemptFinished, AttemptRef, CommandOutcome, LoneCommand


@dataclass(frozen=True, slots=True)
class About:
    """What the log needs of a check besides its id: the request that made it, and its lane."""

    trace: str
    bulk: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A line: of bulk work it is for those who look for it, one for each check would drown all others."""

    event: str
    fields: dict[str, Any]
    bulk: bool = False
    kind: str | None = None
    """Of the command that it is about, if it is about one."""


def of_commands(
    commands: Iterable[LoneCommand], outcomes: Iterable[CommandOutcome], known: Mapping[UUID, About]
) -> list[Told]:
    """A line a command. One about a check that is there names two requests: its own, and the one that made that."""
    became = {outcome.id: outcome for outcome in outcomes}
    lines = []
    for command in commands:
        outcome, kind = became.get(command.id), str(command.__struct_config__.tag)
        fields = {
            "kind": kind,
            "outcome": outcome.outcome if outcome else "applied",
            "check": str(outcome.check_id if outcome and outcome.check_id else command.check_id),
            "command": str(command.id),
            "trace": command.trace,
        }
        about = known.get(command.check_id)
        if about is not None and about.trace != command.trace:
            fields["check_trace"] = about.trace
        lines.append(Told("command recorded", fields, kind=kind))
    return lines


def of_attempts(
    finished: Iterable[AttemptFinished], late: Iterable[AttemptRef], ledger: Ledger, known: Mapping[UUID, About]
) -> list[Told]:
    """A line an attempt that has ended, or was not begun."""
    ended = [_attempt(r, r.error.code if r.error else "counted", ledger, known) for r in finished]
    return ended + [_attempt(ref, "late", ledger, known) for ref in late]


def _attempt(ref: AttemptFinished | AttemptRef, outcome: str, ledger: Ledger, known: Mapping[UUID, About]) -> Told:
    change, about = ledger.changes.get(ref.check_id), known.get(ref.check_id)
    fields: dict[str, Any] = {"check": str(ref.check_id), "attempt": ref.attempt, "outcome": outcome}
    if change is not None:
        fields["status"] = change.state.status
        if change.due_at is not None:
            fields["due_at"] = change.due_at.isoformat()
    if about is not None:
        fields["trace"] = about.trace
    event = "attempt recorded" if change is not None else "attempt recorded: it changes nothing any more"
    return Told(event, fields, bulk=about is not None and about.bulk)
