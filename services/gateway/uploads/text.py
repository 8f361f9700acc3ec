"""Plain text: an address a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from services.gateway.uploads.judging import Judge
from services.gateway.uploads.lines import Line, Lines
from services.gateway.uploads.records import ReadRecord

_TABLE: Final = "The line has a tab in it, which no address has. A table can be read as text/csv, or as a .csv file."


class TextReader:
    """Reads addresses, one a line; nothing but a blank line is skipped, so a `#` begins no comment."""

    def __init__(self, lines: Lines, judge: Judge) -> None:
        self._lines = lines
        self._judge = judge

    def feed(self, data: bytes) -> Iterator[ReadRecord]:
        """The records that are complete with `data`."""
        return self._records(self._lines.feed(data))

    def pause(self) -> Iterator[ReadRecord]:
        """Nothing more: a line that has not ended is not known."""
        return iter(())

    def finish(self) -> Iterator[ReadRecord]:
        """The rest of them."""
        return self._records(self._lines.finish())

    def _records(self, lines: Iterable[Line]) -> Iterator[ReadRecord]:
        for line in lines:
            if line.too_long:
                yield self._judge.refuse(line.number, line.text, line.complaint)
            elif "\t" in line.text.strip():  # which the parser of addresses would take out, as browsers do
                yield self._judge.refuse(line.number, line.text, _TABLE)
            elif not line.is_blank:
                yield self._judge.record(line.number, line.text, {"url": line.text})
