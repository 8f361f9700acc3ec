"""The state of the whole at a glance: `GET /stats`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import aiohttp
import msgspec

from services.gateway import queries
from services.gateway.store import Store
from shared import topics
from shared.clock import MonotonicClock
from shared.nsq.lookup import Lookup
from shared.nsq.stats import NsqdDepths, TopicDepth, depths

FRESH_S: Final = 1.0
TOP_HOSTS: Final = 20
STATUSES: Final = ("queued", "running", "done", "failed", "cancelled")


class ChecksStats(msgspec.Struct, frozen=True, kw_only=True):
    """Checks: how many in all and in each state, and how many ended in the last minute."""

    total: int
    by_status: dict[str, int]
    finished_last_minute: int


class DueStats(msgspec.Struct, frozen=True, kw_only=True):
    """Checks that could begin now: how many, and for how many seconds the first has (null: there is none)."""

    count: int
    oldest_s: float | None


class TopicStats(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one topic over all nsqds: that wait, and that consumers have in hand."""

    waiting: int
    in_flight: int


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """The queues; nsqds that do not answer are missing in the sums, and named."""

    topics: dict[str, TopicStats]
    unreached: list[str]


class FetcherStats(msgspec.Struct, frozen=True, kw_only=True):
    """A fetcher that was seen in the last 10 s."""

    id: str
    version: str
    capacity: int
    in_flight: int
    finished_last_s: int
    seen_s_ago: float


class HostStats(msgspec.Struct, frozen=True, kw_only=True):
    """A host with work: checks that are queued for it, and those under way."""

    host: str
    queued: int
    leased: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `queues` is null when no nsqd answers; `rate_per_s` is what the fetchers finish now."""

    checks: ChecksStats
    due: DueStats
    queues: QueueStats | None
    rate_per_s: int
    fetchers: list[FetcherStats]
    hosts: list[HostStats]


class StatsReader:
    """Gathers the statistics, once a second at most however many ask: counting a million checks is no small question.

    Args:
        store: the database.
        lookup: which nsqds there are.
        session: to ask them with.
        clock: monotonic seconds.
    """

    def __init__(self, store: Store, lookup: Lookup, session: aiohttp.ClientSession, *, clock: MonotonicClock) -> None:
        self._store = store
        self._lookup = lookup
        self._session = session
        self._clock = clock
        self._lock = asyncio.Lock()
        self._newest: Stats | None = None
        self._gathered_at = 0.0

    async def read(self) -> Stats:
        """The statistics, at most `FRESH_S` old.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self._lock:
            if self._newest is None or self._clock() - self._gathered_at > FRESH_S:
                self._newest = await self._gather()
                self._gathered_at = self._clock()
            return self._newest

    async def _gather(self) -> Stats:
        queues = add_up(await depths(self._lookup, self._session))
        async with self._store.connection() as connection:
            statuses = await connection.fetch(queries.STATUSES)
            (due,) = await connection.fetch(queries.DUE)
            fetchers = [FetcherStats(**row) for row in await connection.fetch(queries.FETCHERS)]
            hosts = [HostStats(**row) for row in await connection.fetch(queries.BUSIEST_HOSTS, TOP_HOSTS)]
        by_status = dict.fromkeys(STATUSES, 0) | {row["status"]: row["checks"] for row in statuses}
        return Stats(
            checks=ChecksStats(
                total=sum(by_status.values()),
                by_status=by_status,
                finished_last_minute=sum(row["finished_last_minute"] for row in statuses),
            ),
            due=DueStats(count=due["due"], oldest_s=due["oldest_due_s"]),
            queues=queues,
            rate_per_s=sum(fetcher.finished_last_s for fetcher in fetchers),
            fetchers=fetchers,
            hosts=hosts,
        )


def add_up(nsqds: Sequence[NsqdDepths]) -> QueueStats | None:
    """The depths of our durable topics over all nsqds; None when none of these answered."""
    reached = [nsqd for nsqd in nsqds if nsqd.reached]
    if not reached:
        return None
    return QueueStats(
        topics={name: _sum(nsqd.topics[name] for nsqd in reached if name in nsqd.topics) for name, _ in topics.DURABLE},
        unreached=[nsqd.node.tcp for nsqd in nsqds if not nsqd.reached],
    )


def _sum(found: Iterable[TopicDepth]) -> TopicStats:
    parts = list(found)
    return TopicStats(waiting=sum(part.waiting for part in parts), in_flight=sum(part.in_flight for part in parts))
