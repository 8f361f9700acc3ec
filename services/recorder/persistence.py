"""Transactions that are tried again for as long as their failure may pass."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
import structlog

from services.recorder import faults
from shared.backoff import Backoff
from shared.db.single import SingleConnection

T = TypeVar("T")

log = structlog.get_logger(__name__)

_FIRST_PAUSE_S: Final = 0.04
_LONGEST_PAUSE_S: Final = 2.0


class NotWanted(Exception):
    """Nobody needs the transaction any more, which has failed so far."""


def _always() -> bool:
    return True


class Persistent:
    """The way to one connection for a task that works through its transactions in order.

    Args:
        database: the connection, dropped after each failure.
        within_s: how long one try may take.
        on_retry: called for each further try.
        rng: spreads the tries.
    """

    def __init__(
        self,
        database: SingleConnection,
        *,
        within_s: float,
        on_retry: Callable[[], None],
        rng: random.Random | None = None,
    ) -> None:
        self._database = database
        self._within_s = within_s
        self._on_retry = on_retry
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing

    async def commit(
        self, work: Callable[[asyncpg.Connection], Awaitable[T]], *, wanted: Callable[[], bool] = _always
    ) -> T:
        """Runs a transaction, which must be one that may be run twice: a commit's answer can get lost.

        Raises:
            asyncpg.PostgresError: it was refused, and would be again.
            NotWanted: it has failed, and `wanted` says that it is not to be tried again.
        """
        backoff = Backoff(rng=self._rng, first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S)
        while True:
            try:
                return await self._database.run(work, timeout_s=self._within_s)
            except faults.DATABASE as error:
                if not faults.may_pass(error):
                    raise
                self._database.drop()
                if not wanted():
                    raise NotWanted from error
                self._on_retry()
                log.warning("transaction failed, tried again", error=repr(error))
                await asyncio.sleep(backoff.next_s())

    def drop(self) -> None:
        """Gives the connection up."""
        self._database.drop()
