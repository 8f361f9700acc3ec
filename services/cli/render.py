"""Checks, lists and problems as a person reads them. Pure: from the API's JSON to what `rich` draws.

Titles, snippets and addresses are other people's: what a terminal would obey is taken out of them (`clean`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from services.cli.outcomes import Unreachable

Json = Mapping[str, Any]

# Control characters (ESC begins a command to the terminal), separators of lines, and what turns the direction of text.
_OBEYED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LEAST_CUT: Final = 8
_STYLES: Final = {
    "done": "green",
    "finished": "green",
    "failed": "red",
    "invalid": "red",
    "cancelled": "yellow",
    "paused": "yellow",
    "running": "cyan",
    "receiving": "cyan",
}


def clean(text: object) -> str:
    """The text with a blank in place of each character that a terminal would obey."""
    return _OBEYED.sub(" ", str(text))


def status(name: str) -> Text:
    """The name of a state, in its colour."""
    return Text(clean(name), _STYLES.get(name, ""))


def number(value: float) -> str:
    """A number with its thousands parted: `12,345`; a fraction keeps one place."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def time(value: str | None) -> str:
    """RFC 3339 to the second, in UTC as it came: `2026-11-21 16:29:50Z`; "" for none."""
    return "" if value is None else f"{value[:10]} {value[11:19]}Z"


def seconds(value: float) -> str:
    """A duration: `42 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = int(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@dataclass(frozen=True)
class Rows:
    """A plain table, one line for each row.

    Attributes:
        columns: their names; one that begins with `*` is cut where the terminal is too narrow, the others never.
        cells: of each row.
        right: names of columns that hold numbers.
    """

    columns: Sequence[str]
    cells: Sequence[Sequence[Text]]
    right: frozenset[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws it in the width that there is: rich alone would take whole columns away."""
        widths = [
            max([cell_len(name.removeprefix("*")), *(row[place].cell_len for row in self.cells)])
            for place, name in enumerate(self.columns)
        ]
        too_wide = sum(widths) + 2 * (len(widths) - 1) - options.max_width
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
        for name, width in zip(self.columns, widths, strict=True):
            is_cut = name.startswith("*") and too_wide > 0
            made.add_column(
                name.removeprefix("*"),
                justify="right" if name in self.right else "left",
                no_wrap=True,
                overflow="ellipsis",
                width=max(min(width, _LEAST_CUT), width - too_wide) if is_cut else width,
            )
        for row in self.cells:
            made.add_row(*row)
        yield made


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: Iterable[str] = ()) -> Rows:
    """A plain table; text in `rows` is cleaned."""
    cells = [[cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row] for row in rows]
    return Rows(columns, cells, frozenset(right))


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values; rows without a value are left out."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        if value not in (None, ""):
            made.add_row(name, value if isinstance(value, Text) else clean(value))
    return made


def counts(found: Mapping[str, int], indent: int = 2) -> RenderableType:
    """Words with their counts, in the order in which they were asked for."""
    width = max((len(number(count)) for count in found.values()), default=0)
    lines = [
        Text.assemble(" " * indent, (number(count).rjust(width), "bold" if count else "dim"), "  ", clean(word))
        for word, count in found.items()
    ]
    return Group(*lines)


def error(found: Json, indent: int = 2) -> RenderableType:
    """Why there is no count, and what can be done about it."""
    space = " " * indent
    return Group(
        Text.assemble(space, (clean(found["code"]), "bold red"), ": ", clean(found["message"])),
        *([Text(space + clean(found["hint"]))] if found.get("hint") else []),
    )


def check_briefly(check: Json) -> RenderableType:
    """What `wordwatch check` says of one page."""
    head = Text.assemble((clean(check["url"]), "bold"), (f"  {clean(check['id'])}", "dim"))
    if check["status"] == "done":
        return Group(head, counts(check["counts"]))
    if check["error"] is not None:
        return Group(head, error(check["error"]))
    return Group(head, Text.assemble("  ", status(check["status"])))


