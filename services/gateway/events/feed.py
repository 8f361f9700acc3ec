"""Reads what changes once for all who follow it in this process, and tells them.

Whoever follows is noted before its snapshot is read. What is committed before that reading is in the snapshot, and what
is committed after it is read after it; so something may be told twice, and nothing is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import structlog

from services.gateway.events.asking import Followed
from services.gateway.events.encoding import encode
from services.gateway.events.groups import MOST_AT_ONCE, Follower, Group
from services.gateway.events.positions import Position
from services.gateway.events.store import EventStore
from services.gateway.events.views import BatchNews, CheckNews, Event
from services.gateway.stats import Stats, StatsReader
from services.gateway.store import StoreUnavailable

log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
"""At most one event in this time."""
_HINTED_EVERY_S: Final = 0.1
"""Hints come in swarms; nothing is read more often than this for them."""
_STATS_WITHIN_S: Final = 2.0
_TOGETHER_S: Final = 0.01
"""Those who lose the thread do so all at once."""
MOST_FOLLOWERS: Final = 1_000
_LOOKED_UP_AT_ONCE: Final = 5_000


class TooManyFollowers(Exception):
    """No connection more may follow here."""


class Feed:
    """All who follow in this process.

    Args:
        store: where the changes are.
        stats: tells the statistics.
        most: who may follow at once.
    """

    def __init__(self, store: EventStore, stats: StatsReader, *, most: int = MOST_FOLLOWERS) -> None:
        self._store = store
        self._reader = stats
        self._most = most
        self._groups: dict[Followed, Group] = {}
        self._position: Position | None = None
        self._seen: frozenset[int] = frozenset()
        self._stats: Stats | None = None
        self._reading_stats: asyncio.Task[Stats | None] | None = None
        self._somebody = asyncio.Event()
        self._hinted = asyncio.Event()
        self._has_more = False
        self._is_blind = False
        self._stopping = False
        self._snapshots: dict[Followed, asyncio.Task[bytes]] = {}

    def __len__(self) -> int:
        return sum(len(group.followers) for group in self._groups.values())

    def wake(self) -> None:
        """Says that something may have changed."""
        self._hinted.set()

    def stop(self) -> None:
        """Ends all streams; who followed goes on elsewhere."""
        self._stopping = True
        for group in self._groups.values():
            for follower in group.followers:
                follower.end()

    @asynccontextmanager
    async def follow(self, followed: Followed) -> AsyncIterator[Follower]:
        """Notes somebody who follows, for as long as the context lasts. To be entered before anything is read.

        Raises:
            TooManyFollowers: see there.
            StoreUnavailable: it can't be told from where on.
        """
        if len(self) >= self._most:
            raise TooManyFollowers
        if self._position is None:
            position = await self._store.position()
            if self._position is None:
                self._position = position
        follower = Follower()
        group = self._groups.setdefault(followed, Group(followed))
        group.followers.add(follower)
        if self._stopping:
            follower.end()
        self._somebody.set()
        try:
            yield follower
        finally:
            group.followers.discard(follower)
            if not group.followers and self._groups.get(followed) is group:
                del self._groups[followed]

    async def snapshot(self, followed: Followed) -> bytes:
        """What there is now, as an event: one for all who ask before it is begun.

        Raises:
            StoreUnavailable: it can't be told.
        """
        if followed not in self._snapshots:
            self._snapshots[followed] = asyncio.create_task(self._snapshot(followed))
        return await asyncio.shield(self._snapshots[followed])

    async def _snapshot(self, followed: Followed) -> bytes:
        await asyncio.sleep(_TOGETHER_S)
        del self._snapshots[followed]  # who asks from here on may have missed what it does not tell
        position = await self._store.position()
        checks, batches = await self._store.snapshot(followed)
        stats = await self._read_stats()
        if (group := self._groups.get(followed)) is not None and group.told is None:
            group.told = _marks(stats)
        return encode("snapshot", Event(checks=checks, batches=batches, stats=stats), position)

    async def since(self, followed: Followed, last: Position) -> bytes | None:
        """What has changed since an event, as one event.

        Returns:
            b"" if nothing has; None if that event is too old, or too much has changed.
        """
        if not last.is_good(await self._store.position()):
            return None
        changes = await self._store.changes(last)
        checks = [id_ for id_ in dict.fromkeys(changes.checks) if followed.has_check(id_)]
        batches = [id_ for id_ in dict.fromkeys(changes.batches) if followed.has_batch(id_)]
        if not changes.is_all or len(checks) + len(batches) > MOST_AT_ONCE:
            return None
        if not checks and not batches:
            return b""
        event = _event(checks, batches, await self._store.states(checks, batches), await self._read_stats())
        return encode("update", event, changes.position)

    async def _read_stats(self) -> Stats | None:
        try:
            async with asyncio.timeout(_STATS_WITHIN_S):
                return await self._reader.read()
        except (StoreUnavailable, TimeoutError):
            return None

    async def run(self) -> None:
        """Tells what changes until cancelled."""
        while True:
            if not self._groups:
                self._position, self._seen, self._stats = None, frozenset(), None
                self._somebody.clear()
                await self._somebody.wait()
            told = await self._look()
            await asyncio.sleep(EVERY_S if told else _HINTED_EVERY_S)
            if not told and not self._has_more:
                await self._hint_or_time()

    async def _hint_or_time(self) -> None:
        try:
            async with asyncio.timeout(EVERY_S - _HINTED_EVERY_S):
                await self._hinted.wait()
        except TimeoutError:
            pass
        self._hinted.clear()

    async def _look(self) -> bool:
        """Reads what has changed and tells it; returns whether there was anything to tell."""
        try:
            await self._note()
            told = await self._tell()
        except StoreUnavailable as error:
            if not self._is_blind:  # once, not twice a second
                log.warning("what changes can't be read", error=str(error), followers=len(self))
            self._is_blind = True
            return True
        self._is_blind = False
        return told

    async def _note(self) -> None:
        since = self._position
        if since is None:
            return
        changes = await self._store.changes(since, self._seen)
        if not since.is_good(changes.position):
            for group in self._groups.values():
                group.lose()
        for group in self._groups.values():
            group.note(changes.checks, changes.batches, since)
        self._position, self._has_more = changes.position, not changes.is_all
        self._seen = frozenset(xid for xid in self._seen | changes.transactions if xid >= changes.position.xid)

    async def _tell(self) -> bool:
        self._refresh_stats()
        read, marks = self._position, _marks(self._stats)
        if read is None:
            return False
        due = self._due()
        found = await self._store.states(
            list({id_: None for _, ids, _ in due for id_ in ids}), list({id_: None for _, _, ids in due for id_ in ids})
        )
        told = False
        for group, its_checks, its_batches in due:
            stats_are_news = marks is not None and group.followed.is_all and group.told != marks
            if not its_checks and not its_batches and not stats_are_news:
                continue
            position = group.is_told(its_checks, its_batches, read)
            group.told = marks
            group.tell(encode("update", _event(its_checks, its_batches, found, self._stats), position))
            told = True
        return told

    def _due(self) -> list[tuple[Group, list[UUID], list[UUID]]]:
        """What is to be told to whom: to as many groups as can be looked up at once, others before them next time."""
        due: list[tuple[Group, list[UUID], list[UUID]]] = []
        size = 0
        for followed, group in list(self._groups.items()):
            checks, batches = group.due()
            size += len(checks) + len(batches)
            due.append((group, checks, batches))
            self._groups[followed] = self._groups.pop(followed)
            if size > _LOOKED_UP_AT_ONCE:
                break
        return due

    def _refresh_stats(self) -> None:
        """Takes the statistics as they come: nobody waits for them."""
        if self._reading_stats is not None and self._reading_stats.done():
            self._stats = self._reading_stats.result()
            self._reading_stats = None
        if self._reading_stats is None:
            self._reading_stats = asyncio.create_task(self._read_stats())


def _event(
    checks: Sequence[UUID],
    batches: Sequence[UUID],
    found: tuple[Mapping[UUID, CheckNews], Mapping[UUID, BatchNews]],
    stats: Stats | None,
) -> Event:
    """The news of ids; what is not found is gone."""
    its_checks, its_batches = found
    return Event(
        checks=[its_checks.get(id_) or CheckNews(id=id_, status="deleted") for id_ in checks],
        batches=[its_batches.get(id_) or BatchNews(id=id_, status="deleted") for id_ in batches],
        stats=stats,
    )


def _marks(stats: Stats | None) -> object:
    """What is worth an event in the statistics: ages and depths change all the time."""
    if stats is None:
        return None
    return stats.checks, stats.due.count, stats.rate_per_s, [(each.id, each.in_flight) for each in stats.fetchers]
