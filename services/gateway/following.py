"""Reading a check that was just committed, once it is final if somebody has time for that."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

import structlog

from services.gateway.commands import Refused
from services.gateway.sending import NotCommitted
from services.gateway.store import Store, StoreUnavailable
from services.gateway.views import CheckView
from services.gateway.waiting import Ticket, TooManyWaiting, Waiting

log = structlog.get_logger(__name__)

READ_BACK_TIMEOUT_S: Final = 3.0
"""For reading what was just committed: who asked has its id either way, and has waited already."""


class Follower:
    """Follows checks to their end.

    Args:
        store: where they are read.
        waiting: where news of them come.
    """

    def __init__(self, store: Store, waiting: Waiting) -> None:
        self._store = store
        self._waiting = waiting

    async def follow(self, check_id: UUID, *, wait_s: float = 0, is_new: bool = False) -> CheckView:
        """A committed check as soon as it is final, or as it is after `wait_s` seconds.

        Args:
            check_id: which.
            wait_s: how long to wait.
            is_new: whether it was made just now, so that it can't be final yet and need not be read for that.

        Raises:
            NotCommitted: it can't be read.
            Refused: `deleted`; at once when that happens.
        """
        try:
            if wait_s:
                # Whatever cuts the waiting short, the check is committed.
                with suppress(TimeoutError, TooManyWaiting), self._waiting.interest(check_id) as ticket:
                    async with asyncio.timeout(wait_s):
                        return await self._final(check_id, ticket, is_new=is_new)
            return await self._read(check_id)
        except StoreUnavailable as error:
            log.warning("committed check can't be read back", check=str(check_id), error=str(error))
            raise NotCommitted(check_id) from error  # of all answers, the one that tells where to look for it

    async def _final(self, check_id: UUID, ticket: Ticket, *, is_new: bool) -> CheckView:
        """The check when it is final, which only its row tells: news may be of a run before this one."""
        while True:
            ticket.begin_again()
            if is_new:
                is_new = False
            else:
                check = await self._read(check_id)
                if check.is_final or ticket.cut_short:
                    return check
            await ticket.final()
            if ticket.is_deleted:
                raise Refused("deleted")

    async def _read(self, check_id: UUID) -> CheckView:
        check = await self._store.check(check_id, timeout_s=READ_BACK_TIMEOUT_S)
        if check is None:  # it was there
            raise Refused("deleted")
        return check
