"""All checks of a list as a file: `GET /checks/export`, with the filters of the list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from services.gateway.answers import send_file
from services.gateway.batches.asking import export_asked
from services.gateway.batches.export import csv_records, media_type
from services.gateway.filters import CheckFilter
from services.gateway.pages import list_parameters
from services.gateway.requests import list_request
from services.gateway.store import Store
from services.gateway.views import CheckView

_AT_A_TIME: Final = 200
_COLUMNS: Final = (
    *("id", "url", "status", "total", "counts", "error", "http_status", "final_url", "title", "bytes", "attempts"),
    *("label", "batch_id", "line", "created_at", "finished_at"),
)


class TakingAlong:
    """The handler, and what it needs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [web.get("/checks/export", self.export)]

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Sends all checks of the list in its order.

        What is added meanwhile is not among them, unless the newest come last.
        """
        format_ = export_asked([("format", request.query["format"])] if "format" in request.query else [])
        asked = list_request(list_parameters(request.query.items()))
        head, write = (csv_records([_COLUMNS]), _csv) if format_ == "csv" else (b"", _ndjson)
        return await send_file(
            request,
            self._parts(asked.wanted, oldest_first=asked.sort == "oldest"),
            write,
            head=head,
            name=f"checks.{format_}",
            media_type=media_type(format_),
        )

    async def _parts(self, wanted: CheckFilter, *, oldest_first: bool) -> AsyncIterator[Sequence[CheckView]]:
        before, more = None, True
        while more:
            checks, more = await self._store.checks(wanted, limit=_AT_A_TIME, before=before, oldest_first=oldest_first)
            yield checks
            before = checks[-1].id if checks else None


def _csv(checks: Sequence[CheckView]) -> bytes:
    return csv_records(map(_cells, checks))


def _ndjson(checks: Sequence[CheckView]) -> bytes:
    return b"".join(msgspec.json.encode(check) + b"\n" for check in checks)


def _cells(check: CheckView) -> list[Any]:
    facts = {name: getattr(check, name) for name in _COLUMNS}
    facts["counts"] = None if check.counts is None else msgspec.json.encode(check.counts).decode()
    facts["error"] = None if check.error is None else check.error.code
    return list(facts.values())
