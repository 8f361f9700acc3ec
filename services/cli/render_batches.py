"""Batches as a person reads them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.render import Json, clean, number, pairs, seconds, status, table, time
from shared.errors import ERRORS

MOST_WORDS: Final = 20
_STATES: Final = ("done", "failed", "invalid", "duplicates", "cancelled", "running", "queued")


def pace(batch: Json) -> str:
    """How fast it goes and how long it takes, as far as the API can tell: `210.4/s, 12 s left`."""
    if batch["status"] == "paused":
        return "paused"
    rate, eta = batch["rate_per_s"], batch["eta_s"]
    parts = [] if rate is None else [f"{number(rate)}/s"]
    parts += [] if eta is None else [f"{seconds(eta)} left"]
    return ", ".join(parts)


def finished_lines(batch: Json) -> int:
    """Lines in a final state."""
    return int(batch["total"] - batch["queued"] - batch["running"])


def batch(found: Json) -> RenderableType:
    """All of a batch: how far it is, failures by their code, and words."""
    lines = ", ".join(f"{number(found[name])} {name}" for name in _STATES if found[name])
    parts: list[RenderableType] = [
        pairs(
            [
                ("batch", found["id"]),
                ("label", found["label"]),
                ("status", status(found["status"])),
                ("why", found["reason"]),
                ("lines", f"{number(found['total'])}{': ' if lines else ''}{lines}"),
                ("in a final state", "" if found["finished_at"] else f"{number(found['percent'])} %"),
                ("pace", pace(found)),
                ("asked for", time(found["created_at"])),
                ("finished", time(found["finished_at"])),
            ]
        )
    ]
    if found["errors_by_code"]:
        parts += [Text(""), failures(found)]
    if found["word_totals"]:
        parts += [Text(""), words(found)]
    return Group(*parts)


def failures(found: Json) -> RenderableType:
    """Failed lines by the code of their error, the most frequent first, each with what it means."""
    by_count = sorted(found["errors_by_code"].items(), key=lambda item: (-item[1], item[0]))
    rows = [
        (number(count), Text(clean(code), "red"), ERRORS[code].sentence if code in ERRORS else "")
        for code, count in by_count
    ]
    return table(("failed", "code", "*what it means"), rows, right=("failed",))


def words(found: Json) -> RenderableType:
    """What was counted in all, the largest first."""
    largest = sorted(found["word_totals"].items(), key=lambda item: -item[1])
    rows = [(number(count), word) for word, count in largest[:MOST_WORDS]]
    made = table(("found", "*word"), rows, right=("found",))
    if len(largest) <= MOST_WORDS:
        return made
    return Group(made, Text(f"and {number(len(largest) - MOST_WORDS)} words more, which the export has"))


def invalid_lines(items: Sequence[Json], more: int) -> RenderableType:
    """Lines that no check can be made of, each with why; `more` is how many are not shown."""
    width = max((len(number(each["line"])) for each in items), default=0)
    shown: list[RenderableType] = [Text("invalid lines", "bold")]
    for each in items:
        shown += [
            Text.assemble((number(each["line"]).rjust(width), "red"), f"  {clean(each['text'])}"),
            Text(f"{' ' * width}  {clean(each['reason'] or '')}", "dim"),
        ]
    shown += [Text(f"and {number(more)} more, which the export has")] if more else []
    return Group(*shown)


def batches(items: Sequence[Json]) -> RenderableType:
    """A page of the list of batches."""
    if not items:
        return Text("no batches")
    figures = ("total", "done", "failed", "invalid", "percent")
    rows = [
        (each["id"], status(each["status"]), *(number(each[name]) for name in figures), each["label"] or "")
        for each in items
    ]
    columns = ("lines", "done", "failed", "invalid", "%")
    return table(("id", "status", *columns, "*label"), rows, right=columns)
