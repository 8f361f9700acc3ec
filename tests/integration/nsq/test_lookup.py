"""Finding nsqds through real nsqlookupds that come and go."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from shared.clock import MonotonicClock, monotonic_s
from shared.nsq.lookup import Lookup, Node
from shared.nsq.producer import Producer
from shared.nsq.stats import depths
from tests.integration.nsq.conftest import CHANNEL, PROVISION, QUICK, TOPIC, Inbox, consuming, producing
from tests.integration.servers import Nsqd, Nsqlookupd, eventually


@pytest.fixture
async def lookupd() -> AsyncIterator[Nsqlookupd]:
    async with Nsqlookupd() as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


class Clock:
    """The clock of a lookup, which reads it once a poll."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return time.monotonic() + self.ahead_s

    async def polls(self, count: int) -> None:
        until = self.reads + count
        await eventually(lambda: self.reads >= until)


def looking(*lookupds: Nsqlookupd, clock: MonotonicClock = monotonic_s) -> Lookup:
    addresses = [lookupd.http for lookupd in lookupds]
    return Lookup(addresses, poll_s=0.1, timeout_s=1.0, forget_s=60.0, rng=random.Random(1), clock=clock)


def node(nsqd: Nsqd) -> Node:
    return Node(nsqd.tcp, nsqd.http)


async def test_the_union_of_what_all_know_is_found_at_start_and_kept_up_to_date(lookupd: Nsqlookupd) -> None:
    async with Nsqlookupd() as other, Nsqd(lookupds=[lookupd]) as first:
        async with looking(lookupd, other) as lookup:
            await eventually(lambda: lookup.nodes() == {node(first)})
            async with Nsqd(lookupds=[other]) as second:
                await eventually(lambda: lookup.nodes() == {node(first), node(second)})
        async with looking(lookupd, other) as lookup:
            assert node(first) in lookup.nodes(), "known when start returns"


async def test_an_nsqd_that_is_listed_no_more_is_forgotten_after_a_while(lookupd: Nsqlookupd) -> None:
    clock = Clock()
    async with Nsqd(lookupds=[lookupd]) as nsqd, looking(lookupd, clock=clock) as lookup:
        await eventually(lambda: lookup.nodes() == {node(nsqd)})
        version = lookup.version
        await nsqd.kill()
        assert await lookup.wait_change(version) > version
        assert lookup.nodes() == {node(nsqd)}, "not at once"
        clock.ahead_s = 61.0
        await eventually(lambda: not lookup.nodes())


async def test_what_was_known_stands_while_nobody_answers(lookupd: Nsqlookupd) -> None:
    clock = Clock()
    async with Nsqd(lookupds=[lookupd]) as nsqd, looking(lookupd, clock=clock) as lookup:
        await eventually(lambda: lookup.nodes() == {node(nsqd)})
        await lookupd.kill()
        clock.ahead_s = 1000.0
        await clock.polls(3)
        assert lookup.nodes() == {node(nsqd)}
        async with Producer(lookup=lookup, provision=PROVISION, options=QUICK) as producer:
            await eventually(producer.ready)
            await nsqd.restart()  # with no nsqlookupd to tell of it
            await producer.publish(TOPIC, b"x", timeout_s=10)
        inbox = Inbox()
        async with consuming(nsqd.tcp, handler=inbox):
            await inbox.has(b"x")


async def test_with_a_lookupd_back_new_nsqds_are_used(lookupd: Nsqlookupd) -> None:
    async with AsyncExitStack() as stack:
        await lookupd.kill()
        lookup = looking(lookupd)
        inbox = Inbox()
        consumer = await stack.enter_async_context(consuming(handler=inbox, lookup=lookup))
        assert not consumer.ready()
        await lookupd.start()
        nsqd = await stack.enter_async_context(Nsqd(lookupds=[lookupd]))
        producer = await stack.enter_async_context(producing(nsqd.tcp))
        await eventually(consumer.ready)
        await producer.publish(TOPIC, b"x")
        await inbox.has(b"x")


async def test_fixed_addresses_need_nobody_to_look_up() -> None:
    async with Lookup((), ["10.0.0.1:4150", "[::1]:5000"]) as lookup:
        assert lookup.nodes() == {Node("10.0.0.1:4150", "10.0.0.1:4151"), Node("[::1]:5000", "[::1]:5001")}
    told = Lookup((), ["10.0.0.1:4150"], nsqd_http=["10.0.0.1:80"])
    assert told.nodes() == {Node("10.0.0.1:4150", "10.0.0.1:80")}


async def test_nothing_to_look_at_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        Lookup()
    with pytest.raises(ValueError, match="host:port"):
        Lookup((), ["localhost"])


async def test_depths_tell_what_waits_where_and_who_does_not_answer(session: aiohttp.ClientSession) -> None:
    async with Nsqd() as nsqd, Nsqd() as dead, producing(nsqd.tcp) as producer:
        await producer.publish_many(TOPIC, [b"x"] * 7)
        kept = Inbox()
        async with consuming(nsqd.tcp, handler=kept, auto_finish=False, max_in_flight=3):
            await eventually(lambda: len(kept.messages) == 3)
            await dead.kill()
            lookup = Lookup((), [nsqd.tcp, dead.tcp], nsqd_http=[nsqd.http, dead.http])
            answers = {answer.node.tcp: answer for answer in await depths(lookup, session, timeout_s=2)}
            topic = answers[nsqd.tcp].topics[TOPIC]
            assert (topic.waiting, topic.in_flight) == (4, 3)
            assert [(channel.name, channel.depth) for channel in topic.channels] == [(CHANNEL, 4)]
            assert answers[nsqd.tcp].reached
            assert not answers[dead.tcp].reached
            assert answers[dead.tcp].error
            for message in kept.messages:
                await message.fin()


async def test_an_nsqd_without_topics_has_no_depths(session: aiohttp.ClientSession) -> None:
    async with Nsqd() as nsqd:
        lookup = Lookup((), [nsqd.tcp], nsqd_http=[nsqd.http])
        (answer,) = await depths(lookup, session)
        assert (answer.reached, answer.topics) == (True, {})
