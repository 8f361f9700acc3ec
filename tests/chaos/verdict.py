"""What it all came to: each figure with its bar, and whether all were reached. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.stage import LEASE_S, LEAST_UNDER_WAY, Round

NEW_ONES_WITHIN_S = 15.0
OLDER_ONES_WITHIN_S = 2.0 * LEASE_S


@dataclass
class Verdict:
    """What was found when nothing was under way any more; the lists have what broke a bar, a line each.

    Attributes:
        accepted: checks, those of batches included, and how many batches.
        refused: requests answered with 503, and others that were broken off.
        tried_more: what ended right, after attempts that failed though their page did not. That has no bar: where the
            machine is busy with something else, time-outs are what must come of it.
    """

    accepted: tuple[int, int]
    refused: tuple[int, int]
    rounds: Sequence[Round]
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    tried_more: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """The bars that were missed, by name."""
        by_list = {
            "lost": self.lost,
            "wrong": self.wrong,
            "double": self.double,
            "faults": self.faults,
            "audit": self.audit,
        }
        found = [name for name, what in by_list.items() if what]
        found += [f"fetched again ({name})" for name, again, most in self.extra_fetches() if not 0 <= again <= most]
        found += [] if self.worst_new_s <= NEW_ONES_WITHIN_S else ["new checks"]
        found += [] if self.worst_older_s <= OLDER_ONES_WITHIN_S else ["older checks"]
        return found + ([] if self.least_under_way >= LEAST_UNDER_WAY else ["under way"])

    def extra_fetches(self) -> list[tuple[str, int, int]]:
        """Of all rounds of a name: fetches more than one for each attempt, and how many are excused."""
        sums: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for each in self.rounds:
            again, most = sums[each.name]
            sums[each.name] = again + each.extra_fetches, most + each.may_repeat
        return [(name, again, most) for name, (again, most) in sums.items()]

    @property
    def worst_new_s(self) -> float:
        return max((took_s for each in self.rounds for took_s in each.new_ones_s), default=0.0)

    @property
    def worst_older_s(self) -> float:
        return max((took_s for each in self.rounds for took_s in each.older_ones_s), default=0.0)

    @property
    def least_under_way(self) -> int:
        return min((death.under_way for each in self.rounds for death in each.deaths), default=0)

    def lines(self) -> Iterator[str]:
        """The figures, a line each, and what broke a bar below its own."""
        yield f"accepted: {self.accepted[0]:,} checks, {self.accepted[1]} batches among them"
        yield from _listed("lost", self.lost)
        yield from _listed("wrong", self.wrong)
        yield from _listed("right, after a time-out of our own", self.tried_more)
        yield from _listed("double", self.double)
        for name, again, most in self.extra_fetches():
            yield f"fetched again, {name}: {again} (at most {most})"
        yield from _listed("5xx other than 503, and other faults", self.faults)
        yield f"refused meanwhile: {self.refused[0]} with 503, {self.refused[1]} broken off"
        yield f"worst recovery of new checks: {self.worst_new_s:.1f} s (at most {NEW_ONES_WITHIN_S:.0f})"
        yield f"worst recovery of older ones: {self.worst_older_s:.1f} s (at most {OLDER_ONES_WITHIN_S:.0f})"
        yield f"least in flight when something was done: {self.least_under_way} (at least {LEAST_UNDER_WAY})"
        yield from _listed("audit", self.audit)
        yield f"verdict: {'missed: ' + ', '.join(self.missed) if self.missed else 'all bars reached'}"


def _listed(name: str, what: Iterable[str], most: int = 10) -> Iterator[str]:
    found = list(what)
    yield f"{name}: {len(found)}"
    yield from (f"    {line}" for line in found[:most])
