"""One message, one attempt: judge its lease, fetch, count, report, and only then FIN."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog
from structlog.contextvars import bind_contextvars

from services.fetcher import leases, reports
from services.fetcher.clock_watch import ClockWatch
from services.fetcher.counting import PageCount
from services.fetcher.courtesy import Courtesy
from services.fetcher.fetching.fetch import EnterHop, Fetcher, Trail
from services.fetcher.fetching.limits import HopLimits
from services.fetcher.metrics import COUNTED, Metrics
from services.fetcher.outbox import Outbox
from services.fetcher.reading.pool import OutOfTime
from services.fetcher.reading.reader import Reader
from services.fetcher.reading.threads import StuckThread
from services.fetcher.robots.asking import Cost
from services.fetcher.robots.gate import Robots
from shared.clock import MonotonicClock, WallClock
from shared.errors import FetchError
from shared.messages import AttemptFinished, AttemptRef, ClaimedCheck, PageFacts, decode_claimed_check, encode
from shared.nsq.errors import NsqError
from shared.nsq.message import Message
from shared.settings import Settings
from shared.urls import Address

log = structlog.get_logger(__name__)

STARTED_AFTER_S = 0.25
MOST_GIVEN_UP = 3
"""So many attempts of a run may be lost before one that does not end in its lease is an outcome."""
_MS = timedelta(milliseconds=1)
AFTER_CLOCK_S = 1.0
"""How long a message is left to other fetchers that came while this one's clock was off."""


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
        robots: Robots,
        reader: Reader,
        watch: ClockWatch,
        outbox: Outbox,
        config: Settings,
        instance: str,
        utc_now: WallClock,
        clock: MonotonicClock,
        metrics: Metrics,
    ) -> None:
        self._fetcher = fetcher
        self._hops = hops
        self._robots = robots
        self._reader = reader
        self._watch = watch
        self._outbox = outbox
        self._config = config
        self._instance = instance
        self._utc_now = utc_now
        self._clock = clock
        self._metrics = metrics
        self._begun = leases.Begun()
        self._courtesy = Courtesy(clock)
        self.load = Load(slots=asyncio.Semaphore(config.max_in_flight))
        metrics.watch(in_flight=lambda: self.load.in_flight, capacity=config.max_in_flight)

    async def handle(self, message: Message) -> None:
        """Makes the attempt that a message asks for, or says that it came too late; the consumer FINs on return."""
        try:
            check = decode_claimed_check(message.body)
        except msgspec.DecodeError as error:
            log.error("message dropped: it can't be read", topic=message.topic, error=str(error), id=message.id)
            return
        # Each message has a task of its own, so that whatever is logged from here on has these names.
        bind_contextvars(check=str(check.check_id), attempt=check.attempt, host=check.host, trace=check.trace)
        async with self.load.slots:
            self.load.in_flight += 1
            try:
                await self._handle(message, check)
            except Dropped:
                self._metrics.dropped.inc()
                log.warning("attempt dropped: its message went elsewhere")
            finally:
                self.load.in_flight -= 1

    async def _handle(self, message: Message, check: ClaimedCheck) -> None:
        left_s = await self._begin(message, check)
        if left_s is not None:
            with nullcontext() if check.lane == "bulk" else self._courtesy.person():
                await self._make(message, check, left_s)

    async def _make(self, message: Message, check: ClaimedCheck, left_s: float) -> None:
        try:
            report = await _while_owned(message, self._attempt(message, check, self._clock() + left_s), self._clock)
        except OutOfTime:
            self._metrics.given_up.inc()
            log.warning("attempt given up: its lease ends")
            return  # unreported: with its lease it counts as lost, and the check as a suspect
        except StuckThread as error:
            log.error("attempt handed back: its page is stuck, and this process ends", error=str(error))
            self._begun.forget(check)
            await message.req()
            return
        await self._publish(check, _encoded(report))
        self.load.finished += 1
        outcome = report.error.code if report.error else COUNTED
        self._metrics.ended(outcome)
        took = report.finished_at - report.started_at
        # Of bulk work, a line for each attempt would drown all others.
        tell = log.debug if check.lane == "bulk" else log.info
        tell("attempt ended", outcome=outcome, http_status=report.facts.http_status, took_ms=took // _MS)

    async def _begin(self, message: Message, check: ClaimedCheck) -> float | None:
        """Waits for the attempt's turn; returns for how many seconds it may last, or None if it may not begin.

        The message may have waited for long, before and in here, even with this process stopped: what decides is
        looked at last thing before the fetch.

        Raises:
            Dropped: the message is somebody else's by now.
        """
        self._watch.claimed(check.claimed_at)
        verdict = leases.judge(check, self._utc_now(), self._config.fetch_timeout_s)
        if isinstance(verdict, leases.Begin):
            if verdict.wait_s > 0:
                await asyncio.sleep(verdict.wait_s)
            if check.lane == "bulk":
                await self._courtesy.turn()
            verdict = leases.judge(check, self._utc_now(), self._config.fetch_timeout_s)
        if message.is_lost:
            raise Dropped
        if not self._watch.is_right():
            await message.req(AFTER_CLOCK_S)
            return None
        if check in self._begun:
            log.info("repeat of an attempt that was begun here")
            return None
        if isinstance(verdict, leases.TooLate):
            await self._too_late(message, check)
            return None
        now = self._utc_now()
        self._begun.add(check, now)
        self._metrics.began(check.lane, now - check.claimed_at)
        return (check.not_after - now).total_seconds() - leases.PUBLISH_MARGIN_S

    async def _too_late(self, message: Message, check: ClaimedCheck) -> None:
        self._metrics.late.inc()
        log.info("attempt not begun: too little of its lease is left", attempts=message.attempts)
        if message.attempts == 1:
            await self._outbox.late(_ref(check, self._utc_now))
        # Another fetcher may have begun it and died of it. Reported as not begun, the check would come back without a
        # past, and kill the next one. Left to its lease it counts as lost, and the check comes back as a suspect.

    async def _attempt(self, message: Message, check: ClaimedCheck, until_s: float) -> AttemptFinished:
        trail, started_at, began_s = Trail(), self._utc_now(), self._clock()
        loop = asyncio.get_running_loop()
        soon = loop.call_later(STARTED_AFTER_S, self._outbox.started, _ref(check, lambda: started_at))
        try:
            page = await self._count(message, check, trail, until_s)
            counted, facts = reports.counted(page), reports.facts(trail, page)
            error = None
        except OutOfTime:
            if check.lost < MOST_GIVEN_UP:
                raise
            # Whatever keeps it from being read in time, its check has to end some day.
            problem = FetchError("deadline_exceeded", detail="not read within its lease, again and again")
            counted, facts, error = None, reports.facts(trail), reports.error(problem)
        except (Dropped, StuckThread):
            raise
        except FetchError as problem:
            counted, facts, error = None, reports.facts(trail), reports.error(problem)
        except Exception as problem:  # the edge of one attempt: our own fault, and not the end of the others
            log.exception("attempt failed by our own fault")
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
            lane=check.lane,
        )

    async def _count(self, message: Message, check: ClaimedCheck, trail: Trail, until_s: float) -> PageCount:
        """Fetches and counts, within the lease whatever may be waited for.

        Raises:
            FetchError: there is no count.
            OutOfTime: the lease ends.
        """
        try:
            async with asyncio.timeout(until_s - self._clock()) as lease:
                fetched = await self._fetcher.fetch(
                    check.url, trail=trail, enter_hop=self._enter_hop(message, check, trail, until_s)
                )
                page = fetched.body, fetched.content_type, check.question
                return await self._reader.read(check, page, redelivered=message.attempts > 1, until_s=until_s)
        except TimeoutError as error:
            if not lease.expired():
                raise
            raise OutOfTime from error

    def _enter_hop(self, message: Message, check: ClaimedCheck, trail: Trail, until_s: float) -> EnterHop:
        @asynccontextmanager
        async def enter(address: Address, first: bool) -> AsyncIterator[None]:
            cost = Cost()
            try:
                await self._robots.require(address, home=check.host, first=first, cost=cost)
            finally:
                trail.add(cost.address, cost.phases_s)
            # A question for robots.txt was the request that need not wait; who found it answered still has that one.
            async with self._hops.hop(check.host, address, first=first and not cost.asked):
                # The wait may have been long, or this process been stopped in it: no request after one's time.
                now_s = self._clock()
                if now_s >= message.owned_until:
                    raise Dropped
                if now_s >= until_s:
                    raise OutOfTime
                yield

        return enter

    async def _publish(self, check: ClaimedCheck, report: bytes) -> None:
        """Publishes the result, again and again until the lease ends: after that another attempt decides."""
        while True:
            try:
                await self._outbox.publish(report, at_once=check.lane != "bulk")
            except NsqError as error:
                if self._utc_now() >= check.not_after:
                    raise
                log.warning("result not published yet", error=repr(error))
            else:
                return


