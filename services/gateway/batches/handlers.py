"""The part of the API that reads batches: awaits and calls, decides nothing itself."""

from __future__ import annotations

from aiohttp import web

from services.gateway.answers import BATCHES, json_answer, next_page, send_file
from services.gateway.batches import export
from services.gateway.batches.asking import batches_asked, export_asked, lines_asked
from services.gateway.batches.reading import BatchReader, batch_id_of
from services.gateway.requests import no_parameters


class BatchApi:
    """The handlers, and what they need."""

    def __init__(self, batches: BatchReader) -> None:
        self._batches = batches

    def routes(self) -> list[web.RouteDef]:
        """Where each handler answers."""
        return [
            web.get(BATCHES, self.list_batches),
            web.get(f"{BATCHES}/{{id}}", self.show_batch),
            web.get(f"{BATCHES}/{{id}}/lines", self.list_lines),
            web.get(f"{BATCHES}/{{id}}/export", self.export),
        ]

    async def show_batch(self, request: web.Request) -> web.Response:
        """`GET /batches/{id}`."""
        no_parameters(request.query.items())
        return json_answer(await self._batches.find_batch(request))

    async def list_batches(self, request: web.Request) -> web.Response:
        """`GET /batches`: newest first, page by page."""
        asked = batches_asked(request.query.items())
        page = await self._batches.page_of_batches(asked)
        return json_answer(page, headers=next_page(request, asked.limit, page.next_cursor))

    async def list_lines(self, request: web.Request) -> web.Response:
        """`GET /batches/{id}/lines`: in their order, page by page."""
        batch_id, asked = batch_id_of(request), lines_asked(request.query.items())
        page = await self._batches.page_of_lines(batch_id, asked)
        return json_answer(page, headers=next_page(request, asked.limit, page.next_cursor))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """`GET /batches/{id}/export`: all lines, as a file; broken off if somebody deletes the batch meanwhile."""
        batch_id, format_ = batch_id_of(request), export_asked(request.query.items())
        words, parts = await self._batches.export(batch_id)
        writer = export.writer(format_, words)
        return await send_file(
            request,
            parts,
            writer.rows,
            head=writer.head(),
            name=f"batch-{batch_id}.{format_}",
            media_type=export.media_type(format_),
        )
