"""Records of an upload as they come, a few at a time, so that whoever else is served here need not wait for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import IO, Final, Literal

from services.gateway.batches.forms import FILE, Form
from services.gateway.batches.multipart import Part
from services.gateway.problems import FieldError, Problem
from services.gateway.uploads import zips
from services.gateway.uploads.formats import Kind, Reader, kind_of_name, kind_of_type, reader
from services.gateway.uploads.records import Defaults, ReadRecord

Records = AsyncIterator[list[ReadRecord]]

MOST_RECORDS: Final = 100
MOST_S: Final = 0.002
"""How many records, and how long it may take to read them, before others have their turn."""
_BLOCK_BYTES: Final = 64 * 2**10


async def in_turns(records: Iterator[ReadRecord]) -> Records:
    """The records, a few at a time."""
    some: list[ReadRecord] = []
    until_s = time.perf_counter() + MOST_S
    for record in records:
        some.append(record)
        if len(some) >= MOST_RECORDS or time.perf_counter() >= until_s:
            yield some
            await asyncio.sleep(0)
            some = []
            until_s = time.perf_counter() + MOST_S
    if some:
        yield some


async def of_blocks(blocks: AsyncIterable[bytes], reading: Reader, *, whole: bool = True) -> Records:
    """The records in a body, or in a file; or those that are complete in a part of it."""
    async for block in blocks:
        async for some in in_turns(reading.feed(block)):
            yield some
        await asyncio.sleep(0)
    async for some in in_turns(reading.finish() if whole else reading.pause()):
        yield some


def of_form(form: Form, defaults: Defaults) -> Records:
    """The records in the file of a form.

    Raises:
        Problem: `invalid_request`: there is no file, or nothing says how to read it.
    """
    if form.part is None or not form.has_file:
        raise _file_problem("Required, and missing.")
    kind = kind_of(form.part)
    if kind == "zip":
        return _of_zip(form, defaults)
    return of_blocks(_blocks(form.file), reader(kind, defaults, charset=form.part.charset))


def kind_of(part: Part) -> Kind | Literal["zip"]:
    """How a file is to be read, by its name, or else by its type.

    Raises:
        Problem: `invalid_request`: neither tells.
    """
    kind = kind_of_name(part.filename or "") or kind_of_type(part.media_type)
    if kind is None:
        raise _file_problem("Its name has to end in .csv, .txt, .ndjson or .zip.")
    return kind


def nothing_in_it() -> Problem:
    """The answer to an upload without any record."""
    return Problem("empty_batch", "There is no line in it.")


def of_text(text: str, defaults: Defaults) -> Records:
    """The records in a text, one address a line."""
    return of_blocks(in_memory([text.encode()]), reader("text", defaults, charset="utf-8"))


async def _of_zip(form: Form, defaults: Defaults) -> Records:
    files = zips.files_of(form.path)
    # Before the first one all of the list of contents is read, which takes half a second where it is long.
    while (each := await asyncio.to_thread(next, files, None)) is not None:
        reading = reader(each.kind, defaults, file=each.name)
        async for some in of_blocks(in_memory(each.blocks), reading):
            yield some


async def _blocks(file: IO[bytes]) -> AsyncIterator[bytes]:
    file.seek(0)
    while block := await asyncio.to_thread(file.read, _BLOCK_BYTES):
        yield block


async def in_memory(blocks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The blocks of what need not be waited for."""
    for block in blocks:
        yield block


def _file_problem(message: str) -> Problem:
    wrong = FieldError(f"/{FILE}", message)
    return Problem("invalid_request", f"{wrong.pointer}: {wrong.message}", errors=[wrong])
