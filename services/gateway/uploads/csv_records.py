"""CSV: a check a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from services.gateway.uploads.cells import Cells, cells_of, closes_quotes
from services.gateway.uploads.judging import Judge
from services.gateway.uploads.layout import DELIMITERS, Layout, ends_clearly, layout_of
from services.gateway.uploads.lines import Line, Lines
from services.gateway.uploads.options import split_words
from services.gateway.uploads.records import MAX_RECORD_BYTES, ReadRecord

_SAMPLE_ROWS: Final = 100
_SAMPLE_LINES: Final = 1_000
_SAMPLE_CHARS: Final = 256 * 2**10
_MAX_ROW_LINES: Final = 1_000
_FIRST_CREDIT: Final = 64 * 2**10
_CREDIT_PER_CHAR: Final = 4
_UNCLOSED: Final = "A quotation mark opens a cell here, and nothing closes it."
_QUOTED: Final = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"(?=\s*+(?:[,;\t|]|\Z))')


class CsvReader:
    """Reads rows, which may have several lines where cells are in quotes.

    Quotes that nothing closes must not swallow a file. So a row is looked for in the lines that follow, up to a
    thousand; if it has no end there, or one that can't be right, its first line alone is bad, and reading goes on with
    the next one. How much is read twice that way is limited by a credit that grows with what is read.
    """

    def __init__(self, lines: Lines, judge: Judge) -> None:
        self._lines = lines
        self._judge = judge
        self._layout: Layout | None = None
        self._sample: list[Line] = []
        self._sample_rows = 0
        self._sample_chars = 0
        self._open: list[Line] = []  # a row whose quotes have not ended yet
        self._open_chars = 0
        self._open_cells: list[str] = []  # those that have ended
        self._open_quoted: set[int] = set()
        self._open_cell: list[str] = []  # the lines of the one that has not
        self._credit = _FIRST_CREDIT

    @property
    def layout(self) -> Layout | None:
        """How the file is laid out, as soon as that is known."""
        return self._layout

    def feed(self, data: bytes) -> Iterator[ReadRecord]:
        """The records that are complete with `data`; none before enough is seen to know the columns."""
        return self._records(self._lines.feed(data))

    def pause(self) -> Iterator[ReadRecord]:
        """The rows that have ended, with the columns told by what came so far."""
        if self._layout is None:
            yield from self._begin()

    def finish(self) -> Iterator[ReadRecord]:
        """The rest of them."""
        yield from self._records(self._lines.finish())
        if self._layout is None:
            yield from self._begin()
        while self._open and self._layout is not None:
            record, again = self._give_up()
            yield record
            yield from self._read(again, self._layout)

    def _records(self, lines: Iterable[Line]) -> Iterator[ReadRecord]:
        for line in lines:
            self._credit += _CREDIT_PER_CHAR * len(line.text)
            if self._layout is not None and not self._open:
                record = self._first_line(line, self._layout)  # mostly this is all there is to it
                if record is not None:
                    yield record
            elif self._layout is not None:
                yield from self._read([line], self._layout)
            elif self._sample or not line.is_blank:
                self._sample.append(line)
                self._sample_rows += not line.is_blank
                self._sample_chars += len(line.text)
                if (
                    self._sample_rows >= _SAMPLE_ROWS
                    or len(self._sample) >= _SAMPLE_LINES
                    or self._sample_chars >= _SAMPLE_CHARS
                ):
                    yield from self._begin()

    def _begin(self) -> Iterator[ReadRecord]:
        sample, self._sample = self._sample, []
        self._layout = layout_of(["…" if line.too_long else line.text for line in sample])
        yield from self._read(sample[self._layout.lines :], self._layout)

    def _read(self, lines: Sequence[Line], layout: Layout) -> Iterator[ReadRecord]:
        todo = [*reversed(lines)]
        while todo:
            line = todo.pop()
            record, again = self._next_line(line, layout) if self._open else (self._first_line(line, layout), ())
            if record is not None:
                yield record
            todo.extend(reversed(again))

    def _first_line(self, line: Line, layout: Layout) -> ReadRecord | None:
        if line.too_long:
            return self._judge.refuse(line.number, line.text, line.complaint)
        if line.is_blank:
            return None
        if layout.delimiter is None:
            return self._lone_cell(line)
        cells = cells_of(line.text, layout.delimiter)
        if cells.state == "whole":
            return self._record(line.number, line.text, cells, layout)
        if self._credit <= 0:
            return self._judge.refuse(line.number, line.text, _UNCLOSED)
        self._open, self._open_chars = [line], len(line.text)
        self._open_cells, self._open_quoted = [], set()
        self._put_off(cells)
        return None

    def _next_line(self, line: Line, layout: Layout) -> tuple[ReadRecord | None, Sequence[Line]]:
        """One more line of an open row: the record if the row ends in it, and the lines that are to be read again."""
        self._open.append(line)
        self._open_chars += len(line.text) + 1
        self._open_cell.append(line.text)
        if line.too_long or len(self._open) > _MAX_ROW_LINES or self._open_chars > MAX_RECORD_BYTES:
            return self._give_up()
        if not closes_quotes(line.text):
            return None, ()
        cells = cells_of("\n".join(self._open_cell), layout.delimiter or "")
        if cells.state == "open":
            self._put_off(cells)
            return None, ()
        if cells.state == "torn":
            return self._give_up()
        self._keep(cells, cells.values)
        row = Cells(self._open_cells, frozenset(self._open_quoted), "whole")
        if "\n" in _cell(row, layout.url).strip():
            return self._give_up()
        text = "\n".join(each.text for each in self._open)
        first, self._open = self._open[0], []
        return self._record(first.number, text, row, layout), ()

    def _put_off(self, cells: Cells) -> None:
        """Keeps the cells of an open row that have ended, so that none is read twice."""
        *ended, rest = cells.values
        self._keep(cells, ended)
        self._open_cell = [rest]

    def _keep(self, cells: Cells, ended: Sequence[str]) -> None:
        self._open_quoted.update(len(self._open_cells) + each for each in cells.quoted)
        self._open_cells.extend(ended)

    def _give_up(self) -> tuple[ReadRecord, Sequence[Line]]:
        (first, *again), self._open = self._open, []
        self._credit -= self._open_chars
        return self._judge.refuse(first.number, first.text, _UNCLOSED), again

    def _lone_cell(self, line: Line) -> ReadRecord:
        """The only column of a file: all of the line, whatever stands in it."""
        found = _QUOTED.match(line.text.strip())
        if found is not None:
            return self._judge.record(line.number, line.text, {"url": found[1].replace('""', '"')})
        cells = cells_of(line.text, "\n")
        if cells.state == "open":
            return self._judge.refuse(line.number, line.text, _UNCLOSED)
        return self._judge.record(line.number, line.text, {"url": cells.values[0]})

    def _record(self, line: int, text: str, cells: Cells, layout: Layout) -> ReadRecord:
        if not _is_clear(cells, layout):
            return self._judge.refuse(line, text, _unclear(cells, layout))
        values: dict[str, Any] = {"url": _cell(cells, layout.url)}
        if layout.words is not None and (words := split_words(_cell(cells, layout.words))):
            values["words"] = words
        if layout.label is not None and (label := _cell(cells, layout.label).strip()):
            values["label"] = label
        return self._judge.record(line, text, values)


def _cell(cells: Cells, column: int) -> str:
    return cells.values[column] if column < len(cells.values) else ""


def _is_clear(cells: Cells, layout: Layout) -> bool:
    """Whether a row has the cells that the header tells of; or it is plain all the same what the address is."""
    width, delimiter = layout.width, layout.delimiter
    if width is None or delimiter is None:
        return True
    if not any(cell.strip() for cell in cells.values[width:]):
        return True  # empty cells at the end may be missing, or too many
    if layout.words is not None:
        return False  # the words are, most likely, in cells of their own
    is_address = layout.url == 0 or "://" in _cell(cells, layout.url)
    return is_address and ends_clearly(cells, layout.url, delimiter)


def _unclear(cells: Cells, layout: Layout) -> str:
    return (
        f"The row has {len(cells.values)} cells, the header {layout.width}: it is not clear where the address or the "
        f"words end. What holds a {DELIMITERS.get(layout.delimiter or '', 'delimiter')} has to stand in quotes."
    )
