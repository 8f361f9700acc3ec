"""One message, one attempt: judge its lease, fetch, count, report, and only then FIN."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog

from services.fetcher import leases, reports
from services.fetcher.counting import PageCount, count_page
from services.fetcher.fetching.fetch import EnterHop, Fetched, Fetcher, Trail
from services.fetcher.fetching.limits import HopLimits
from services.fetcher.metrics import Metrics
from services.fetcher.outbox import Outbox
from shared.clock import MonotonicClock, WallClock
from shared.errors import FetchError
from shared.messages import AttemptFinished, AttemptRef, ClaimedCheck, PageFacts, decode_claimed_check, encode
from shared.nsq.errors import NsqError
from shared.nsq.message import Message
from shared.settings import Settings

log = structlog.get_logger(__name__)

STARTED_AFTER_S = 0.25
INLINE_BYTES = 64 * 1024
"""Counting so small a page takes about a millisecond: less than it costs to hand it to a thread."""


class Dropped(Exception):
    """The message is no longer ours: whatever the fetch found is somebody else's to find."""


@dataclass(slots=True)
class Load:
    """What the fetcher has in hand and has done, for its sign of life."""

    slots: asyncio.Semaphore
    in_flight: int = 0
    finished: int = 0


class Attempts:
    """Handles messages of `checks` and `checks.bulk`."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        hops: HopLimits,
        outbox: Outbox,
        config: Settings,
        instance: str,
        executor: Executor,
        utc_now: WallClock,
        clock: MonotonicClock,
        metrics: Metrics,
    ) -> None:
        self._fetcher = fetcher
        self._hops = hops
        self._outbox = outbox
        self._config = config
        self._instance = instance
        self._executor = executor
        self._utc_now = utc_now
        self._clock = clock
        self._metrics = metrics
        self._begun = leases.Begun()
        self.load = Load(slots=asyncio.Semaphore(config.max_in_flight))

    async def handle(self, message: Message) -> None:
        """Makes the attempt that a message asks for, or says that it came too late; the consumer FINs on return."""
        try:
            check = decode_claimed_check(message.body)
        except msgspec.DecodeError as error:
            log.error("message dropped: it can't be read", topic=message.topic, error=str(error), id=message.id)
            return
        async with self.load.slots:
            self.load.in_flight += 1
            try:
                await self._handle(message, check)
            except Dropped:
                self._metrics.dropped.inc()
                log.warning("attempt dropped: its message went elsewhere", **_names(check))
            finally:
                self.load.in_flight -= 1

    async def _handle(self, message: Message, check: ClaimedCheck) -> None:
        now = self._utc_now()
        verdict = leases.judge(check, now, self._config.fetch_timeout_s)
        if isinstance(verdict, leases.TooLate):
            self._metrics.late.inc()
            log.info("attempt not begun: too little of its lease is left", **_names(check))
            await self._outbox.late(_ref(check, self._utc_now))
            return
        if not self._begun.first(check, now):
            log.info("repeat of an attempt that was begun here", **_names(check))
            return
        await asyncio.sleep(verdict.wait_s)
        report = await _while_owned(message, self._attempt(check), self._clock)
        await self._publish(check, _encoded(report))
        self.load.finished += 1
        self._metrics.attempts.labels(report.error.code if report.error else "counted").inc()
        log.info("attempt ended", outcome=report.error.code if report.error else "counted", **_names(check))

    async def _attempt(self, check: ClaimedCheck) -> AttemptFinished:
        trail, started_at, began_s = Trail(), self._utc_now(), self._clock()
        loop = asyncio.get_running_loop()
        soon = loop.call_later(STARTED_AFTER_S, self._outbox.started, _ref(check, lambda: started_at))
        try:
            fetched = await self._fetcher.fetch(check.url, trail=trail, enter_hop=self._enter_hop(check))
            page = await self._count(check, fetched)
            counted, facts = reports.counted(page), reports.facts(trail, page)
            error = None
        except FetchError as problem:
            counted, facts, error = None, reports.facts(trail), reports.error(problem)
        except Exception as problem:  # the edge of one attempt: our own fault, and not the end of the others
            log.exception("attempt failed by our own fault", **_names(check))
            counted, facts, error = None, reports.facts(trail), reports.internal(problem)
        finally:
            soon.cancel()
        took = timedelta(seconds=self._clock() - began_s)
        self._metrics.attempt_seconds.observe(took.total_seconds())
        return AttemptFinished(
            check_id=check.check_id,
            attempt=check.attempt,
            run=check.run,
            host=check.host,
            fetcher=self._instance,
            started_at=started_at,
            finished_at=started_at + took,
            counted=counted,
            error=error,
            facts=facts,
            trace=check.trace,
        )

    def _enter_hop(self, check: ClaimedCheck) -> EnterHop:
        return lambda address, first: self._hops.hop(check.host, address, first=first)

    async def _count(self, check: ClaimedCheck, fetched: Fetched) -> PageCount:
        arguments = fetched.body, fetched.content_type, check.question
        if len(fetched.body) <= INLINE_BYTES:
            return count_page(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._executor, count_page, *arguments)

    async def _publish(self, check: ClaimedCheck, report: bytes) -> None:
        """Publishes the result, again and again until the lease ends: after that another attempt decides."""
        while True:
            try:
                await self._outbox.publish(report)
            except NsqError as error:
                if self._utc_now() >= check.not_after:
                    raise
                log.warning("result not published yet", error=repr(error), **_names(check))
            else:
                return


async def _while_owned(
    message: Message, work: Coroutine[None, None, AttemptFinished], clock: MonotonicClock
) -> AttemptFinished:
    """Awaits `work`, but gives it up when nsqd may have delivered the message to somebody else.

    A connection that breaks does not mean that yet: nsqd waits for the msg-timeout after the last TOUCH.

    Raises:
        Dropped: the message is somebody else's by now; looked at by the monotonic clock on waking, too.
    """
    task, lost = asyncio.create_task(work), asyncio.create_task(message.lost.wait())
    try:
        await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=max(0.0, message.owned_until - clock()))
        if clock() >= message.owned_until or not task.done():
            raise Dropped
        return task.result()
    finally:
        task.cancel()
        lost.cancel()
        await asyncio.gather(task, lost, return_exceptions=True)


def _encoded(report: AttemptFinished) -> bytes:
    """The report as it goes out; one that can't, by a fault of ours, goes out as just that."""
    try:
        return encode(report)
    except (UnicodeError, msgspec.MsgspecError) as problem:
        log.exception("report can't be encoded", check=str(report.check_id), attempt=report.attempt)
        bare = msgspec.structs.replace(report, counted=None, facts=PageFacts(), error=reports.internal(problem))
        return encode(bare)


def _ref(check: ClaimedCheck, at: WallClock) -> AttemptRef:
    return AttemptRef(check_id=check.check_id, attempt=check.attempt, host=check.host, at=at())


def _names(check: ClaimedCheck) -> dict[str, str | int]:
    return {"check": str(check.check_id), "attempt": check.attempt, "host": check.host, "trace": check.trace}


OnMessage = Callable[[Message], Awaitable[None]]


def at_most(count: int, handle: OnMessage) -> OnMessage:
    """`handle`, for at most `count` messages at once: what is beyond waits, and leaves the rest to others."""
    share = asyncio.Semaphore(count)

    async def handle_in_share(message: Message) -> None:
        async with share:
            await handle(message)

    return handle_in_share
