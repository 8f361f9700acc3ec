"""Reading what has changed, and what has become of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.gateway.events import queries
from services.gateway.events.asking import Followed
from services.gateway.events.positions import Position
from services.gateway.events.views import BatchNews, CheckNews, batch_news, check_news
from services.gateway.queries import PLAN_A_PAGE
from services.gateway.store import Store

SNAPSHOT_CHECKS: Final = 50
SNAPSHOT_BATCHES: Final = 20
READ_IDS: Final = 20_000
"""After so many no further statement's are read at once; one has some thousands at most."""
_WITHIN_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What some transactions have changed.

    Attributes:
        position: where to read on.
        transactions: their numbers; those from `position` on come again, unless they are named.
        checks, batches: ids, in the order of the changes.
        is_all: whether there is no more by now.
    """

    position: Position
    transactions: frozenset[int]
    checks: Sequence[UUID]
    batches: Sequence[UUID]
    is_all: bool


class EventStore:
    """The questions. All may raise StoreUnavailable.

    Args:
        store: has the connections.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def position(self) -> Position:
        """Where whoever looks at anything from now on has to read on."""
        async with self._store.connection(_WITHIN_S) as connection:
            [row] = await connection.fetch(queries.POSITION)
        return Position(row["position"], row["at_s"])

    async def changes(self, since: Position, seen: Collection[int] = ()) -> Changes:
        """What has changed since a position, but for the transactions that were seen."""
        async with self._store.connection(_WITHIN_S) as connection:
            rows = await connection.fetch(queries.CHANGES, since.xid, list(seen), READ_IDS)
        position = Position(rows[0]["position"], rows[0]["at_s"])
        noted = [row for row in rows if row["xid"] is not None]
        is_all = not noted or noted[-1]["is_last"]
        if not is_all:  # of the last transaction there may be more
            position = Position(min(position.xid, noted[-1]["xid"]), since.at_s)
        whole = {row["xid"] for row in noted} - (set() if is_all else {noted[-1]["xid"]})
        return Changes(
            position=position,
            transactions=frozenset(whole),
            checks=[id_ for row in noted for id_ in row["checks"]],
            batches=[id_ for row in noted for id_ in row["batches"]],
            is_all=is_all,
        )

    async def states(
        self, checks: Sequence[UUID], batches: Sequence[UUID]
    ) -> tuple[dict[UUID, CheckNews], dict[UUID, BatchNews]]:
        """What there is of checks and batches; those that are missing are gone."""
        async with self._store.connection(_WITHIN_S) as connection:
            check_rows = await connection.fetch(queries.STATES, checks) if checks else []
            batch_rows = await connection.fetch(queries.BATCHES, batches) if batches else []
        return {row["id"]: check_news(row) for row in check_rows}, {row["id"]: batch_news(row) for row in batch_rows}

    async def snapshot(self, followed: Followed) -> tuple[list[CheckNews], list[BatchNews]]:
        """The newest checks and batches of what is followed."""
        if followed.check_id is not None:
            found, _ = await self.states([followed.check_id], [])
            return list(found.values()), []
        async with self._store.connection(_WITHIN_S) as connection, connection.transaction(readonly=True):
            await connection.execute(PLAN_A_PAGE)
            checks = await connection.fetch(queries.NEWEST, followed.batch_id, SNAPSHOT_CHECKS)
            if followed.batch_id is None:
                batches = await connection.fetch(queries.NEWEST_BATCHES, SNAPSHOT_BATCHES)
            else:
                batches = await connection.fetch(queries.BATCHES, [followed.batch_id])
        return [check_news(row) for row in checks], [batch_news(row) for row in batches]
