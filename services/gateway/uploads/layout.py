"""How a CSV file is laid out: where its cells end, and which column is which. Found out from its first lines.

Without a header, the first column has the addresses. A comma ends it, as RFC 4180 says, in an address too: what holds
one has to stand in quotes. Only if most rows say so is it a tab, a semicolon or a vertical bar that does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from services.gateway.uploads.cells import Cells, cells_of

DELIMITERS: Final = MappingProxyType({",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"})
_NAMES: Final = ("url", "words", "label")
_HEADER_LINES: Final = 20  # line breaks in the names of columns that are not ours
_SEP: Final = re.compile(r'\s*+"?sep=([^"\w])"?[,;\t| ]*+', re.IGNORECASE)
_SITE: Final = re.compile(r"\s*(?:https?://)?[^/?#\s]+/?\s*", re.IGNORECASE)
_NO_ADDRESS: Final = re.compile(r"[^.:/]*")
_MORE_OF_AN_ADDRESS: Final = re.compile(r"(?!https?://)\S*[/=&?%#]\S*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a file are to be read.

    Attributes:
        delimiter: what stands between cells; None: there is one column.
        width: how many columns the header names; None: there is no header.
        url: column of the address.
        words: column of the words, if there is one.
        label: column of the label, if there is one.
        lines: how many of the first lines are no records.
        names: of its columns, as the header has them.
    """

    delimiter: str | None
    width: int | None = None
    url: int = 0
    words: int | None = None
    label: int | None = None
    lines: int = 0
    names: tuple[str, ...] = field(default=(), compare=False)


def layout_of(sample: Sequence[str]) -> Layout:
    """The layout of a file that begins with these lines, the first of which is not blank."""
    sep = _SEP.fullmatch(sample[0]) if sample else None
    start = 0 if sep is None else 1
    while start < len(sample) and not sample[start].strip():
        start += 1
    header = _header(sample, start, sep[1] if sep else None)
    if header is not None:
        return header
    if sep is not None:  # said by the file itself
        return Layout(sep[1], lines=1)
    return Layout(_delimiter([line for line in sample[start:] if line.strip()]))


def ends_clearly(cells: Cells, column: int, delimiter: str) -> bool:
    """Whether the address in a column ends where its cell does, and can't go on in the next one.

    It does if it stands in quotes; if it would have to go on with what no address has; or if there is but the name of
    a site, behind which a delimiter is hardly ever meant.
    """
    if delimiter == "\t" or column in cells.quoted or column + 1 >= len(cells.values):
        return True
    rest = cells.values[column + 1 :]
    if any(column < other for other in cells.quoted) or any(not cell or "://" in cell for cell in rest):
        return True
    return any(map(str.isspace, "".join(rest))) or _SITE.fullmatch(cells.values[column]) is not None


def _header(sample: Sequence[str], start: int, sep: str | None) -> Layout | None:
    found: list[tuple[int, int, Layout]] = []
    for delimiter in DELIMITERS if sep is None else (sep,):
        for lines in range(start + 1, min(start + _HEADER_LINES, len(sample)) + 1):
            cells = cells_of("\n".join(sample[start:lines]), delimiter)
            if cells.state == "whole":
                layout = _named(cells.values, delimiter, lines)
                if layout is not None:
                    found.append((sum(name is not None for name in (layout.words, layout.label)), len(found), layout))
            if cells.state != "open":
                break
    return max(found, key=lambda each: (each[0], each[2].width or 0, -each[1]))[2] if found else None


def _named(cells: Sequence[str], delimiter: str, lines: int) -> Layout | None:
    """The layout that a header gives; None where these are no names of columns."""
    shown = [cell.strip(" \t\r\n\ufeff") for cell in cells]
    while shown and not shown[-1]:
        shown.pop()
    names = [name.casefold() for name in shown]
    places = {name: names.index(name) for name in _NAMES if name in names}
    if not places or any("://" in name for name in names):
        return None
    if "url" not in places:
        others = [place for place, name in enumerate(names) if name not in places]
        if not others or not _NO_ADDRESS.fullmatch(names[0]):
            return None
        places["url"] = others[0]
    return Layout(
        None if len(cells) == 1 else delimiter,
        len(names),
        url=places["url"],
        words=places.get("words"),
        label=places.get("label"),
        lines=lines,
        names=tuple(shown),
    )


def _delimiter(rows: Sequence[str]) -> str:
    """What parts the cells of a file without a header: what does so in the most rows, and at least in half of them."""
    parted = {delimiter: sum(_parts(row, delimiter) for row in rows) for delimiter in DELIMITERS}
    found = max(DELIMITERS, key=lambda each: (parted[each], each == "\t"))  # which no address has
    return found if parted[found] * 2 >= len(rows) else ","


def _parts(row: str, delimiter: str) -> bool:
    """Whether this delimiter gives the row several cells; but for commas, none that looks like more of an address.

    `http://a.example/x;jsessionid=1` is one cell.
    """
    rest = cells_of(row, delimiter).values[1:]
    return bool(rest) and (delimiter == "," or not any(map(_MORE_OF_AN_ADDRESS.fullmatch, rest)))
