"""Reading batches for whoever shows them: the API and the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import structlog
from aiohttp import web

from services.gateway import cursors
from services.gateway.answers import parse_id
from services.gateway.batches.asking import BatchesAsked, LinesAsked
from services.gateway.batches.store import BatchStore
from services.gateway.batches.views import BatchList, BatchView, LineList
from services.gateway.commands import Refused
from services.gateway.following import READ_BACK_TIMEOUT_S
from services.gateway.problems import Problem
from services.gateway.sending import NotCommitted
from services.gateway.store import READ_TIMEOUT_S, StoreUnavailable
from services.gateway.views import Row
from shared.ids import check_of, seq_of

log = structlog.get_logger(__name__)


def no_such_batch() -> Problem:
    """The answer about a batch that is not there."""
    return Problem("not_found", "There is no batch of this id.")


def batch_id_of(request: web.Request) -> UUID:
    """The id in the path.

    Raises:
        Problem: `not_found`: what stands there is no id, so that nothing has it.
    """
    found = parse_id(request.match_info["id"])
    if found is None:
        raise no_such_batch()
    return found


class BatchReader:
    """Reads batches. All may raise StoreUnavailable.

    Args:
        store: where they are.
    """

    def __init__(self, store: BatchStore) -> None:
        self._store = store

    async def find_batch(self, request: web.Request) -> BatchView:
        """The batch whose id stands in the path.

        Raises:
            Problem: `not_found`.
        """
        batch = await self._store.batch(batch_id_of(request))
        if batch is None:
            raise no_such_batch()
        return batch

    async def read_back(self, batch_id: UUID) -> BatchView:
        """A batch that was just changed.

        Raises:
            NotCommitted: it can't be read; of all answers, the one that tells where to look for it.
            Refused: `deleted`: it was there.
        """
        try:
            batch = await self._store.batch(batch_id, timeout_s=READ_BACK_TIMEOUT_S)
        except StoreUnavailable as error:
            log.warning("committed batch can't be read back", batch=str(batch_id), error=str(error))
            raise NotCommitted(batch_id=batch_id) from error
        if batch is None:
            raise Refused("deleted", about="batch")
        return batch

    async def reason_of(self, batch_id: UUID) -> str | None:
        """Why a batch was cancelled, where nobody asked for that; None: somebody did, or it is gone."""
        try:
            batch = await self._store.batch(batch_id, timeout_s=READ_BACK_TIMEOUT_S)
        except StoreUnavailable as error:
            log.warning("cancelled batch can't be read", batch=str(batch_id), error=str(error))
            return "Why can't be looked up now."
        return None if batch is None else batch.reason

    async def page_of_batches(self, asked: BatchesAsked, *, timeout_s: float = READ_TIMEOUT_S) -> BatchList:
        """A page of the list of batches, newest first.

        Raises:
            Problem: `invalid_request`: the cursor is none of this list's.
        """
        name = f"batches?{asked.status}&{asked.label}"
        before = cursors.place_of(asked.cursor, belongs_to=name)
        items, more = await self._store.batches(
            status=asked.status, label=asked.label, limit=asked.limit, before=before, timeout_s=timeout_s
        )
        following = cursors.encode(items[-1].id, belongs_to=name) if more else None
        return BatchList(items=items, next_cursor=following)

    async def page_of_lines(self, batch_id: UUID, asked: LinesAsked, *, timeout_s: float = READ_TIMEOUT_S) -> LineList:
        """A page of the lines of a batch, in their order.

        Raises:
            Problem: `not_found`; or `invalid_request`: the cursor is none of this list's.
        """
        name = f"batches/{batch_id}/lines?{asked.state}"
        place = cursors.place_of(asked.cursor, belongs_to=name)
        found = await self._store.lines(
            batch_id,
            state=asked.state,
            limit=asked.limit,
            after=0 if place is None else seq_of(place),
            timeout_s=timeout_s,
        )
        if found is None:
            raise no_such_batch()
        numbered, more = found
        following = cursors.encode(check_of(batch_id, numbered[-1][0]), belongs_to=name) if more else None
        return LineList(items=[line for _, line in numbered], next_cursor=following)

    async def export(self, batch_id: UUID) -> tuple[Sequence[str], AsyncIterator[Sequence[Row]]]:
        """The words of a batch, and all its lines in order, some at a time, as rows of `queries.EXPORT`.

        Raises:
            Problem: `not_found`.
        """
        words = await self._store.words_of(batch_id)
        if words is None:
            raise no_such_batch()
        return words, self._exported(batch_id)

    async def _exported(self, batch_id: UUID) -> AsyncIterator[Sequence[Row]]:
        after = 0
        while rows := await self._store.exported(batch_id, after=after):
            yield rows
            after = rows[-1]["seq"]
        if await self._store.words_of(batch_id) is None:  # deleted meanwhile: what was sent is not all
            raise no_such_batch()
