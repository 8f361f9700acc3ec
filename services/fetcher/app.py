"""Wires the fetcher: two lanes of checks, one HTTP client, the way out for reports, and its sign of life."""

import asyncio
import math
import resource
from concurrent.futures import ThreadPoolExecutor

from services.fetcher.counting import UnsupportedType, kind_of
from services.fetcher.fetching import client
from services.fetcher.fetching.addresses import AllowList, parse_allow
from services.fetcher.fetching.fetch import Fetcher, FetchLimits
from services.fetcher.fetching.limits import HopLimits
from services.fetcher.handlers import Attempts, at_most
from services.fetcher.metrics import Metrics
from services.fetcher.outbox import Outbox
from shared import claims, topics
from shared.clock import monotonic_s, utc_now
from shared.messages import FetcherHere, encode
from shared.nsq.errors import NsqError
from shared.nsq.wiring import Wiring
from shared.service import Service
from shared.settings import SettingError, Settings
from shared.version import VERSION

HERE_EVERY_S = 2.0
BULK_SHARE = 0.75
"""Of what is in hand at once, bulk may have so much: the rest is kept for checks that a person waits for."""
PUBLISH_WITHIN_S = 5.0
STOP_CONSUMERS_S = 20.0
COUNTING_THREADS = 2  # the parser releases the GIL; more would only take the processor from other pages
LEAVE_WITHIN_S = 1.0


async def run(service: Service) -> None:
    """Runs until the service stops; what is in hand is finished, or handed back."""
    config = service.config
    _allow_many_connections()
    nsq = Wiring(config, instance=service.instance, registry=service.registry)
    producer = nsq.producer()
    outbox = Outbox(producer, fetcher=service.instance, timeout_s=PUBLISH_WITHIN_S)
    session = client.open_session(allow=_allow(config), user_agent=config.user_agent)
    hops = HopLimits(
        concurrency=config.host_concurrency,
        spacing_s=1 / config.host_rate_per_s if config.host_rate_per_s else 0.0,
        trusted=claims.trusted(config),
    )
    executor = ThreadPoolExecutor(COUNTING_THREADS, thread_name_prefix="count")
    attempts = Attempts(
        fetcher=Fetcher(session, FetchLimits.within(config.fetch_timeout_s, config.max_body_bytes), _accepts),
        hops=hops,
        outbox=outbox,
        config=config,
        instance=service.instance,
        executor=executor,
        utc_now=utc_now,
        clock=monotonic_s,
        metrics=Metrics(service.registry),
    )
    bulk = max(1, math.floor(config.max_in_flight * BULK_SHARE))
    touch_for_s = config.lease_s + config.msg_timeout_s
    lanes = {
        topics.CHECKS.name: nsq.consumer(
            topics.CHECKS, attempts.handle, max_in_flight=config.max_in_flight, touch_for_s=touch_for_s
        ),
        topics.CHECKS_BULK.name: nsq.consumer(
            topics.CHECKS_BULK, at_most(bulk, attempts.handle), max_in_flight=bulk, touch_for_s=touch_for_s
        ),
    }
    async with nsq.lookup, producer, session:
        service.supervise(nsq.lookup.wait(), "nsq lookup")
        service.supervise(producer.wait(), "nsq producer")
        service.supervise(outbox.run(), "outbox")
        here = service.supervise(_say_here(service, attempts, outbox), "sign of life")
        running = [service.supervise(consumer.run(), f"consumer of {name}") for name, consumer in lanes.items()]
        service.needs |= {"nsqd": producer.ready} | {name: consumer.ready for name, consumer in lanes.items()}
        await service.stopping.wait()
        here.cancel()
        await _leave(service, outbox)
        await asyncio.gather(*(consumer.stop(STOP_CONSUMERS_S) for consumer in lanes.values()))
        await asyncio.gather(*running, return_exceptions=True)
        await service.cancel_tasks()
    executor.shutdown(wait=False, cancel_futures=True)


def _allow_many_connections() -> None:
    """Idle connections to many hosts stay open for some seconds: the usual limit of 1,024 files is soon reached."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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


def _here(service: Service, *, capacity: int, in_flight: int = 0, finished_last_s: int = 0) -> bytes:
    here = FetcherHere(
        fetcher=service.instance,
        version=VERSION,
        at=utc_now(),
        capacity=capacity,
        in_flight=in_flight,
        finished_last_s=finished_last_s,
    )
    return encode(here)


async def _say_here(service: Service, attempts: Attempts, outbox: Outbox) -> None:
    """Says every 2 s how much this fetcher can take, what it has, and what it finished a second."""
    said_s, finished = monotonic_s(), 0
    while True:
        load, now_s = attempts.load, monotonic_s()
        rate = math.ceil((load.finished - finished) / max(now_s - said_s, HERE_EVERY_S / 2))
        said_s, finished = now_s, load.finished
        capacity = service.config.max_in_flight
        try:
            await outbox.publish(_here(service, capacity=capacity, in_flight=load.in_flight, finished_last_s=rate))
        except NsqError:
            continue  # the publish itself took its time over it
        await asyncio.sleep(HERE_EVERY_S)


async def _leave(service: Service, outbox: Outbox) -> None:
    """Says that nothing more should be released for this fetcher; it is only a courtesy."""
    try:
        async with asyncio.timeout(LEAVE_WITHIN_S):
            await outbox.publish(_here(service, capacity=0))
    except (NsqError, TimeoutError):
        pass
