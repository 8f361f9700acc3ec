"""A form with a file, put down on disk as it comes: fields may come after the file, and a zip is read from its end."""

from __future__ import annotations

import asyncio
import errno
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import structlog
from aiohttp import hdrs, web

from services.gateway.batches.bodies import PACE, Pace, pieces
from services.gateway.batches.multipart import MultipartReader, Part, boundary_of
from services.gateway.fields import escape
from services.gateway.problems import FieldError, Problem

log = structlog.get_logger(__name__)

FILE: Final = "file"
MAX_FIELDS_BYTES: Final = 2**20
"""All fields but the file, together."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

Spool = Callable[[], IO[bytes]]
"""Opens a file of which nothing is left when it is closed."""


@dataclass(slots=True)
class Form:
    """What a form holds.

    Attributes:
        fields: names and values of all but the file, in order.
        part: what the form says of the file; None: there is none.
        file: its contents.
        size_bytes: of the file.
    """

    file: IO[bytes]
    fields: list[tuple[str, str]] = field(default_factory=list)
    part: Part | None = None
    size_bytes: int = 0

    @property
    def has_file(self) -> bool:
        """Whether a file was chosen: browsers send an empty one where none was."""
        return self.part is not None and bool(self.part.filename or self.size_bytes)

    @property
    def path(self) -> Path:
        """Where the contents can be opened by name, for as long as the form is open."""
        return Path(f"/dev/fd/{self.file.fileno()}")


@asynccontextmanager
async def read_form(
    request: web.Request, *, max_bytes: int, pace: Pace = PACE, spool: Spool = tempfile.TemporaryFile
) -> AsyncIterator[Form]:
    """Reads a form; its file has no name on the disk, so it is gone when the context ends or the process is killed.

    Raises:
        Problem: as `bodies.pieces`; `bad_request`: it is no form; `invalid_request`: two files, or what is not UTF-8;
            `upload_interrupted`: the disk is full.
    """
    reader = MultipartReader(boundary_of(request.headers.get(hdrs.CONTENT_TYPE, "")))
    with _room_for(spool) as file:
        form = Form(file)
        writer = _Writer(form)
        async for piece in pieces(request, max_bytes=max_bytes, pace=pace):
            for found in reader.feed(piece):
                if isinstance(found, Part):
                    writer.begin(found)
                else:
                    await writer.write(found)
        reader.finish()
        writer.end()
        await asyncio.to_thread(file.flush)
        yield form


@contextmanager
def _room_for(spool: Spool) -> Iterator[IO[bytes]]:
    """A file; a disk that is full shows when it is opened, written or closed."""
    try:
        with spool() as file:
            yield file
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        log.error("no room for the file of an upload", error=str(error))
        raise Problem("upload_interrupted", "This gateway has no room left on its disk for the file.") from None


class _Writer:
    """Puts the parts of a form where they belong."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._name: str | None = None
        self._value = bytearray()
        self._fields_bytes = 0

    def begin(self, part: Part) -> None:
        """A part begins."""
        self.end()
        if part.name != FILE:
            self._name = part.name
            return
        if self._form.part is not None:
            wrong = FieldError(f"/{FILE}", "Is given more than once; a .zip can hold several files.")
            raise Problem("invalid_request", f"{wrong.pointer}: {wrong.message}", errors=[wrong])
        self._form.part = part

    async def write(self, data: bytes) -> None:
        """What belongs to the part that has begun."""
        if self._name is None:
            self._form.size_bytes += len(data)
            await asyncio.to_thread(self._form.file.write, data)
            return
        self._value += data
        self._fields_bytes += len(data)
        if self._fields_bytes > MAX_FIELDS_BYTES:
            detail = f"The fields of the form may have {MAX_FIELDS_BYTES:,} bytes at most, without the file."
            raise Problem("body_too_large", detail)

    def end(self) -> None:
        """The part is complete."""
        if self._name is None:
            return
        try:
            self._form.fields.append((self._name, self._value.decode()))
        except UnicodeDecodeError:
            wrong = FieldError(f"/{escape(self._name)}", "Is not UTF-8.")
            raise Problem("invalid_request", f"{wrong.pointer}: {wrong.message}", errors=[wrong]) from None
        self._name = None
        self._value.clear()
