"""One row of CSV as its cells: RFC 4180, and what spreadsheets and people make of it."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

_QUOTED: Final = re.compile(r' *+"([^"]*+(?:""[^"]*+)*+)"')
_NO_CELLS: Final[frozenset[int]] = frozenset()


class Cells(NamedTuple):
    """A row.

    Attributes:
        values: its cells, without the quotes around them; an open one as it is.
        quoted: which of them had some.
        state: `whole`; `open`: the last one's quotes have no end; `torn`: quotes end on another line than they began,
            and something stands behind them, so that these two were hardly made for each other: the rest is left out.
    """

    values: list[str]
    quoted: frozenset[int]
    state: Literal["whole", "open", "torn"]


def cells_of(text: str, delimiter: str) -> Cells:
    """The cells of one row, which may have several lines.

    A quote inside a cell that does not begin with one is a character like others (`12" discs`), and what follows the
    end of a quoted part belongs to the cell, as in Python's own reader.
    """
    if '"' not in text:
        return Cells(text.split(delimiter), _NO_CELLS, "whole")
    values: list[str] = []
    quoted: set[int] = set()
    start = 0
    while True:
        found = _QUOTED.match(text, start)
        if found is None and _opens(text, start):
            values.append(text[start:])
            return Cells(values, frozenset(quoted), "open")
        end = text.find(delimiter, found.end() if found else start)
        end = len(text) if end < 0 else end
        if found is None:
            values.append(text[start:end])
        else:
            behind = text[found.end() : end]
            if behind.strip() and "\n" in found[1]:
                return Cells(values, frozenset(quoted), "torn")
            quoted.add(len(values))
            values.append(found[1].replace('""', '"') + behind)
        if end == len(text):
            return Cells(values, frozenset(quoted), "whole")
        start = end + 1


def _opens(text: str, start: int) -> bool:
    while text.startswith(" ", start):
        start += 1
    return text.startswith('"', start)


def closes_quotes(line: str) -> bool:
    """Whether quotes that are open where a line begins end in it: it has one that is not doubled."""
    return '"' in line and '"' in line.replace('""', "")
