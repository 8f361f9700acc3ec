"""Uploads as clients make them, whole or broken off, and what became of them."""

import asyncio
import gzip
import io
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.integration.gateway.stack import Stack
from tests.integration.servers import eventually

BATCHES = "/api/v1/batches"
COUNTS = ("queued", "running", "done", "failed", "cancelled", "duplicates", "invalid")


async def upload(
    stack: Stack,
    body: Any,
    media_type: str = "text/plain",
    *,
    status: int = 202,
    key: str | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Sends an upload and returns the answer's JSON."""
    given = {"Content-Type": media_type, **({} if key is None else {"Idempotency-Key": key}), **(headers or {})}
    data = body.encode() if isinstance(body, str) else body
    async with stack.http.post(BATCHES, data=data, headers=given, params=query) as answer:
        return await _told(answer, status)


async def upload_json(stack: Stack, *, status: int = 202, **body: Any) -> dict[str, Any]:
    """Sends an upload that is one JSON object."""
    async with stack.http.post(BATCHES, json=body) as answer:
        return await _told(answer, status)


async def upload_file(
    stack: Stack, name: str, contents: bytes, *, status: int = 202, after: Sequence[tuple[str, str]] = (), **before: str
) -> dict[str, Any]:
    """Sends a form with a file, and fields before and after it."""
    form = aiohttp.FormData()
    for field, value in before.items():
        form.add_field(field, value)
    form.add_field("file", contents, filename=name)
    for field, value in after:
        form.add_field(field, value)
    async with stack.http.post(BATCHES, data=form) as answer:
        return await _told(answer, status)


async def _told(answer: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    text = await answer.text()
    assert answer.status == status, f"{answer.status}: {text}"
    told = dict(await answer.json(content_type=None))
    if status < 300:
        assert answer.headers["Location"] == f"{BATCHES}/{told['id']}"
        assert sum(told[name] for name in COUNTS) == told["total"]
    return told


async def lines_of(stack: Stack, batch: Mapping[str, Any], **query: str | int) -> list[dict[str, Any]]:
    """All lines of a batch, page by page."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = await stack.get(f"{BATCHES}/{batch['id']}/lines", params={**query, **cursor})
        found += page["items"]
    return found


async def ask_to(stack: Stack, what: str, batch: Mapping[str, Any], *, status: int = 200) -> dict[str, Any]:
    """Asks for a change of a batch and returns the answer's JSON ({} if there is none)."""
    path = f"{BATCHES}/{batch['id']}"
    method, path = ("DELETE", path) if what == "delete" else ("POST", f"{path}/{what}")
    async with stack.http.request(method, path) as answer:
        text = await answer.text()
        assert answer.status == status, f"{answer.status}: {text}"
        return dict(await answer.json(content_type=None)) if text else {}


async def settled(stack: Stack, batch: Mapping[str, Any], **expected: Any) -> dict[str, Any]:
    """The batch, once its fields are as expected."""
    seen: dict[str, Any] = {}

    async def is_as_expected() -> bool:
        seen.update(await stack.get(f"{BATCHES}/{batch['id']}"))
        return all(seen[name] == value for name, value in expected.items())

    await eventually(is_as_expected, what=f"{batch['id']} is {expected}")
    return seen


def zipped(**files: bytes) -> bytes:
    """An archive; `__` in a name stands for a dot."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in files.items():
            archive.writestr(name.replace("__", "."), contents)
    return written.getvalue()


def gzipped(body: str) -> bytes:
    """A body as `Content-Encoding: gzip` has it."""
    return gzip.compress(body.encode())


class Slow:
    """An upload whose client decides when the next piece goes out."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, piece: str | None) -> None:
        """Sends a piece; None ends the body."""
        self._pieces.put_nowait(None if piece is None else piece.encode())

    async def body(self) -> AsyncIterator[bytes]:
        """For aiohttp."""
        while (piece := await self._pieces.get()) is not None:
            yield piece


@asynccontextmanager
async def slowly(stack: Stack, *, key: str | None = None) -> AsyncIterator[tuple[Slow, asyncio.Task[dict[str, Any]]]]:
    """An upload under way, and its answer to come; broken off with the context."""
    slow = Slow()

    async def answer() -> dict[str, Any]:
        headers = {"Content-Type": "text/plain", **({} if key is None else {"Idempotency-Key": key})}
        async with stack.http.post(BATCHES, data=slow.body(), headers=headers) as came:
            return {"http": came.status, **await came.json(content_type=None)}

    task = asyncio.create_task(answer())
    try:
        yield slow, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def newest(stack: Stack) -> dict[str, Any]:
    """The newest batch, once there is one."""
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        found[:] = (await stack.get(BATCHES, params={"limit": 1}))["items"]
        return bool(found)

    await eventually(is_there, what="a batch is there")
    return found[0]
