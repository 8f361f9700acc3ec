"""The composition root: builds the gateway's parts, runs them until the service stops, and puts them down again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp
import asyncpg
import msgspec
import structlog

from services.gateway import assets, serving
from services.gateway.access import KnownHosts
from services.gateway.changes import Changes
from services.gateway.commands import Commands
from services.gateway.following import Follower
from services.gateway.handlers import Api
from services.gateway.metrics import Metrics
from services.gateway.pages import Pages
from services.gateway.sending import Sender
from services.gateway.stats import StatsReader
from services.gateway.store import Store, StoreUnavailable
from services.gateway.waiting import Waiting
from shared import ids, messages, topics
from shared.clock import monotonic_s, utc_now
from shared.db import connect
from shared.nsq.consumer import Handler
from shared.nsq.message import Message
from shared.nsq.wiring import Wiring
from shared.service import Service

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
        OSError: the port is taken.
    """
    service.needs["website"] = lambda: False  # it is opened last
    async with AsyncExitStack() as stack:
        store = Store(await stack.enter_async_context(_pool(service)))
        waiting = Waiting(store.waited_for, unavailable=StoreUnavailable)
        service.supervise(waiting.run(), "waiting")
        service.supervise(store.keep_probing(), "database probe")
        service.needs["database"] = store.ready

        nsq = Wiring(service.config, instance=service.instance, registry=service.registry)
        await stack.enter_async_context(nsq.lookup)
        service.supervise(nsq.lookup.wait(), "nsq lookup")
        producer = await stack.enter_async_context(nsq.producer())
        service.supervise(producer.wait(), "nsq producer")
        await stack.enter_async_context(_hints(service, nsq, waiting))
        service.needs["nsqd"] = producer.ready

        session = await stack.enter_async_context(aiohttp.ClientSession())
        api = Api(store, StatsReader(store, nsq.lookup, session, clock=monotonic_s))
        commands = Commands(Sender(producer, waiting), clock=utc_now, new_id=ids.new_id)
        changes = Changes(commands, Follower(store, waiting))
        # What is put down first is what was built last: no new requests, then those under way, then what they need.
        await stack.enter_async_context(_website(service, api, changes, Pages(api, commands), waiting))
        await service.stopping.wait()


@asynccontextmanager
async def _pool(service: Service) -> AsyncIterator[asyncpg.Pool]:
    url = service.database_url()
    await service.while_starting(connect.wait_for(url, role=ROLE, timeout_s=DATABASE_WITHIN_S))
    pool = await connect.create_pool(url, role=ROLE, application=service.instance, max_size=CONNECTIONS)
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(_CLOSE_POOL_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def _hints(service: Service, nsq: Wiring, waiting: Waiting) -> AsyncIterator[None]:
    consumer = nsq.consumer(
        topics.RECORDED,
        hint_handler(waiting),
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


def hint_handler(waiting: Waiting) -> Handler:
    """Passes hints on; one that can't be read is worth a line in the log and no more."""

    def take(message: Message) -> None:
        try:
            waiting.hint(messages.decode_recorded(message.body))
        except msgspec.DecodeError as error:
            log.warning("hint can't be read", error=str(error))

    return take


@asynccontextmanager
async def _website(service: Service, api: Api, changes: Changes, pages: Pages, waiting: Waiting) -> AsyncIterator[None]:
    config = service.config
    app = serving.make_app(
        parts=(api, changes, pages),
        assets=assets.Assets(assets.load()),
        known_hosts=KnownHosts(config.public_hosts, listen=config.listen),
        metrics=Metrics(service.registry, waiting=lambda: len(waiting)),
        clock=utc_now,
        new_id=ids.new_id,
    )
    runner = await serving.serve(app, host=config.listen, port=config.port)
    service.needs["website"] = lambda: True
    log.info("gateway open", address=runner.addresses[0][0], port=runner.addresses[0][1])
    try:
        yield
    finally:
        waiting.stop()
        await runner.cleanup()
