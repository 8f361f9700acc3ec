"""The state of the whole, and what the doctor finds, as a person reads them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.render import Json, clean, number, pairs, seconds, table, time

State = Literal["well", "wrong", "unknown"]
_WORDS: Final = {"well": ("ok", "green"), "wrong": ("WRONG", "bold red"), "unknown": ("-", "dim")}


@dataclass(frozen=True)
class Finding:
    """One thing that the doctor looked at.

    Attributes:
        what: its name.
        state: well, wrong, or unknown where it can't be looked at or need not be there.
        said: what was found.
        advice: what to do; "" where nothing is.
    """

    what: str
    state: State
    said: str
    advice: str = ""


def findings(found: Sequence[Finding]) -> RenderableType:
    """A line each, and below it what to do."""
    width = max(len(each.what) for each in found)
    lines: list[RenderableType] = []
    for each in found:
        word, style = _WORDS[each.state]
        lines.append(Text.assemble((word.ljust(5), style), "  ", each.what.ljust(width), "  ", clean(each.said)))
        lines += [Text(f"       → {clean(each.advice)}")] if each.advice else []
    return Group(*lines)


def stats(found: Json) -> RenderableType:
    """Totals, queues, fetchers and hosts."""
    by_status = ", ".join(f"{number(count)} {name}" for name, count in found["checks"]["by_status"].items())
    parts: list[RenderableType] = [
        pairs(
            [
                ("checks", f"{number(found['checks']['total'])}: {by_status}"),
                ("ended", f"{number(found['checks']['finished_last_minute'])} in the last minute"),
                ("pace", f"{number(found['rate_per_s'])}/s"),
                ("due now", _due(found["due"])),
            ]
        ),
        Text(""),
        _queues(found["queues"]),
        Text(""),
        _fetchers(found["fetchers"]),
    ]
    parts += [Text(""), _hosts(found["hosts"])] if found["hosts"] else []
    return Group(*parts)


def _due(due: Json) -> str:
    waits = "" if due["oldest_s"] is None else f", the first for {seconds(due['oldest_s'])}"
    return f"{number(due['count'])}{waits}"


def _queues(queues: Json | None) -> RenderableType:
    if queues is None:
        return Text("no nsqd answers the gateway", "red")
    rows = [(name, number(topic["waiting"]), number(topic["in_flight"])) for name, topic in queues["topics"].items()]
    unreached = [Text(f"does not answer: {clean(each)}", "red") for each in queues["unreached"]]
    return Group(table(("queue", "waiting", "in flight"), rows, right=("waiting", "in flight")), *unreached)


def _fetchers(fetchers: Sequence[Json]) -> RenderableType:
    if not fetchers:
        return Text("no fetcher runs", "red")
    figures = ("in_flight", "capacity", "finished_last_s")
    rows = [(each["id"], each["version"], *(number(each[name]) for name in figures)) for each in fetchers]
    columns = ("at work", "room for", "last second")
    return table(("*fetcher", "version", *columns), rows, right=columns)


def _hosts(hosts: Sequence[Json]) -> RenderableType:
    rows = [
        (
            each["host"],
            number(each["queued"]),
            number(each["leased"]),
            "" if each["oldest_due_s"] is None else seconds(each["oldest_due_s"]),
            time(each["paused_until"]),
        )
        for each in hosts
    ]
    columns = ("*host", "waiting", "at work", "due for", "paused until")
    return table(columns, rows, right=("waiting", "at work", "due for"))
