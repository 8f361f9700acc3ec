"""How an upload would be read, told of its beginning: with the code of the upload, and nothing is kept or asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from services.gateway import codings
from services.gateway.batches import sources
from services.gateway.batches.forms import Form
from services.gateway.uploads import options
from services.gateway.uploads.csv_records import CsvReader
from services.gateway.uploads.formats import Kind, reader_of
from services.gateway.uploads.layout import DELIMITERS, Layout
from services.gateway.uploads.lines import Lines
from services.gateway.uploads.options import Options
from services.gateway.uploads.records import ReadRecord
from shared.messages import Question

LOOKED_AT_BYTES: Final = 64 * 2**10
"""Of a file, or of what is pasted."""
MAX_BODY_BYTES: Final = 256 * 2**10
"""Of all that is sent for a preview: words may have 64 KiB, and the form has its own."""
SIZE: Final = "size"
"""The field that says how many bytes all of it has, where this is only the beginning."""
_SHOWN: Final = 5
_TOLD: Final = 3


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, and what it is taken for.

    Attributes:
        number: from 1.
        name: as the header has it.
        role: `url`, `words` or `label`; None: it is not read.
    """

    number: int
    name: str
    role: Literal["url", "words", "label"] | None


@dataclass(slots=True)
class Preview:
    """What was understood.

    Attributes:
        name: of the file; "" for what was pasted.
        kind: how it is read; None: it is not.
        question: what its records are asked for that say nothing else.
        encodings: those of its lines.
        delimiter: what stands between the cells of a table, in words; None: there is one column.
        has_header: whether a table names its columns.
        columns: these.
        lines: how many records were looked at.
        first: the first ones that can be checked.
        invalid: how many can't be.
        wrong: the first ones of these.
        looked_at_bytes: how much was looked at.
        size_bytes: how much there is.
        passes_over: whether something was pasted besides, which is not looked at where there is a file.
    """

    name: str = ""
    kind: Kind | Literal["zip"] | None = None
    question: Question | None = None
    encodings: Sequence[str] = ()
    delimiter: str | None = None
    has_header: bool = False
    columns: Sequence[Column] = ()
    lines: int = 0
    first: list[ReadRecord] = field(default_factory=list)
    invalid: int = 0
    wrong: list[ReadRecord] = field(default_factory=list)
    looked_at_bytes: int = 0
    size_bytes: int = 0
    passes_over: bool = False

    @property
    def is_part(self) -> bool:
        """Whether there is more of it than was looked at."""
        return self.looked_at_bytes < self.size_bytes


async def preview(form: Form, *, pasted: str, max_bytes: int) -> Preview:
    """Looks at the form of an upload that holds no more than the beginning of its file, or of its field `pasted`.

    Args:
        form: as it was read.
        pasted: name of the field that takes the place of a file.
        max_bytes: what an upload may have.

    Raises:
        Problem: what the upload would be refused with, as far as its beginning shows.
    """
    fields = dict(form.fields)
    given = options.of_form([(name, value) for name, value in form.fields if name not in {pasted, SIZE}])
    seen = Preview(question=given.defaults.question)
    charset: str | None = "utf-8"
    if form.part is not None and form.has_file:
        seen.name, seen.kind = form.part.filename or "", sources.kind_of(form.part)
        seen.passes_over = bool(fields.get(pasted, "").strip())
        charset = form.part.charset
        content = await asyncio.to_thread(_beginning, form)
        sent_bytes = form.size_bytes
    else:
        seen.kind = "text"
        text = fields.get(pasted, "").encode()
        content, sent_bytes = text[:LOOKED_AT_BYTES], len(text)
    seen.looked_at_bytes, seen.size_bytes = len(content), max(sent_bytes, _size(fields))
    if seen.size_bytes > max_bytes:
        raise codings.too_large(max_bytes)
    if seen.kind != "zip":
        await _read(seen, content, given, seen.kind, charset)
    return seen


def _beginning(form: Form) -> bytes:
    form.file.seek(0)
    return form.file.read(LOOKED_AT_BYTES)


def _size(fields: Mapping[str, str]) -> int:
    """What is said of the size of it all; of what is no such number, nothing."""
    said = fields.get(SIZE, "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= 18 else 0


async def _read(seen: Preview, content: bytes, given: Options, kind: Kind, charset: str | None) -> None:
    lines = Lines(charset)
    reading = reader_of(kind, lines, given.defaults)
    async for some in sources.of_blocks(sources.in_memory([content]), reading, whole=not seen.is_part):
        for record in some:
            _count(seen, record)
    if not seen.lines and not seen.is_part:
        raise sources.nothing_in_it()
    seen.encodings = lines.encodings
    if isinstance(reading, CsvReader) and reading.layout is not None:
        _tell_columns(seen, reading.layout)


def _count(seen: Preview, record: ReadRecord) -> None:
    seen.lines += 1
    if record.reason is None:
        if len(seen.first) < _SHOWN:
            seen.first.append(record)
        return
    seen.invalid += 1
    if len(seen.wrong) < _TOLD:
        seen.wrong.append(record)


def _tell_columns(seen: Preview, layout: Layout) -> None:
    roles: dict[int | None, Literal["url", "words", "label"]] = {
        layout.label: "label",
        layout.words: "words",
        layout.url: "url",
    }
    seen.delimiter = None if layout.delimiter is None else DELIMITERS.get(layout.delimiter, layout.delimiter)
    seen.has_header = layout.width is not None
    seen.columns = [Column(place + 1, name, roles.get(place)) for place, name in enumerate(layout.names)]
