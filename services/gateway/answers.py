"""What handlers of the API share: where it is, the ids in its paths, and answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
from aiohttp import hdrs, web

from services.gateway.problems import Problem

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


def next_page(request: web.Request, limit: int, cursor: str | None) -> dict[str, str]:
    """The header with the address of a list's next page (RFC 8288); none where there is no further page."""
    if cursor is None:
        return {}
    return {hdrs.LINK: f'<{request.rel_url.update_query(limit=str(limit), cursor=cursor)}>; rel="next"'}
