"""The part of the API that reads batches: awaits and calls, decides nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import hdrs, web

from services.gateway.answers import BATCHES, json_answer, next_page
from services.gateway.batches import export
from services.gateway.batches.asking import batches_asked, export_asked, lines_asked
from services.gateway.batches.reading import BatchReader, batch_id_of
from services.gateway.requests import no_parameters
from services.gateway.views import Row


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
        """`GET /batches/{id}/export`: all lines, as a file, as fast as it is taken.

        Once it has begun it can only be broken off, should the database not answer or somebody delete the batch:
        then it does not end as HTTP wants it to, so that nobody takes it for the whole.
        """
        batch_id, format_ = batch_id_of(request), export_asked(request.query.items())
        words, parts = await self._batches.export(batch_id)
        writer = export.writer(format_, words)
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: f"{export.media_type(format_)}; charset=utf-8",
                hdrs.CONTENT_DISPOSITION: f'attachment; filename="batch-{batch_id}.{format_}"',
            }
        )
        if request.method == hdrs.METH_HEAD:
            return response
        first: Sequence[Row] = await anext(parts, ())
        await response.prepare(request)
        try:
            await response.write(writer.head() + writer.rows(first))
            async for rows in parts:
                await response.write(writer.rows(rows))
        except Exception:
            # Whatever is answered now would stand in the middle of the lines: only a broken connection tells.
            if request.transport is not None:
                request.transport.abort()
            raise
        await response.write_eof()
        return response
