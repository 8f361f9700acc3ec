"""How far a batch has come, as it is drawn: the states of its lines, and the parts of its bar. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.gateway.batches.queries import LineState
from services.gateway.batches.views import BatchView

BAR_WIDTH: Final = 1000


@dataclass(frozen=True, slots=True)
class CountedState:
    """A state of lines, and the field of a batch that says how many are in it."""

    name: LineState
    counter: str


COUNTED: Final = (
    CountedState("queued", "queued"),
    CountedState("running", "running"),
    CountedState("done", "done"),
    CountedState("failed", "failed"),
    CountedState("cancelled", "cancelled"),
    CountedState("duplicate", "duplicates"),
    CountedState("invalid", "invalid"),
)
"""Each line is in one of them."""

_DRAWN: Final[tuple[LineState, ...]] = ("done", "failed", "cancelled", "duplicate", "invalid", "running")
"""What the bar shows, from its beginning; the rest of it is what is queued."""
_LEAST_WIDTH: Final = 5
"""One line of a million is drawn as wide, so that it can be seen."""


def lines_by_state(batch: BatchView) -> dict[LineState, int]:
    """How many lines are in each state."""
    return {state.name: getattr(batch, state.counter) for state in COUNTED}


def segments(batch: BatchView) -> list[tuple[LineState, int, int]]:
    """The parts of a batch's bar, from its beginning: the state, where it begins, and how wide it is.

    All are whole numbers of `BAR_WIDTH`. What is rare takes its least width from the widest part.
    """
    lines = lines_by_state(batch)
    widths = {name: max(lines[name] * BAR_WIDTH // batch.total, _LEAST_WIDTH) for name in _DRAWN if lines[name]}
    if widths:
        most = BAR_WIDTH - (_LEAST_WIDTH if lines["queued"] else 0)
        missing = most - sum(widths.values())
        if missing < 0 or not lines["queued"]:
            widths[max(widths, key=widths.__getitem__)] += missing
    found, x = [], 0
    for name, width in widths.items():
        found.append((name, x, width))
        x += width
    return found
