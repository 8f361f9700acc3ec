"""Wires the fetcher: two lanes of checks, one HTTP client, the way out for reports, and its sign of life."""

import asyncio
import math
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.fetcher import freed_memory, pace
from services.fetcher.clock_guard import ClockGuard
from services.fetcher.clock_watch import ClockWatch
from services.fetcher.counting import UnsupportedType, count_page, kind_of
from services.fetcher.fetching import client
from services.fetcher.fetching.addresses import AllowList, parse_allow
from services.fetcher.fetching.fetch import Fetcher, FetchLimits
from services.fetcher.fetching.limits import HopLimits
from services.fetcher.handlers import Attempts, at_most
from services.fetcher.metrics import Metrics
from services.fetcher.outbox import Outbox
from services.fetcher.pace import Pace
from services.fetcher.reading.counter import Count, path_of
from services.fetcher.reading.limits import Limits
from services.fetcher.reading.metrics import Metrics as ReadingMetrics
from services.fetcher.reading.pool import Pool
from services.fetcher.reading.reader import Reader
from services.fetcher.reading.threads import CountingThreads
from services.fetcher.robots.asking import Asking, limits_within
from services.fetcher.robots.big_files import BigFiles
from services.fetcher.robots.cache import Cache
from services.fetcher.robots.gate import Robots
from services.fetcher.robots.metrics import Metrics as RobotsMetrics
from services.fetcher.watchdog import Patience, Watchdog
from shared import claims, topics
from shared.clock import WallClock, monotonic_s, utc_now
from shared.messages import FetcherHere, encode
from shared.nsq.consumer import Consumer
from shared.nsq.errors import NsqError
from shared.nsq.wiring import Wiring
from shared.service import Service
from shared.settings import SettingError, Settings
from shared.version import VERSION

log = structlog.get_logger(__name__)

HERE_EVERY_S = 2.0
BULK_SHARE = 0.75
"""Of what is in hand at once, bulk may have so much: the rest is kept for checks that a person waits for."""
BULK_LEAST = 8
"""However busy the processor is, bulk keeps one in so many of its slots."""
BULK_HOLD_S = 0.025
"""Nobody waits for a line of a batch: nsqd may send some together."""
PUBLISH_WITHIN_S = 5.0
STOP_CONSUMERS_S = 20.0
COUNTING_THREADS = 2  # the parser releases the GIL; more would only take the processor from other pages
LEAVE_WITHIN_S = 1.0
CLOCKS_IN_FLIGHT = 10
LIMITS = Limits()
PATIENCE = Patience()
DATA_BYTES = 4 * 2**30
"""Ordinary work takes a twentieth of it, 64 pages of 10 MB in hand at once 0.9 GB, and the stacks of a hundred threads
that look up names another 800 MiB."""
SWITCH_S = 0.0005
"""A thread that counts gives way to the event loop after so long. With Python's 5 ms two of them held it up for 50 to
95 ms at worst, with this for some 20 (pages of 512 kB without a pause, two processors); they count as many pages."""


async def run(
    service: Service,
    *,
    count: Count = count_page,
    utc_now: WallClock = utc_now,
    limits: Limits = LIMITS,
    patience: Patience = PATIENCE,
) -> None:
    """Runs until the service stops; what is in hand is finished, or handed back.

    Args:
        service: Its surroundings.
        count: What counts a page; a function that a child can import.
        utc_now: The wall clock.
        limits: Of a page that is read in a child.
        patience: With pages that are read in this process.
    """
    freed_memory.keep()
    with _own_limits():
        await _Fetcher(service, count, utc_now, limits, patience).run()