def check(found: Json, attempts: Sequence[Json]) -> RenderableType:
    """All of a check: what came of it, where the matches are, and how it went."""
    parts: list[RenderableType] = [
        Text(clean(found["url"]), "bold"),
        pairs(
            [
                ("id", found["id"]),
                ("status", status(found["status"])),
                ("label", found["label"]),
                ("words", "; ".join(found["words"])),
                ("counted in", _how(found)),
                ("title", found["title"]),
                ("answer", _answer(found)),
                ("redirects to", found["final_url"] if found["redirects"] else None),
                ("asked for", time(found["created_at"])),
                ("finished", _finished(found)),
                ("next attempt", time(found["next_attempt_at"])),
                ("batch", found["batch_id"]),
                ("line", found["line"]),
            ]
        ),
    ]
    if found["error"] is not None:
        parts += [Text(""), error(found["error"], 0)]
    if found["counts"] is not None:
        parts += [Text(""), counts(found["counts"], 0)]
    parts += _snippets(found["snippets"] or {})
    if attempts:
        parts += [Text(""), attempts_table(attempts)]
    return Group(*parts)


def _how(found: Json) -> str:
    where = "what a reader sees" if found["scope"] == "text" else "the source"
    return ", ".join(
        [
            where,
            "whole words" if found["whole_word"] else "parts of words too",
            *(["case matters"] if found["case_sensitive"] else []),
        ]
    )


def _answer(found: Json) -> str | None:
    size = None if found["bytes"] is None else f"{number(found['bytes'])} bytes"
    told = [found["http_status"], found["content_type"], found["charset"], size, found["address"]]
    return ", ".join(str(each) for each in told if each is not None) or None


def _finished(found: Json) -> str:
    took = "" if found["duration_ms"] is None else f" (took {number(found['duration_ms'])} ms)"
    return time(found["finished_at"]) + took if found["finished_at"] else ""


def _snippets(found: Mapping[str, Sequence[Json]]) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for word, matches in found.items():
        lines += [Text(""), Text(f"where it says {clean(word)}")] if matches else []
        lines += [
            Text.assemble(
                "  …", clean(each["before"]), (clean(each["match"]), "bold reverse"), clean(each["after"]), "…"
            )
            for each in matches
        ]
    return lines


def attempts_table(attempts: Sequence[Json]) -> Rows:
    """The history of a check."""
    rows = [
        (
            str(each["run"]),
            str(each["attempt"]),
            time(each["finished_at"]),
            str(each["http_status"] or ""),
            Text("counted", "green") if each["error"] is None else Text(clean(each["error"]["code"]), "red"),
            each["fetcher"] or "",
        )
        for each in attempts
    ]
    columns = ("run", "attempt", "finished", "answer", "outcome", "*fetcher")
    return table(columns, rows, right=("run", "attempt", "answer"))


def checks(items: Sequence[Json]) -> RenderableType:
    """A page of the list of checks."""
    if not items:
        return Text("no checks")
    rows = [
        (
            each["id"],
            Text(clean(each["error"]["code"] if each["error"] else each["status"]), _STYLES.get(each["status"], "")),
            "" if each["total"] is None else number(each["total"]),
            each["url"],
        )
        for each in items
    ]
    return table(("id", "status", "count", "*url"), rows, right=("count",))


def problem(found: Json, hint: str, page: str | None) -> RenderableType:
    """A problem of the API: title, detail, each invalid field, and what to do."""
    lines = [Text.assemble(("error: ", "bold red"), clean(found.get("title", "")))]
    errors = found.get("errors") or []
    if found.get("detail") and not errors:
        lines.append(Text("  " + clean(found["detail"])))
    lines += [Text(f"  {clean(each['pointer'])}: {clean(each['message'])}") for each in errors]
    lines += [Text("  " + clean(hint))] if hint else []
    lines += [Text("  " + clean(page), "dim")] if page else []
    return Group(*lines)


def unreachable(found: Unreachable) -> RenderableType:
    """Nobody answers: who was asked, and what to look at."""
    return Group(
        Text.assemble(("error: ", "bold red"), f"{clean(found.server)}: {clean(found.reason)}"),
        Text("  Does it run (make run)? Is another one meant (--server URL, WORDWATCH_SERVER)?"),
        Text("  wordwatch doctor looks closer."),
    )
