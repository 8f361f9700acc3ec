"""What was measured, held against its bar: rows of a table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        measure: what is measured.
        value: what came out, the median of the rounds.
        shown: the same for people, with what it was made of.
        bar: what it has to reach; `push`: what would be better still.
        better: which way is better.
        known: what it came to when it was last measured, where that is short of the bar; CI holds it to that.
    """

    measure: str
    value: float
    shown: str
    bar: float
    push: float | None
    better: Literal["more", "less"] = "more"
    known: float | None = None

    def meets(self, bar: float) -> bool:
        """Whether it is at least as good as that."""
        return self.value >= bar if self.better == "more" else self.value <= bar

    def meets_half(self) -> bool:
        """Whether it is not worse by half than its bar, or what is known; a busy machine changes ratios by less."""
        expected = self.bar if self.known is None else self.known
        return self.meets(expected / 2 if self.better == "more" else expected * 2)

    @property
    def verdict(self) -> str:
        """In a word."""
        if not self.meets(self.bar):
            return "MISSED"
        return "beyond" if self.push is not None and self.meets(self.push) else "met"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Medians over the rounds, one by the other."""
    return statistics.median(ours) / statistics.median(theirs)


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    lines = ["| measure | result | bar | push towards | |", "|---|---|---|---|---|"]
    for row in rows:
        sign = "≥" if row.better == "more" else "≤"
        push = "" if row.push is None else f"{sign} {row.push:g}"
        lines.append(f"| {row.measure} | {row.shown} | {sign} {row.bar:g} | {push} | {row.verdict} |")
    return "\n".join(lines)
