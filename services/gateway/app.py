"""The composition root: builds the gateway's parts, runs them until the service stops, and puts them down again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp
import asyncpg
import msgspec
import structlog

from services.gateway import assets, listening, serving
from services.gateway.access import KnownHosts
from services.gateway.batch_pages import BatchPages
from services.gateway.batches.changes import BatchChanges
from services.gateway.batches.commands import BatchCommands
from services.gateway.batches.handlers import BatchApi
from services.gateway.batches.intake import Uploads
from services.gateway.batches.reading import BatchReader
from services.gateway.batches.retrying import Retrying
from services.gateway.batches.store import BatchStore
from services.gateway.changes import Changes
from services.gateway.commands import Commands
from services.gateway.dispatching import Dispatcher
from services.gateway.docs_page import Docs
from services.gateway.events.feed import MOST_FOLLOWERS, Feed
from services.gateway.events.handlers import Events
from services.gateway.events.store import EventStore
from services.gateway.following import Follower
from services.gateway.handlers import Api
from services.gateway.history import HistoryReader
from services.gateway.metrics import Metrics
from services.gateway.middlewares import refuser
from services.gateway.openapi import document
from services.gateway.openapi.served import Description
from services.gateway.pages import Pages
from services.gateway.selecting import Selecting
from services.gateway.sending import Sender
from services.gateway.serving import Routed
from services.gateway.stats import StatsReader
from services.gateway.stats_page import StatsPage
from services.gateway.store import Store, StoreUnavailable
from services.gateway.taking_along import TakingAlong
from services.gateway.waiting import MAX_WAITING, Waiting
from shared import ids, messages, topics
from shared.clock import monotonic_s, utc_now
from shared.db import connect
from shared.db.metrics import DatabaseMetrics
from shared.nsq.consumer import Handler
from shared.nsq.message import Message
from shared.nsq.wiring import Wiring
from shared.service import Service
from shared.settings import SettingError, Settings
from shared.web.metrics import DoorMetrics

log = structlog.get_logger(__name__)

ROLE: Final = "wordwatch_gateway"
DATABASE_WITHIN_S: Final = 60.0
CONNECTIONS: Final = 8
HINTS_IN_HAND: Final = 100
_STOP_NSQ_S: Final = 2.0
_CLOSE_POOL_S: Final = 2.0


async def run(service: Service) -> None:
    """Runs the gateway until `service.stopping` is set.

    Raises:
        connect.DatabaseError: the database can't be used.
        settings.SettingError: others could reach it, and nobody said that they may.
        CannotListenError: the port is taken.
    """
    addresses = await listening.addresses_of(service.config.listen, auth=service.config.auth)
    service.needs["website"] = lambda: False  # it is opened last
    async with AsyncExitStack() as stack:
        store = Store(await stack.enter_async_context(_pool(service)))
        waiting = Waiting(store.waited_for, unavailable=StoreUnavailable)
        metrics = Metrics(service.registry, waiting=lambda: len(waiting), most_waiting=MAX_WAITING)
        service.supervise(waiting.run(), "waiting")
        service.supervise(store.keep_probing(), "database probe")
        service.needs["database"] = store.ready

        nsq = Wiring(service.config, instance=service.instance, registry=service.registry)
        producer = nsq.producer()
        await stack.enter_async_context(nsq.connected(service, producer))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        stats = StatsReader(store, nsq.lookup, session, clock=monotonic_s)
        event_store = EventStore(store)
        feed = Feed(event_store, stats)
        service.supervise(feed.run(), "events")
        metrics.watch_followers(lambda: len(feed), most=MOST_FOLLOWERS)
        await stack.enter_async_context(_hints(service, nsq, waiting, feed))

        api = Api(store, stats)
        dispatcher = Dispatcher(producer)
        service.supervise(dispatcher.run(), "dispatcher")
        sender = Sender(dispatcher, waiting, settled=metrics.command)
        commands = Commands(sender, clock=utc_now, new_id=ids.new_id)
        batch_commands = BatchCommands(sender, clock=utc_now, new_id=ids.new_id)
        batch_store = BatchStore(store)
        batches = BatchReader(batch_store)
        uploads = Uploads(batch_commands, batches, max_bytes=service.config.max_upload_bytes)
        retrying = Retrying(batch_commands, batch_store)
        parts = (
            api,
            Events(feed, event_store),
            Changes(commands, Follower(store, waiting)),
            BatchApi(batches),
            BatchChanges(uploads, batch_commands, batches),
            retrying,
            TakingAlong(store),
            Selecting(commands),
            Pages(api, commands, retrying, clock=utc_now),
            BatchPages(batches, uploads, batch_commands),
            StatsPage(stats, HistoryReader(store, clock=monotonic_s)),
        )
        # What is put down first is what was built last: no new requests, then those under way, then what they need.
        await stack.enter_async_context(_uploads(uploads))
        await stack.enter_async_context(_website(service, addresses, parts, (waiting, feed), metrics))
        await service.stopping.wait()
        uploads.stop()


@asynccontextmanager
async def _pool(service: Service) -> AsyncIterator[asyncpg.Pool]:
    url = service.database_url()
    await service.while_starting(connect.wait_for(url, role=ROLE, timeout_s=DATABASE_WITHIN_S))
    metrics = DatabaseMetrics(service.registry)
    pool = await connect.create_pool(
        url, role=ROLE, application=service.instance, max_size=CONNECTIONS, metrics=metrics
    )
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(_CLOSE_POOL_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def _hints(service: Service, nsq: Wiring, waiting: Waiting, feed: Feed) -> AsyncIterator[None]:
    consumer = nsq.consumer(
        topics.RECORDED,
        hint_handler(waiting, feed),
        max_in_flight=HINTS_IN_HAND,
        channel=topics.ephemeral_channel(service.instance),
    )
    consuming = service.supervise(consumer.run(), "hints")
    service.needs["hints"] = consumer.ready
    try:
        yield
    finally:
        await consumer.stop(_STOP_NSQ_S)
        await asyncio.gather(consuming, return_exceptions=True)


def hint_handler(waiting: Waiting, feed: Feed) -> Handler:
    """Passes hints on; one that can't be read is worth a line in the log and no more."""

    def take(message: Message) -> None:
        try:
            waiting.hint(messages.decode_recorded(message.body))
            feed.wake()
        except msgspec.DecodeError as error:
            log.warning("hint can't be read", error=str(error))

    return take


