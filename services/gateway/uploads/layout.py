"""How a CSV file is laid out: where its cells end, and which column is which. Found out from its first lines.

The hard part is a file without a header. `http://a.example/x,y` may be a cell and another one, or an address with a
comma: an address must not be cut where nothing says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.gateway.uploads.cells import Cells, cells_of

DELIMITERS: Final = MappingProxyType({",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"})
_NAMES: Final = ("url", "words", "label")
_HEADER_LINES: Final = 20  # line breaks in the names of columns that are not ours
_SEP: Final = re.compile(r'\s*+"?sep=([^"\w])"?[,;\t| ]*+', re.IGNORECASE)
_SITE: Final = re.compile(r"\s*(?:https?://)?[^/?#\s]+/?\s*", re.IGNORECASE)
_NO_ADDRESS: Final = re.compile(r"[^.:/]*")
_LIKE_MORE_OF_AN_ADDRESS: Final = re.compile(r"[/=&?%#]|\.[A-Za-z]{1,5}\s*\Z")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a file are to be read.

    Attributes:
        delimiter: what stands between cells; None: there is one column.
        width: how many columns there are, if that is known.
        header: whether it has a header.
        url: column of the address.
        words: column of the words, if there is one.
        label: column of the label, if there is one.
        lines: how many of the first lines are no records.
    """

    delimiter: str | None
    width: int | None = None
    header: bool = False
    url: int = 0
    words: int | None = None
    label: int | None = None
    lines: int = 0


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
    delimiter, width = _columns([line for line in sample[start:] if line.strip()])
    return Layout(delimiter, width)


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
    names = [cell.strip(" \t\r\n\ufeff").casefold() for cell in cells]
    while names and not names[-1]:
        names.pop()
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
        header=True,
        url=places["url"],
        words=places.get("words"),
        label=places.get("label"),
        lines=lines,
    )


def _columns(rows: Sequence[str]) -> tuple[str | None, int | None]:
    """What parts the cells of a file without a header, and how many there mostly are; None: there is one column."""
    best: tuple[int, str, int] | None = None
    for delimiter in DELIMITERS:
        parted = [cells for row in rows if len((cells := cells_of(row, delimiter)).values) > 1]
        if not parted or len(parted) * 2 < len(rows):
            continue
        clear = [cells for cells in parted if ends_clearly(cells, 0, delimiter)]
        evident = len(clear) * 2 >= len(rows)
        if (evident or (len(parted) == len(rows) > 1 and _alike(parted))) and (best is None or len(clear) > best[0]):
            widths = Counter(len(cells.values) for cells in (clear if evident else parted))
            best = (len(clear), delimiter, widths.most_common(1)[0][0])
    return (None, None) if best is None else best[1:]


def _alike(rows: Sequence[Cells]) -> bool:
    """Whether rows have as many cells each, and none looks like an address that goes on in the next cell."""
    return len({len(cells.values) for cells in rows}) == 1 and not any(
        "?" in cells.values[0] or any(map(_LIKE_MORE_OF_AN_ADDRESS.search, cells.values[1:])) for cells in rows
    )
