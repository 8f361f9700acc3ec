"""Which reader an upload needs, by its media type or by its file's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal, Protocol

from services.gateway.uploads.csv_records import CsvReader
from services.gateway.uploads.judging import Judge
from services.gateway.uploads.lines import Lines
from services.gateway.uploads.ndjson import NdjsonReader
from services.gateway.uploads.records import Defaults, ReadRecord
from services.gateway.uploads.text import TextReader

Kind = Literal["ndjson", "csv", "text"]

_BY_TYPE: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "application/x-ndjson": "ndjson",
        "application/ndjson": "ndjson",
        "application/jsonl": "ndjson",
        "application/x-jsonlines": "ndjson",
        "text/csv": "csv",
        "text/plain": "text",
    }
)
_BY_ENDING: Final[Mapping[str, Kind | Literal["zip"]]] = MappingProxyType(
    {"ndjson": "ndjson", "csv": "csv", "txt": "text", "zip": "zip"}
)


class Reader(Protocol):
    """Reads one upload, or one file of it, piece by piece; where the pieces are cut makes no difference."""

    def feed(self, data: bytes) -> Iterator[ReadRecord]:
        """The records that are complete with `data`; to be exhausted before the next call."""

    def pause(self) -> Iterator[ReadRecord]:
        """The rest of what is complete so far, when a part is all that is to be looked at; nothing comes after it."""

    def finish(self) -> Iterator[ReadRecord]:
        """The rest of them, when the body has ended."""


_READERS: Final[Mapping[Kind, Callable[[Lines, Judge], Reader]]] = MappingProxyType(
    {"ndjson": NdjsonReader, "csv": CsvReader, "text": TextReader}
)


def reader(kind: Kind, defaults: Defaults, *, charset: str | None = None, file: str | None = None) -> Reader:
    """A reader for one upload or file.

    Args:
        kind: how records are written in it.
        defaults: what is asked where a record does not say.
        charset: as declared, if it was.
        file: the `file` of its records.

    Raises:
        Problem: `unsupported_media_type`: nobody knows that charset.
    """
    return reader_of(kind, Lines(charset), defaults, file=file)


def reader_of(kind: Kind, lines: Lines, defaults: Defaults, *, file: str | None = None) -> Reader:
    """As `reader`, of lines that somebody else looks at too."""
    return _READERS[kind](lines, Judge(defaults, file))


def kind_of_type(media_type: str) -> Kind | None:
    """How records are written in a body of that type (without parameters); None: it is no upload."""
    return _BY_TYPE.get(media_type.strip().lower())


def kind_of_name(name: str) -> Kind | Literal["zip"] | None:
    """What a file holds, by the ending of its name in any case; None: nothing that is read here."""
    return _BY_ENDING.get(name.rpartition(".")[2].strip().lower()) if "." in name else None