@asynccontextmanager
async def _uploads(uploads: Uploads) -> AsyncIterator[None]:
    """Sees to it that the recorder hears of those that were broken off."""
    try:
        yield
    finally:
        await uploads.wait()


@asynccontextmanager
async def _website(
    service: Service,
    addresses: Sequence[str],
    parts: Iterable[Routed],
    long: Iterable[Waiting | Feed],
    metrics: Metrics,
) -> AsyncIterator[None]:
    config = service.config
    description = document.make()
    app = serving.make_app(
        parts=(*parts, Description(description), Docs()),
        assets=assets.Assets(assets.load()),
        known_hosts=_known_hosts(config),
        metrics=metrics,
        clock=utc_now,
        new_id=ids.new_id,
        max_json_bytes=config.max_json_bytes,
    )
    runner, door = await serving.serve(
        app,
        hosts=addresses,
        port=config.port,
        max_connections=config.max_connections,
        refuse=refuser(ids.new_id, metrics),
    )
    service.registry.register(DoorMetrics(door, prefix="wordwatch_gateway"))
    service.needs["website"] = lambda: True
    log.info("gateway open", address=runner.addresses[0][0], port=runner.addresses[0][1])
    try:
        yield
    finally:
        for each in long:
            each.stop()
        await runner.cleanup()


def _known_hosts(config: Settings) -> KnownHosts:
    try:
        return KnownHosts(config.public_hosts, listen=config.listen)
    except ValueError as error:
        raise SettingError(f"WORDWATCH_PUBLIC_HOSTS: {error}") from None
