"""From messages to commits: decode, flush, publish what the commit made ready, FIN, tell those who wait."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import msgspec
import structlog

from services.recorder import faults, hints, unreadable
from services.recorder.inbox import Inbox
from services.recorder.items import Asked, Flushed, Item
from services.recorder.metrics import Metrics
from services.recorder.store import flush
from shared import claims, messages, topics
from shared.backoff import Backoff
from shared.db.connect import DatabaseError
from shared.db.single import SingleConnection
from shared.messages import ClaimedCheck
from shared.nsq.errors import NsqError
from shared.nsq.message import Message
from shared.nsq.producer import Producer
from shared.settings import Settings

log = structlog.get_logger(__name__)

MOST_PER_FLUSH = 500
FLUSH_WITHIN_S = 15.0
PUBLISH_AGAIN_S = 1.0
MOST_OWED = 1_000
REST_MOST_S = 0.25
LOOK_EVERY_S = 1.0
_PAUSE_MOST_S = 2.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message and what it says."""

    message: Message
    item: Item


def decode(message: Message) -> Item:
    """What a message of `commands` or `results` says.

    Raises:
        msgspec.DecodeError: it is none of ours.
    """
    if message.topic == topics.COMMANDS.name:
        return Asked(messages.decode_lone_command(message.body), redelivered=message.attempts > 1)
    return messages.decode_report(message.body)


