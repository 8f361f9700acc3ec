"""What handlers of the API share: where it is, the ids in its paths, and answers in JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from services.gateway.problems import Problem

T = TypeVar("T")

API: Final = "/api/v1"
CHECKS: Final = f"{API}/checks"
BATCHES: Final = f"{API}/batches"


def check_place(check_id: UUID) -> str:
    """Where a check is, for `Location`."""
    return f"{CHECKS}/{check_id}"


def batch_place(batch_id: UUID) -> str:
    """Where a batch is, for `Location`."""
    return f"{BATCHES}/{batch_id}"


def no_such_check() -> Problem:
    """The answer about a check that is not there."""
    return Problem("not_found", "There is no check of this id.")


def check_id_of(request: web.Request) -> UUID:
    """The id in the path.

    Raises:
        Problem: `not_found`: what stands there is no id, so that nothing has it.
    """
    found = parse_id(request.match_info["id"])
    if found is None:
        raise no_such_check()
    return found


def parse_id(text: str) -> UUID | None:
    """An id as the API writes it, in either case; None for anything else."""
    try:
        id_ = UUID(text)
    except ValueError:
        return None
    return id_ if str(id_) == text.lower() else None


def json_answer(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The value as JSON."""
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )


async def send_file(
    request: web.Request,
    parts: AsyncIterator[Sequence[T]],
    write: Callable[[Sequence[T]], bytes],
    *,
    head: bytes,
    name: str,
    media_type: str,
) -> web.StreamResponse:
    """Sends a file part by part, as fast as it is taken; what goes wrong before its first part can still be answered.

    Once it has begun it can only be broken off: then it does not end as HTTP wants it to, so that nobody takes it for
    the whole.

    Args:
        request: which asks for it.
        parts: what is in it, some rows at a time.
        write: makes of rows what stands in the file.
        head: what stands before all of them.
        name: of the file.
        media_type: of its text, in UTF-8.
    """
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: f"{media_type}; charset=utf-8",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
        }
    )
    if request.method == hdrs.METH_HEAD:
        return response
    first: Sequence[T] = await anext(parts, ())
    await response.prepare(request)
    try:
        await response.write(head + write(first))
        async for rows in parts:
            await response.write(write(rows))
    except Exception:
        # Whatever is answered now would stand in the middle of the file: only a broken connection tells.
        if request.transport is not None:
            request.transport.abort()
        raise
    await response.write_eof()
    return response


def next_page(request: web.Request, limit: int, cursor: str | None) -> dict[str, str]:
    """The header with the address of a list's next page (RFC 8288); none where there is no further page."""
    if cursor is None:
        return {}
    return {hdrs.LINK: f'<{request.rel_url.update_query(limit=str(limit), cursor=cursor)}>; rel="next"'}
