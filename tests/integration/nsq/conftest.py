"""Servers and short-hands for the tests of shared/nsq."""

import asyncio
import json
import random
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.nsq.connection import ConnectionOptions
from shared.nsq.consumer import Consumer, Message
from shared.nsq.lookup import Lookup
from shared.nsq.producer import Producer
from shared.nsq.provision import provide
from tests.integration.servers import Nsqd, eventually

TOPIC = "orders"
CHANNEL = "worker"
PROVISION = ((TOPIC, (CHANNEL,)),)
QUICK = ConnectionOptions(heartbeat_s=1.0, connect_timeout_s=2.0, operation_timeout_s=2.0)
"""nsqd allows no shorter heartbeat than 1 s."""


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server


@pytest.fixture
async def punctual_nsqd() -> AsyncIterator[Nsqd]:
    """An nsqd that has had the channel since its start.

    For a channel made later, nsqd begins up to 5 s late to look for messages that time out or are due again.
    """
    async with Nsqd() as server:
        await provide(server.tcp, PROVISION, QUICK)
        await server.stop()
        await server.start()
        yield server


@pytest.fixture
async def two_nsqds() -> AsyncIterator[tuple[Nsqd, Nsqd]]:
    async with Nsqd() as first, Nsqd() as second:
        yield first, second


@asynccontextmanager
async def producing(*addresses: str, wait_for: int | None = None, **options: Any) -> AsyncIterator[Producer]:
    """A producer for fixed addresses that has connected to `wait_for` of them (all, if not given)."""
    given: dict[str, Any] = {"provision": PROVISION, "options": QUICK, "rng": random.Random(1)} | options
    async with Lookup((), addresses) as lookup:
        producer = Producer(lookup=lookup, **given)
        await producer.start()
        try:
            count = len(addresses) if wait_for is None else wait_for
            await eventually(lambda: len(producer.connections) >= count, what="producer connects")
            yield producer
        finally:
            await producer.stop(0.5)
            await producer.wait()


@asynccontextmanager
async def consuming(
    *addresses: str, handler: Any, wait_for: int | None = None, lookup: Lookup | None = None, **options: Any
) -> AsyncIterator[Consumer]:
    """A consumer that runs for as long as the block does, and is stopped after it."""
    given: dict[str, Any] = {"topic": TOPIC, "channel": CHANNEL, "max_in_flight": 10, "msg_timeout_s": 2.0}
    given |= {"options": QUICK, "rng": random.Random(1)} | options
    async with lookup or Lookup((), addresses) as known:
        consumer = Consumer(lookup=known, handler=handler, **given)
        running = asyncio.create_task(consumer.run())
        try:
            count = len(addresses) if wait_for is None else wait_for
            await eventually(lambda: running.done() or len(consumer.connections) >= count, what="consumer connects")
            yield consumer
        finally:
            await consumer.stop(2.0)
            await running


class Inbox:
    """A handler that remembers what it was given."""

    def __init__(self, then: Callable[[Message], Any] | None = None) -> None:
        self.messages: list[Message] = []
        self._then = then

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)
        if self._then is not None:
            await self._then(message)

    @property
    def bodies(self) -> list[bytes]:
        return [message.body for message in self.messages]

    async def has(self, *bodies: bytes, timeout_s: float = 10.0) -> None:
        """Waits until all of these have come, in any order and however often."""
        await eventually(
            lambda: set(bodies) <= set(self.bodies), timeout_s=timeout_s, what=f"{bodies[:5]} in {self.bodies[:5]}"
        )


def topic_stats(nsqd: Nsqd, topic: str = TOPIC) -> dict[str, Any]:
    """What nsqd says of a topic."""
    with urllib.request.urlopen(f"http://{nsqd.http}/stats?format=json&topic={topic}", timeout=5) as answer:
        topics = json.load(answer)["topics"]
    return topics[0] if topics else {"channels": [], "depth": 0}


def channel_stats(nsqd: Nsqd, topic: str = TOPIC, channel: str = CHANNEL) -> dict[str, Any]:
    """What nsqd says of a channel."""
    return next(c for c in topic_stats(nsqd, topic)["channels"] if c["channel_name"] == channel)


def post(nsqd: Nsqd, path: str) -> None:
    """Posts to nsqd's HTTP API."""
    request = urllib.request.Request(f"http://{nsqd.http}{path}", method="POST", data=b"")
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - to an nsqd of our own
        answer.read()