class Recorder:
    """Flushes what the inbox holds, one set after another, for ever.

    Args:
        inbox: where they gather.
        producer: for checks that are claimed, and for hints.
        database: a connection that nobody else uses.
        config: limits of hosts, attempts and leases.
        metrics: the recorder's.
        rest: how many times what a flush took it waits until the next one, so that more gathers for that.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        producer: Producer,
        database: SingleConnection,
        config: Settings,
        metrics: Metrics,
        rest: float = 0.0,
    ) -> None:
        self._inbox = inbox
        self._producer = producer
        self._database = database
        self._config = config
        self._metrics = metrics
        self._rest = rest
        self._rng = random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._owed: list[ClaimedCheck] = []
        self._flushing = False
        self._flushed_at_s = -math.inf

    def waiting(self) -> int:
        """How many messages wait for the next flush."""
        return len(self._inbox)

    def owed(self) -> int:
        """How many checks are claimed that no nsqd has taken yet."""
        return len(self._owed)

    def is_connected(self) -> bool:
        """Whether its database answers, as far as is known."""
        return self._database.is_open()

    def is_flushing(self, *, within_s: float = 0.0) -> bool:
        """Whether it has something in hand now, or had in the last `within_s` seconds."""
        return self._flushing or time.perf_counter() - self._flushed_at_s < within_s

    async def run(self) -> None:
        """Takes and flushes until cancelled."""
        try:
            await self._database.open()
            while True:
                taken = await self._take()
                self._flushing, began_s = True, time.perf_counter()
                await self.handle(taken)
                self._flushing, self._flushed_at_s = False, time.perf_counter()
                if self._rest:
                    await asyncio.sleep(min(self._rest * (self._flushed_at_s - began_s), REST_MOST_S))
        finally:
            self._database.drop()

    async def _take(self) -> list[Message]:
        """The next set; as long as nothing comes, the connection is kept open, or opened again when it was lost."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    return await self._inbox.take(MOST_PER_FLUSH)
            with suppress(DatabaseError):
                await self._database.open()

    async def handle(self, taken: Sequence[Message]) -> None:
        """One set of messages: when this returns, all of them are finished or handed back."""
        deliveries = [d for d in [await self._decoded(message) for message in taken] if d is not None]
        with self._metrics.flush_seconds.time():
            done = await self._record([d.item for d in deliveries])
        self._metrics.flushed([delivery.message for delivery in deliveries], time.time_ns())
        self._log(done)
        # What is committed can be told while what it made ready is on its way.
        published, _ = await asyncio.gather(self._publish(done), self._tell(done))
        for delivery in deliveries:
            if published is not None or not isinstance(delivery.item, Asked):
                await delivery.message.fin()
            else:
                await delivery.message.req(PUBLISH_AGAIN_S)
        self._metrics.claims.published(published or [])

    def _log(self, done: Flushed) -> None:
        """Called before the hint, so that what that sets off is told after this."""
        for told in done.told:
            (log.debug if told.bulk else log.info)(told.event, **told.fields)
            if told.kind is not None:
                self._metrics.command(told.kind, told.fields["outcome"])

    async def _decoded(self, message: Message) -> Delivery | None:
        try:
            return Delivery(message, decode(message))
        except msgspec.DecodeError as error:
            await unreadable.drop(message, error, self._metrics)
            return None

    async def _record(self, items: Sequence[Item]) -> Flushed:
        """Commits all items; what PostgreSQL refuses for its contents is found by halving and set aside."""
        if not items:
            return Flushed()
        try:
            return await self._committed(items)
        except asyncpg.PostgresError as error:
            if not faults.is_data(error):
                raise
            if len(items) == 1:
                return await self._set_aside(items[0], error)
        middle = len(items) // 2
        done = await self._record(items[:middle])
        done.extend(await self._record(items[middle:]))
        return done

    async def _set_aside(self, item: Item, error: asyncpg.PostgresError) -> Flushed:
        """Records of a culprit what can be; what can't even then is dropped: its lease brings the check back."""
        self._metrics.culprits.inc()
        log.error("PostgreSQL refuses the contents of a message", error=faults.said(error), **faults.names(item))
        harmless = faults.set_aside(item)
        if harmless is None:
            return Flushed()
        try:
            return await self._committed([harmless])
        except asyncpg.PostgresError as again:
            if not faults.is_data(again):
                raise
            log.error("message dropped: nothing of it can be recorded", error=faults.said(again), **faults.names(item))
            return Flushed()

    async def _committed(self, items: Sequence[Item]) -> Flushed:
        """Runs the transaction, again and again while its failure may pass: the messages are TOUCHed meanwhile."""
        backoff = Backoff(rng=self._rng, first_s=0.04, cap_s=_PAUSE_MOST_S)
        while True:
            tried = items

            async def work(connection: asyncpg.Connection, tried: Sequence[Item] = tried) -> Flushed:
                return await flush(connection, tried, self._config, self._jitter)

            try:
                return await self._database.run(work, timeout_s=FLUSH_WITHIN_S)
            except faults.DATABASE as error:
                if not faults.may_pass(error):
                    raise
                self._metrics.flush_retries.inc()
                log.warning("flush failed, tried again", error=repr(error), size=len(items))
                self._database.drop()
                items = faults.perhaps_committed(items)
                await asyncio.sleep(backoff.next_s())

    async def _publish(self, done: Flushed) -> list[ClaimedCheck] | None:
        """Publishes what commits have claimed, and returns it; what no nsqd takes (None) goes with the next flush."""
        self._owed = [*self._owed, *done.claimed][-MOST_OWED:]
        try:
            await claims.publish(self._producer, self._owed)
        except NsqError as error:
            log.error("claimed checks not published yet", error=repr(error), checks=len(self._owed))
            return None
        self._metrics.claimed.inc(len(self._owed))
        published, self._owed = self._owed, []
        return published

    async def _tell(self, done: Flushed) -> None:
        if done.changed or done.outcomes or done.deleted:
            changed, deleted = tuple(done.changed.values()), tuple(done.deleted)
            await hints.publish(
                self._producer,
                topics.RECORDED,
                messages.Recorded(checks=changed, outcomes=tuple(done.outcomes), deleted=deleted),
            )
        if done.clocks:
            await hints.publish(self._producer, topics.CLOCKS, messages.ClockReadings(readings=tuple(done.clocks)))

    def _jitter(self) -> float:
        return self._rng.uniform(0.5, 1.5)
