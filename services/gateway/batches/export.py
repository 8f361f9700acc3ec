"""All lines of a batch with what became of them, as CSV (RFC 4180) or NDJSON. Pure but for the rows that come."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from services.gateway.batches.inputs import ExportFormat
from services.gateway.batches.views import line_view, of_words
from services.gateway.views import Row
from shared.errors import error_of

MOST_COLUMNS: Final = 100
"""Words that have a column of their own in CSV; `counts` has all of them."""
_FACTS: Final = (
    *("line", "file", "text", "state", "reason", "check_id", "url", "label", "total", "error", "http_status"),
    *("final_url", "title", "bytes", "attempts", "finished_at"),
)
_MEDIA_TYPES: Final[Mapping[ExportFormat, str]] = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula, and run."""


class Writer(Protocol):
    """Writes an export, some rows at a time."""

    def head(self) -> bytes:
        """What stands before all rows."""

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows of `queries.EXPORT`."""


def media_type(format_: ExportFormat) -> str:
    """The type of an export."""
    return _MEDIA_TYPES[format_]


def writer(format_: ExportFormat, words: Sequence[str]) -> Writer:
    """What writes an export of a batch whose lines are counted for `words`, unless they have their own."""
    return NdjsonWriter() if format_ == "ndjson" else CsvWriter(words)


class NdjsonWriter:
    """A JSON object for each line."""

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""
        return b"".join(msgspec.json.encode(facts(row) | {"counts": _counts(row)}) + b"\n" for row in rows)


class CsvWriter:
    """A record for each line, with a column for each word of the batch, and all counts as JSON in the last.

    Args:
        words: those of the batch.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words[:MOST_COLUMNS]

    def head(self) -> bytes:
        """The names of the columns."""
        return csv_records([[*_FACTS, *(f"count: {word}" for word in self._words), "counts"]])

    def rows(self, rows: Sequence[Row]) -> bytes:
        """Some rows."""
        return csv_records([self._cells(row) for row in rows])

    def _cells(self, row: Row) -> list[Any]:
        counts = _counts(row)
        by_word = [None if counts is None else counts.get(word) for word in self._words]
        encoded = None if counts is None else msgspec.json.encode(counts).decode()
        return [*facts(row).values(), *by_word, encoded]


def facts(row: Row) -> dict[str, Any]:
    """What both formats say of a line, but for its counts."""
    line = line_view(row)
    return {
        "line": line.line,
        "file": line.file,
        "text": line.text,
        "state": line.state,
        "reason": line.reason,
        "check_id": line.check_id,
        "url": row["url"],
        "label": row["label"],
        "total": row["total"],
        "error": None if row["error_code"] is None else error_of(row["error_code"]).code,
        "http_status": row["http_status"],
        "final_url": row["final_url"],
        "title": row["title"],
        "bytes": row["bytes"],
        "attempts": row["attempts"],
        "finished_at": row["finished_at"],
    }


def _counts(row: Row) -> dict[str, int] | None:
    return of_words(row["counts"], row["words"] or [])


def _cell(value: Any) -> str:
    """A value as a spreadsheet shall see it: no text from outside is a formula."""
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case int() | UUID():
            return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def csv_records(records: Iterable[Iterable[Any]]) -> bytes:
    """Records of values as CSV."""
    written = io.StringIO()
    csv.writer(written).writerows([_cell(value) for value in record] for record in records)
    return written.getvalue().encode()
