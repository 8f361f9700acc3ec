"""NDJSON: a check a line, as `POST /checks` takes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.gateway.json_bodies import parse_object
from services.gateway.problems import Problem
from services.gateway.uploads.judging import Judge, reason_of
from services.gateway.uploads.lines import Line, Lines
from services.gateway.uploads.records import ReadRecord


class NdjsonReader:
    """Reads a JSON object a line; a line that is none becomes a record that says why."""

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
            elif not line.is_blank:
                yield self._record(line)

    def _record(self, line: Line) -> ReadRecord:
        try:
            values = parse_object(line.text.encode(), what="The line")
        except Problem as problem:
            named = [error for error in problem.errors if error.pointer]
            return self._judge.refuse(line.number, line.text, reason_of(named) if named else problem.detail)
        return self._judge.record(line.number, line.text, values)
