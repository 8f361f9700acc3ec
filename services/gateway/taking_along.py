"""All checks of a list as a file: `GET /checks/export`, with the filters of the list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from services.gateway.batches.export import csv_records, media_type
from services.gateway.batches.inputs import EXPORT_FORMATS, ExportFormat
from services.gateway.fields import one_of
from services.gateway.filters import CheckFilter
from services.gateway.pages import list_parameters
from services.gateway.requests import list_request, parameters
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
        """Sends all checks of the list in its order, as fast as they are taken.

        What is added meanwhile is not among them, unless the newest come last. A file that
        breaks off does not end as HTTP wants it to.
        """
        format_ = _format_of(request)
        asked = list_request(list_parameters(request.query.items()))
        parts = self._parts(asked.wanted, oldest_first=asked.sort == "oldest")
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: f"{media_type(format_)}; charset=utf-8",
                hdrs.CONTENT_DISPOSITION: f'attachment; filename="checks.{format_}"',
            }
        )
        if request.method == hdrs.METH_HEAD:
            return response
        first: Sequence[CheckView] = await anext(parts, ())
        await response.prepare(request)
        try:
            await response.write(_head(format_) + _written(format_, first))
            async for checks in parts:
                await response.write(_written(format_, checks))
        except Exception:
            # Whatever is answered now would stand in the middle of the file: only a broken connection tells.
            if request.transport is not None:
                request.transport.abort()
            raise
        await response.write_eof()
        return response

    async def _parts(self, wanted: CheckFilter, *, oldest_first: bool) -> AsyncIterator[Sequence[CheckView]]:
        before, more = None, True
        while more:
            checks, more = await self._store.checks(wanted, limit=_AT_A_TIME, before=before, oldest_first=oldest_first)
            yield checks
            before = checks[-1].id if checks else None


def _format_of(request: web.Request) -> ExportFormat:
    fields = parameters([("format", request.query.get("format", EXPORT_FORMATS[0]))])
    format_ = fields.read("format", one_of(EXPORT_FORMATS), EXPORT_FORMATS[0])
    fields.check()
    return format_


def _head(format_: ExportFormat) -> bytes:
    return csv_records([_COLUMNS]) if format_ == "csv" else b""


def _written(format_: ExportFormat, checks: Sequence[CheckView]) -> bytes:
    if format_ == "ndjson":
        return b"".join(msgspec.json.encode(check) + b"\n" for check in checks)
    return csv_records([_cells(check) for check in checks])


def _cells(check: CheckView) -> list[Any]:
    facts = {name: getattr(check, name) for name in _COLUMNS}
    facts["counts"] = None if check.counts is None else msgspec.json.encode(check.counts).decode()
    facts["error"] = None if check.error is None else check.error.code
    return list(facts.values())
