"""The part of the API that makes and changes batches: awaits and calls, decides nothing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import hdrs, web

from services.gateway.answers import BATCHES, batch_place, json_answer
from services.gateway.batches.commands import BatchCommands
from services.gateway.batches.intake import Uploads
from services.gateway.batches.reading import BatchReader, batch_id_of
from services.gateway.changes import no_content
from services.gateway.middlewares import TRACE
from services.gateway.requests import no_parameters

Change = Callable[..., Awaitable[None]]


class BatchChanges:
    """The handlers, and what they need."""

    def __init__(self, uploads: Uploads, commands: BatchCommands, batches: BatchReader) -> None:
        self._uploads = uploads
        self._commands = commands
        self._batches = batches

    def routes(self) -> list[web.RouteDef]:
        """Where each handler answers."""
        return [
            web.post(BATCHES, self.create),
            web.post(f"{BATCHES}/{{id}}/pause", self.pause),
            web.post(f"{BATCHES}/{{id}}/resume", self.resume),
            web.post(f"{BATCHES}/{{id}}/cancel", self.cancel),
            web.post(f"{BATCHES}/{{id}}/retry", self.retry),
            web.delete(f"{BATCHES}/{{id}}", self.delete),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """`POST /batches`: 202 once every line is committed; 200 if an earlier upload was the same, and has ended."""
        uploaded = await self._uploads.upload(request)
        batch = uploaded.batch
        status = 200 if uploaded.repeated and batch.is_final else 202
        return json_answer(batch, status=status, headers={hdrs.LOCATION: batch_place(batch.id)})

    async def pause(self, request: web.Request) -> web.Response:
        """`POST /batches/{id}/pause`: 200 with the batch."""
        return await self._change(request, self._commands.pause)

    async def resume(self, request: web.Request) -> web.Response:
        """`POST /batches/{id}/resume`: 200 with the batch."""
        return await self._change(request, self._commands.resume)

    async def cancel(self, request: web.Request) -> web.Response:
        """`POST /batches/{id}/cancel`: 200 with the batch."""
        return await self._change(request, self._commands.cancel)

    async def retry(self, request: web.Request) -> web.Response:
        """`POST /batches/{id}/retry`: 202 with the batch, whose checks follow by and by."""
        return await self._change(request, self._commands.retry, status=202)

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE /batches/{id}`: 204 once nobody sees it any more."""
        batch_id = await _asked_about(request)
        await self._commands.delete(batch_id, trace=request[TRACE])
        return web.Response(status=204)

    async def _change(self, request: web.Request, change: Change, *, status: int = 200) -> web.Response:
        batch_id = await _asked_about(request)
        await change(batch_id, trace=request[TRACE])
        batch = await self._batches.read_back(batch_id)
        return json_answer(
            batch, status=status, headers={hdrs.LOCATION: batch_place(batch.id)} if status == 202 else {}
        )


async def _asked_about(request: web.Request) -> UUID:
    """The batch that a request without parameters and fields is about."""
    no_parameters(request.query.items())
    batch_id = batch_id_of(request)
    await no_content(request)
    return batch_id
