"""The state of the whole at a glance: `GET /stats`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Generic, TypeVar

import aiohttp
import msgspec
from msgspec import Meta

from services.gateway import queries
from services.gateway.inputs import STATUSES
from services.gateway.store import Store
from shared import topics
from shared.clock import MonotonicClock
from shared.nsq.lookup import Lookup
from shared.nsq.stats import NsqdDepths, TopicDepth, depths

T = TypeVar("T")

FRESH_S: Final = 1.0
FAILED_FOR_S: Final = 5.0
"""How long a failure is told at most without trying again: when the cause has gone, that is soon noticed."""
REST: Final = 9.0
FETCHERS_WITHIN_S: Final = 6.0
"""For a short question after nsqds, which may have been asked in vain for 2 s."""
TOP_HOSTS: Final = 20


Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]


class ChecksStats(msgspec.Struct, frozen=True, kw_only=True):
    """Checks, counted."""

    total: Count
    by_status: Annotated[dict[str, Count], Meta(description="How many are in each state.")]
    finished_last_minute: Annotated[Count, Meta(description="How many came into a final state in the last minute.")]


class DueStats(msgspec.Struct, frozen=True, kw_only=True):
    """Checks that could begin now, and have not."""

    count: Count
    oldest_s: Annotated[Seconds | None, Meta(description="Seconds that the first has been waiting; null: none is.")]


class TopicStats(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one topic over all nsqds."""

    waiting: Annotated[int, Meta(description="Of nobody yet. nsqd may tell a negative number after a crash.")]
    in_flight: Annotated[int, Meta(description="In the hands of a consumer.")]


class QueueStats(msgspec.Struct, frozen=True, kw_only=True):
    """The queues. nsqds that do not answer are missing in the sums, and named."""

    topics: dict[str, TopicStats]
    unreached: Annotated[list[str], Meta(description="Addresses of the nsqds that do not answer.")]


class FetcherStats(msgspec.Struct, frozen=True, kw_only=True):
    """A fetcher that was seen in the last 10 s."""

    id: str
    version: str
    capacity: Annotated[Count, Meta(description="Checks that it works on at once, at most.")]
    in_flight: Annotated[Count, Meta(description="Checks that it works on now.")]
    finished_last_s: Annotated[Count, Meta(description="Checks that it ended in the last second.")]
    seen_s_ago: float


class HostStats(msgspec.Struct, frozen=True, kw_only=True):
    """A host with work."""

    host: Annotated[str, Meta(description="With its port, unless that is 80 or 443.")]
    queued: Annotated[Count, Meta(description="Checks that wait, those included that are not due yet.")]
    leased: Annotated[Count, Meta(description="Attempts under way.")]
    oldest_due_s: Annotated[
        Seconds | None, Meta(description="Seconds that the first check has been due; null: none is.")
    ]
    paused_until: Annotated[
        Annotated[datetime, Meta(tz=True)] | None,
        Meta(description="Before this, nothing may start there; null: something may now."),
    ]


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the whole. Each part is about a second old, and older where it takes long to gather."""

    checks: ChecksStats
    due: DueStats
    queues: Annotated[QueueStats | None, Meta(description="Null when no nsqd answers.")]
    rate_per_s: Annotated[Count, Meta(description="Checks that the fetchers ended in the last second.")]
    fetchers: list[FetcherStats]
    hosts: Annotated[list[HostStats], Meta(description=f"The {TOP_HOSTS} with most to do.")]


class Kept(Generic[T]):
    """A value that is gathered anew when it is asked for and too old: of `FRESH_S`, or of `REST` times what that took.

    So however many ask, and however much there is to count, the database is busy with it a small part of the time.
    """

    def __init__(self, gather: Callable[[], Awaitable[T]], clock: MonotonicClock) -> None:
        self._gather = gather
        self._clock = clock
        self._gathering: asyncio.Task[T] | None = None
        self._newest: T | None = None
        self._good_until_s = -math.inf
        self._error: Exception | None = None
        self._failed_until_s = -math.inf

    async def read(self) -> T:
        """The value; raises what gathering it raises.

        Who asks while it is gathered gets what comes of that, an error too: in turn, the last would wait for too long.
        """
        if self._newest is not None and self._clock() <= self._good_until_s:
            return self._newest
        if self._error is not None and self._clock() < self._failed_until_s:
            raise self._error
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._renew())
            self._gathering.add_done_callback(self._renewed)
        return await asyncio.shield(self._gathering)

    async def _renew(self) -> T:
        began_s = self._clock()
        try:
            newest = await self._gather()
        except Exception as error:
            ended_s = self._clock()
            self._error, self._failed_until_s = error, ended_s + min(REST * (ended_s - began_s), FAILED_FOR_S)
            raise
        ended_s = self._clock()
        self._newest, self._good_until_s = newest, ended_s + max(FRESH_S, REST * (ended_s - began_s))
        return newest

    def _renewed(self, task: asyncio.Task[T]) -> None:
        self._gathering = None
        if not task.cancelled():
            task.exception()  # seen, also when all who asked have gone


@dataclass(frozen=True, slots=True)
class Now:
    """What is quickly told: queues and fetchers."""

    queues: QueueStats | None
    fetchers: list[FetcherStats]


@dataclass(frozen=True, slots=True)
class Work:
    """What is waiting."""

    due: DueStats
    hosts: list[HostStats]


class StatsReader:
    """Gathers the statistics, in parts: to count a queue of a million checks is no small question.

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
        self._now = Kept(self._read_now, clock)
        self._checks = Kept(self._read_checks, clock)
        self._work = Kept(self._read_work, clock)

    async def read(self) -> Stats:
        """The statistics; each part `FRESH_S` old at most, or older where it takes long to gather.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        now, checks, work = await asyncio.gather(self._now.read(), self._checks.read(), self._work.read())
        return Stats(
            checks=checks,
            due=work.due,
            queues=now.queues,
            rate_per_s=sum(fetcher.finished_last_s for fetcher in now.fetchers),
            fetchers=now.fetchers,
            hosts=work.hosts,
        )

    async def _read_now(self) -> Now:
        queues = add_up(await depths(self._lookup, self._session))
        async with self._store.connection(FETCHERS_WITHIN_S) as connection:
            fetchers = [FetcherStats(**row) for row in await connection.fetch(queries.FETCHERS)]
        return Now(queues, fetchers)

    async def _read_checks(self) -> ChecksStats:
        async with self._store.connection() as connection:
            rows = await connection.fetch(queries.STATUSES)
        by_status = dict.fromkeys(map(str, STATUSES), 0) | {row["status"]: row["checks"] for row in rows}
        return ChecksStats(
            total=sum(by_status.values()),
            by_status=by_status,
            finished_last_minute=sum(row["finished_last_minute"] for row in rows),
        )

    async def _read_work(self) -> Work:
        async with self._store.connection() as connection:
            whole, *busiest = await connection.fetch(queries.WORK, TOP_HOSTS)
        hosts = [HostStats(**{name: row[name] for name in HostStats.__struct_fields__}) for row in busiest]
        hosts.sort(key=lambda host: (-host.queued - host.leased, host.host))
        return Work(DueStats(count=whole["due"], oldest_s=whole["oldest_due_s"]), hosts)


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
