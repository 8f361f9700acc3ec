"""What a file of addresses is, by its name, and how it is sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Any, Final

from services.cli.outcomes import UsageError

_SLOWEST_BYTES_PER_S: Final = 16 * 1024
_COMMITTED_WITHIN_S: Final = 300.0


class FileFormat(StrEnum):
    """How a file of addresses is written."""

    TXT = "txt"
    CSV = "csv"
    NDJSON = "ndjson"
    JSON = "json"
    ZIP = "zip"


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    NDJSON = "ndjson"


CONTENT_TYPES: Final = {
    FileFormat.TXT: "text/plain",
    FileFormat.CSV: "text/csv",
    FileFormat.NDJSON: "application/x-ndjson",
    FileFormat.JSON: "application/json",
    FileFormat.ZIP: "application/zip",
}
_BY_SUFFIX: Final = {f".{each.value}": each for each in FileFormat} | {".jsonl": FileFormat.NDJSON}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is to be counted, and how. What was not said is left to the API.

    Attributes:
        words: none: its own.
        source: look in the page's source, not in what a reader sees.
    """

    words: Sequence[str] = ()
    source: bool = False
    whole_word: bool = True
    case_sensitive: bool = False
    label: str | None = None

    def body(self, url: str) -> dict[str, Any]:
        """The body of `POST /checks`."""
        return {"url": url} | ({"words": list(self.words)} if self.words else {}) | self._options()

    def query(self) -> dict[str, str]:
        """The options of `POST /batches`.

        Raises:
            UsageError: a word can't be told from two there.
        """
        torn = next((word for word in self.words if ";" in word), None)
        if torn is not None:
            raise UsageError(f"{torn!r}: a ; parts words here. Give such words on the lines of an .ndjson file")
        words = {"words": ";".join(self.words)} if self.words else {}
        return words | {
            name: value if isinstance(value, str) else str(value).lower() for name, value in self._options().items()
        }

    def _options(self) -> dict[str, Any]:
        said = {
            "scope": "source" if self.source else None,
            "whole_word": None if self.whole_word else False,
            "case_sensitive": True if self.case_sensitive else None,
            "label": self.label,
        }
        return {name: value for name, value in said.items() if value is not None}


def file_format(name: str, given: FileFormat | None) -> FileFormat:
    """The format of a file: as it is given, else by the end of its name; lines of text on standard input.

    Raises:
        UsageError: the name does not tell.
    """
    if given is not None:
        return given
    if name == "-":
        return FileFormat.TXT
    found = _BY_SUFFIX.get(PurePath(name).suffix.lower())
    if found is None:
        known = ", ".join(_BY_SUFFIX)
        raise UsageError(f"{name}: what it is can't be told by its name ({known}); say so with --format")
    return found


def export_format(name: str | None, given: ExportFormat | None, *, as_json: bool) -> ExportFormat:
    """The format of an export: as it is given, else by the end of the file's name, else CSV.

    Raises:
        UsageError: `--json` and `--format csv`.
    """
    if as_json and given is ExportFormat.CSV:
        raise UsageError("--json and --format csv exclude each other")
    if given is not None:
        return given
    is_ndjson = name is not None and PurePath(name).suffix.lower() in {".ndjson", ".jsonl"}
    return ExportFormat.NDJSON if as_json or is_ndjson else ExportFormat.CSV


def upload_within_s(size: int) -> float:
    """How long an upload may take: what the API asks of the slowest, and the time to commit its lines."""
    return _COMMITTED_WITHIN_S + size / _SLOWEST_BYTES_PER_S
