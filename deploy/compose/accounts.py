"""Every check that was accepted, against what became of it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

FINAL = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the accepted checks.

    Attributes:
        done: Ids of those that are done, with the right counts.
        lost: Ids of all others, each with what is wrong.
        surplus: Ids of checks that nobody asked for: one request became two.
    """

    done: frozenset[str]
    lost: dict[str, str] = field(default_factory=dict)
    surplus: frozenset[str] = frozenset()

    @property
    def well(self) -> bool:
        """Whether nothing is lost and nothing too much."""
        return not self.lost and not self.surplus


def judge(accepted: Mapping[str, Mapping[str, int]], found: Iterable[Mapping[str, Any]]) -> Verdict:
    """Compares.

    Args:
        accepted: The counts that are right, by the id of the check.
        found: The checks as the API shows them, all of them that bear the same label.
    """
    by_id = {check["id"]: check for check in found}
    lost = {}
    for check_id, counts in accepted.items():
        wrong = _wrong(by_id.get(check_id), counts)
        if wrong:
            lost[check_id] = wrong
    return Verdict(frozenset(accepted.keys() - lost.keys()), lost, frozenset(by_id.keys() - accepted.keys()))


def _wrong(check: Mapping[str, Any] | None, counts: Mapping[str, int]) -> str:
    if check is None:
        return "gone"
    if check["status"] != "done":
        error = check.get("error") or {}
        return " ".join(filter(None, (check["status"], error.get("code"))))
    if check["counts"] != dict(counts):
        return f"counted {check['counts']}, right is {dict(counts)}"
    return ""


def share(doers: Iterable[str], names: Mapping[str, str]) -> dict[str, int]:
    """How many each fetcher did.

    Args:
        doers: Of each check, the instance of the fetcher that did it: `fetcher-HOSTNAME-PID`.
        names: The names of containers by their hostname. All are in the result; one that is unknown shows its instance.
    """
    counted = Counter(doers)
    shares = dict.fromkeys(names.values(), 0)
    for instance, number in counted.items():
        name = next((name for hostname, name in names.items() if f"-{hostname}-" in instance), instance)
        shares[name] = shares.get(name, 0) + number
    return shares
