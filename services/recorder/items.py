"""What goes into a flush, and what comes out of it."""

from dataclasses import dataclass, field
from uuid import UUID

from services.recorder.story import Told
from shared.messages import ChangedCheck, ClaimedCheck, ClockReading, CommandOutcome, LoneCommand, Report


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, and whether NSQ had delivered it before."""

    command: LoneCommand
    redelivered: bool = False
    refused: bool = False
    """PostgreSQL can't take it: it gets the outcome `refused` and changes nothing."""


Item = Asked | Report


@dataclass(slots=True)
class Flushed:
    """What a flush has committed: checks to publish, and what to tell those who wait."""

    claimed: list[ClaimedCheck] = field(default_factory=list)
    changed: dict[UUID, ChangedCheck] = field(default_factory=dict)
    deleted: list[UUID] = field(default_factory=list)
    outcomes: list[CommandOutcome] = field(default_factory=list)
    clocks: list[ClockReading] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def extend(self, other: "Flushed") -> None:
        """Adds what a later flush has committed."""
        self.claimed += other.claimed
        self.changed |= other.changed
        self.deleted += other.deleted
        self.outcomes += other.outcomes
        self.clocks += other.clocks
        self.told += other.told
