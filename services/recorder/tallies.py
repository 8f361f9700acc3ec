"""What changes of checks add up to for the batches that they are of: pure.

A batch's row counts the states of its lines. Here the changes of one transaction become one sum a batch, and a batch's
row and such a sum the row that it becomes. Whoever asks holds the row's lock.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.recorder.rows import storable
from shared.ids import batch_of
from shared.messages import AttemptFinished, Status

RECENT_S = 30.0
"""A check that ended so long ago counts for 1/e of one that ends now in what ended `recent`ly."""

_COUNTED: frozenset[Status] = frozenset({"done", "failed"})


@dataclass(frozen=True, slots=True)
class End:
    """What a check came to: an error's code, or a count of each word."""

    code: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, report: AttemptFinished) -> "End":
        """What an attempt's outcome says, if it is the check's: its words as they are stored."""
        counts = report.counted.counts if report.counted else {}
        stored = {storable(word): count for word, count in counts.items()}
        return cls(report.error.code if report.error else None, stored)


@dataclass(frozen=True, slots=True)
class Move:
    """A check of a batch that was in one state, and is in another now or gone."""

    check_id: UUID
    was: Status
    became: Status | None
    """None: it was deleted; its line counts as cancelled from then on."""
    end: End = End()
    """What it came to, or had: no move leads from done or failed to one of these."""


@dataclass(slots=True)
class Tally:
    """What is to be added to one batch.

    Attributes:
        lines: to the number of lines in each state.
        ended: checks that came to an outcome, for the rate.
        errors: to the number of failed checks with each code.
        words: to the total of each word over the checks that are done.
    """

    lines: Counter[Status] = field(default_factory=Counter)
    ended: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)

    def add(self, move: Move) -> None:
        """Adds one check's change of state."""
        became = move.became or "cancelled"
        self.lines[move.was] -= 1
        self.lines[became] += 1
        self.ended += became in _COUNTED
        if move.end.code is not None:
            self.errors[move.end.code] += (became == "failed") - (move.was == "failed")
        if sign := (became == "done") - (move.was == "done"):
            for word, count in move.end.counts.items():
                self.words[word] += sign * count


def tallies(moves: Iterable[Move]) -> dict[UUID, Tally]:
    """The sums of a transaction's changes, by batch."""
    sums: defaultdict[UUID, Tally] = defaultdict(Tally)
    for move in moves:
        sums[batch_of(move.check_id)].add(move)
    return dict(sums)


@dataclass(frozen=True, slots=True)
class BatchState:
    """What changes of a batch with the states of its checks: columns of its row."""

    status: str
    queued: int
    running: int
    done: int
    failed: int
    cancelled: int
    finished_at: datetime | None
    running_since: datetime | None
    recent: float
    recent_at: datetime | None

    def after(self, tally: Tally, now: datetime, *, more_to_come: bool = False) -> "BatchState":
        """The batch with a sum added: finished when that leaves nothing open, running again when it opens something.

        A cancelled batch stays so: a line of it that somebody asks for again is an afterthought.

        Args:
            tally: what is added.
            now: PostgreSQL's time.
            more_to_come: checks of it are about to be asked for again, so that it is not at its end, nor its pause.
        """
        lines = tally.lines
        counted = replace(
            self,
            queued=self.queued + lines["queued"],
            running=self.running + lines["running"],
            done=self.done + lines["done"],
            failed=self.failed + lines["failed"],
            cancelled=self.cancelled + lines["cancelled"],
        )
        is_open = counted.queued + counted.running > 0
        if is_open and self.status == "finished":
            return replace(
                counted, status="running", finished_at=None, running_since=now, recent=float(tally.ended), recent_at=now
            )
        if tally.ended:
            counted = replace(counted, recent=self._faded(now) + tally.ended, recent_at=now)
        if not is_open and not more_to_come and self.status in {"running", "paused"}:
            return replace(counted, status="finished", finished_at=now)
        return counted

    def _faded(self, now: datetime) -> float:
        """What is left by now of the checks that ended recently."""
        if self.recent_at is None:
            return 0.0
        passed_s = max(0.0, (now - self.recent_at).total_seconds())
        return self.recent * math.exp(-passed_s / RECENT_S)
