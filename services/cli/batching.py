"""A file of addresses becomes a batch, and a batch becomes a file of results."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

import aiohttp

from services.cli import files
from services.cli.following import Bar, follow, how_to_follow, summary
from services.cli.handlers import Tool
from services.cli.outcomes import ApiError, Exit, NotTaken, of_batch
from services.cli.render import number
from services.cli.uploads import CONTENT_TYPES, ExportFormat, FileFormat, Question, upload_within_s

_CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Upload:
    """What is sent.

    Attributes:
        file: can be read from its start again, so that a broken upload can be repeated.
        name: what it is called.
        kind: how it is written.
        question: what holds for all lines that say nothing else.
    """

    file: IO[bytes]
    name: str
    kind: FileFormat
    question: Question


async def batch(tool: Tool, upload: Upload, *, wait: bool) -> Exit:
    """Uploads a file and, if asked to, waits until each of its lines is in a final state.

    Raises:
        NotTaken: the answer is a problem.
        Unreachable: there is none.
    """
    with Bar(tool.output.err) as bar:
        found = await _send(tool, upload, bar)
        found = await follow(tool, found, bar) if wait else found
    if wait:
        await summary(tool, found)
        return of_batch(found)
    tool.output.tell(found, f"{found['id']}  {number(found['total'])} lines")
    if not tool.output.as_json:
        tool.output.say(how_to_follow(found["id"]))
    return Exit.DONE


async def _send(tool: Tool, upload: Upload, bar: Bar) -> dict[str, Any]:
    file, kind = upload.file, upload.kind
    size = await asyncio.to_thread(file.seek, 0, 2)
    sent = 0

    def show(count: int) -> None:
        nonlocal sent
        sent += count
        done = "committing its lines" if sent >= size else f"{number(sent)} of {number(size)} bytes"
        bar.show("sending", sent, size, done)

    def data() -> Any:
        nonlocal sent
        sent = 0
        if kind is not FileFormat.ZIP:
            return _chunks(file, show)
        form = aiohttp.FormData()
        form.add_field("file", _chunks(file, show), filename=Path(upload.name).name, content_type=CONTENT_TYPES[kind])
        return form

    headers = {"Idempotency-Key": str(uuid.uuid4())}
    if kind is not FileFormat.ZIP:
        headers["Content-Type"] = CONTENT_TYPES[kind]
    try:
        found: dict[str, Any] = await tool.client.ask(
            "POST",
            "/batches",
            params=upload.question.query(),
            data=data,
            headers=headers,
            within_s=upload_within_s(size),
        )
    except ApiError as error:
        raise NotTaken(error.status, error.problem, error.retry_after_s) from None
    except asyncio.CancelledError:
        bar.end()
        tool.output.say("The upload was broken off: nothing of it will be checked.")
        raise
    return found


async def _chunks(file: IO[bytes], show: Callable[[int], None]) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, 0)
    while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
        yield chunk
        show(len(chunk))


async def export(
    tool: Tool, id_: str, kind: ExportFormat, target: Path | None, *, force: bool, stdout: IO[bytes]
) -> Exit:
    """Writes all results of a batch as they come: to a file that is there whole or not at all, or to `stdout`.

    Raises:
        UsageError: the file is there already, or can't be written.
    """
    opened = contextlib.nullcontext(stdout) if target is None else files.appearing(target, force=force)
    size = 0
    with opened as file:
        async with tool.client.stream(f"/batches/{quote(id_, safe='')}/export", {"format": kind.value}) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.flush)
    if target is not None:
        tool.output.say(f"{target}: {number(size)} bytes")
    return Exit.DONE