class _Fetcher:
    """The parts, wired."""

    def __init__(self, service: Service, count: Count, now: WallClock, limits: Limits, patience: Patience) -> None:
        config, registry = service.config, service.registry
        path = path_of(count)
        self.service = service
        self.utc_now = now
        self.nsq = Wiring(config, instance=service.instance, registry=registry)
        self.producer = self.nsq.producer()
        self.outbox = Outbox(
            self.producer,
            fetcher=service.instance,
            timeout_s=PUBLISH_WITHIN_S,
            in_hand=lambda: self.attempts.load.in_flight,
        )
        self.session = client.open_session(allow=_allow(config), user_agent=config.agent)
        self.watch = ClockWatch(
            ClockGuard(service.instance), utc_now=now, clock=monotonic_s, on_change=self._take_checks
        )
        self.threads = CountingThreads(COUNTING_THREADS, count, stuck_ticks=patience.thread_s)
        self.watchdog = Watchdog(self.threads, patience)
        reading = ReadingMetrics(registry)
        self.children = Pool(path, limits=limits, metrics=reading, clock=monotonic_s)
        reading.watch(children=lambda: len(self.children.pids), busy_threads=lambda: self.threads.busy)
        hops = _hop_limits(config)
        limits_of_robots = limits_within(config.fetch_timeout_s)
        self.robots = Robots(
            Asking(self.session, limits_of_robots, hops, BigFiles(), utc_now=now, clock=monotonic_s),
            Cache(clock=monotonic_s),
            ignored=config.ignore_robots_hosts,
            metrics=RobotsMetrics(registry),
        )
        self.attempts = Attempts(
            fetcher=Fetcher(self.session, FetchLimits.within(config.fetch_timeout_s, config.max_body_bytes), _accepts),
            hops=hops,
            robots=self.robots,
            reader=Reader(count, threads=self.threads, pool=self.children, metrics=reading),
            watch=self.watch,
            outbox=self.outbox,
            config=config,
            instance=service.instance,
            utc_now=now,
            clock=monotonic_s,
            metrics=Metrics(registry),
        )
        self.shares = {
            topics.CHECKS.name: config.max_in_flight,
            topics.CHECKS_BULK.name: max(1, math.floor(config.max_in_flight * BULK_SHARE)),
        }
        bulk = self.shares[topics.CHECKS_BULK.name]
        self.pace = Pace(most=bulk, least=max(1, bulk // BULK_LEAST), limit=bulk)
        self.lanes = {topic.name: self._lane(topic) for topic in (topics.CHECKS, topics.CHECKS_BULK)}
        self.clocks = self.nsq.consumer(
            topics.CLOCKS,
            self.watch.receive,
            max_in_flight=CLOCKS_IN_FLIGHT,
            channel=topics.ephemeral_channel(service.instance),
        )

    def _lane(self, topic: topics.Topic) -> Consumer:
        config, share = self.service.config, self.shares[topic.name]
        handle = self.attempts.handle
        return self.nsq.consumer(
            topic,
            handle if share == config.max_in_flight else at_most(share, handle),
            max_in_flight=share,
            hold_s=BULK_HOLD_S if topic is topics.CHECKS_BULK else 0.0,
            touch_for_s=config.lease_s + config.msg_timeout_s,
        )

    def _take_checks(self, wanted: bool) -> None:
        for name, lane in self.lanes.items():
            share = self.pace.limit if name == topics.CHECKS_BULK.name else self.shares[name]
            lane.set_max_in_flight(share if wanted else 0)

    async def _keep_pace(self) -> None:
        """Takes as much bulk work as the event loop has time for, by how late it is."""
        while True:
            late_s = 0.0
            for _ in range(pace.LOOKS):
                due_s = monotonic_s() + pace.LOOK_EVERY_S / pace.LOOKS
                await asyncio.sleep(pace.LOOK_EVERY_S / pace.LOOKS)
                late_s += max(0.0, monotonic_s() - due_s) / pace.LOOKS
            before = self.pace.limit
            if self.pace.saw(late_s) != before:
                self._take_checks(self.watch.is_right())

    async def run(self) -> None:
        """Starts all parts, and puts them down again in order."""
        service = self.service
        if service.config.contact is None and service.config.user_agent is None:
            log.info("fetches name nobody who can be reached: set WORDWATCH_CONTACT", user_agent=service.config.agent)
        try:
            async with self.nsq.connected(service, self.producer), self.session:
                service.on_turn = lambda: None  # the watchdog has patience of its own, and the same timer
                service.supervise(self.watchdog.run(), "watchdog")
                service.supervise(self.children.run(), "reading children")
                service.supervise(self.outbox.run(), "outbox")
                service.supervise(self._keep_pace(), "pace")
                here = service.supervise(self._say_here(), "sign of life")
                consumers = {**self.lanes, topics.CLOCKS.name: self.clocks}
                running = [service.supervise(each.run(), f"consumer of {name}") for name, each in consumers.items()]
                service.needs["clock"] = self.watch.is_right
                service.needs |= {name: consumer.ready for name, consumer in self.lanes.items()}
                await service.stopping.wait()
                here.cancel()
                await self._leave()
                await asyncio.gather(*(consumer.stop(STOP_CONSUMERS_S) for consumer in consumers.values()))
                await asyncio.gather(*running, return_exceptions=True)
                await self.robots.stop()
                await service.cancel_tasks()
        finally:
            self.robots.close()
            await self.children.close()
            self.threads.close()
            self.watchdog.disarm()

    def _here(self, *, capacity: int, in_flight: int = 0, finished_last_s: int = 0) -> bytes:
        here = FetcherHere(
            fetcher=self.service.instance,
            version=VERSION,
            at=self.utc_now(),
            capacity=capacity,
            in_flight=in_flight,
            finished_last_s=finished_last_s,
        )
        return encode(here)

    async def _say_here(self) -> None:
        """Says every 2 s how much this fetcher can take, what it has, and what it finished a second."""
        load = self.attempts.load
        said_s, finished = monotonic_s(), 0
        while True:
            now_s = monotonic_s()
            rate = math.ceil((load.finished - finished) / max(now_s - said_s, HERE_EVERY_S / 2))
            said_s, finished = now_s, load.finished
            self.watch.look()
            # What is released beyond that would wait in a queue while its lease goes by.
            capacity = self.service.config.max_in_flight - self.pace.given_up if self.watch.is_right() else 0
            try:
                here = self._here(capacity=capacity, in_flight=load.in_flight, finished_last_s=rate)
                await self.outbox.publish(here)
            except NsqError:
                continue  # the publish itself took its time over it
            await asyncio.sleep(HERE_EVERY_S)

    async def _leave(self) -> None:
        """Says that nothing more should be released for this fetcher; it is only a courtesy."""
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self.outbox.publish(self._here(capacity=0))
        except (NsqError, TimeoutError):
            pass


@contextmanager
def _own_limits() -> Iterator[None]:
    """Many open files, for idle connections to many hosts stay open for some seconds; and not all of the memory.

    A page that needs more than that is refused it in this process, and read in a child. And no thread keeps the
    interpreter for long.
    """
    wanted = {resource.RLIMIT_NOFILE: resource.getrlimit(resource.RLIMIT_NOFILE)[1], resource.RLIMIT_DATA: DATA_BYTES}
    before = {what: resource.getrlimit(what) for what in wanted}
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        for what, value in wanted.items():
            _, hard = before[what]
            resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
        yield
    finally:
        sys.setswitchinterval(switch_s)
        for what, limits in before.items():
            resource.setrlimit(what, limits)


def _hop_limits(config: Settings) -> HopLimits:
    return HopLimits(
        concurrency=config.host_concurrency,
        spacing_s=1 / config.host_rate_per_s if config.host_rate_per_s else 0.0,
        trusted=claims.trusted(config),
    )


def _allow(config: Settings) -> AllowList:
    try:
        return parse_allow(",".join(config.allow_targets))
    except ValueError as error:
        raise SettingError(f"WORDWATCH_ALLOW_TARGETS: {error}") from error


def _accepts(content_type: str) -> bool:
    try:
        kind_of(content_type)
    except UnsupportedType:
        return False
    return True