async def _while_owned(message: Message, work: Awaitable[AttemptFinished], clock: MonotonicClock) -> AttemptFinished:
    """Awaits `work`, but gives it up when nsqd may have delivered the message to somebody else.

    A connection that breaks does not mean that yet: nsqd waits for the msg-timeout after the last TOUCH.

    Raises:
        Dropped: the message is somebody else's by now; looked at by the monotonic clock on waking, too.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as until:
            # In this task, and not in one more for each page: two of them would cost a tenth of what a page does.
            message.when_lost = lambda: until.reschedule(loop.time() + max(0.0, message.owned_until - clock()))
            try:
                if message.is_lost:
                    message.when_lost()
                report = await work
            finally:
                message.when_lost = None
    except TimeoutError as error:
        if not until.expired():
            raise
        raise Dropped from error
    if clock() >= message.owned_until:
        raise Dropped
    return report


def _encoded(report: AttemptFinished) -> bytes:
    """The report as it goes out; one that can't, by a fault of ours, goes out as just that."""
    try:
        return encode(report)
    except (UnicodeError, msgspec.MsgspecError) as problem:
        log.exception("report can't be encoded")
        bare = msgspec.structs.replace(report, counted=None, facts=PageFacts(), error=reports.internal(problem))
        return encode(bare)


def _ref(check: ClaimedCheck, at: WallClock) -> AttemptRef:
    return AttemptRef(check_id=check.check_id, attempt=check.attempt, host=check.host, at=at())


OnMessage = Callable[[Message], Awaitable[None]]


def at_most(count: int, handle: OnMessage) -> OnMessage:
    """`handle`, for at most `count` messages at once: what is beyond waits, and leaves the rest to others."""
    share = asyncio.Semaphore(count)

    async def handle_in_share(message: Message) -> None:
        async with share:
            await handle(message)

    return handle_in_share
