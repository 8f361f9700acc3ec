"""Publishing to real nsqds that die, come back, fall silent, or were never there."""

import asyncio
import time
from collections import Counter

import prometheus_client
import pytest

from shared.nsq.errors import BadMessage, BadTopic, NoConnection, OperationTimeout
from shared.nsq.lookup import Lookup
from shared.nsq.metrics import Metrics
from shared.nsq.producer import Producer
from tests.integration.nsq.conftest import CHANNEL, PROVISION, QUICK, TOPIC, Inbox, consuming, producing, topic_stats
from tests.integration.servers import HOST, Nsqd, TcpProxy, eventually, free_port


async def test_without_a_connection_publish_fails_at_its_deadline_and_succeeds_when_one_comes() -> None:
    nsqd = Nsqd()
    async with producing(nsqd.tcp, wait_for=0) as producer:
        assert not producer.ready()
        started_s = time.monotonic()
        with pytest.raises(NoConnection):
            await producer.publish(TOPIC, b"too early", timeout_s=0.2)
        assert 0.2 <= time.monotonic() - started_s < 1
        waiting = asyncio.create_task(producer.publish(TOPIC, b"patient", timeout_s=20))
        async with nsqd:
            receipt = await waiting
            assert receipt.nsqd == nsqd.tcp
            assert producer.ready()


async def test_publishes_outstanding_when_nsqd_is_killed_are_repeated_once_it_is_back(nsqd: Nsqd) -> None:
    async with producing(nsqd.tcp) as producer:
        nsqd.freeze()
        bodies = [b"%d" % number for number in range(50)]
        publishes = [asyncio.create_task(producer.publish(TOPIC, body, timeout_s=30)) for body in bodies]
        await eventually(lambda: producer.connections[0].outstanding == 50)
        await nsqd.restart()
        receipts = await asyncio.gather(*publishes)
        assert not any(receipt.connection_lost() for receipt in receipts)
        with pytest.raises(BadTopic):  # answers are still paired with their commands
            await producer.publish("no topic", b"x")
        await producer.publish(TOPIC, b"after")
    inbox = Inbox()
    async with consuming(nsqd.tcp, handler=inbox):
        await inbox.has(*bodies, b"after")


async def test_a_receipt_tells_when_its_connection_is_lost(nsqd: Nsqd) -> None:
    async with producing(nsqd.tcp) as producer:
        receipt = await producer.publish(TOPIC, b"one")
        assert not receipt.connection_lost()
        waiting = asyncio.create_task(receipt.wait_lost())
        await nsqd.kill()
        async with asyncio.timeout(2):
            await waiting
        assert receipt.connection_lost()


async def test_one_of_two_nsqds_dying_stops_no_publish(two_nsqds: tuple[Nsqd, Nsqd]) -> None:
    first, second = two_nsqds
    async with producing(first.tcp, second.tcp) as producer:
        taken = Counter([(await producer.publish(TOPIC, b"x")).nsqd for _ in range(10)])
        assert taken == {first.tcp: 5, second.tcp: 5}
        publishing = [asyncio.create_task(producer.publish(TOPIC, b"%d" % number)) for number in range(200)]
        await first.kill()
        receipts = await asyncio.gather(*publishing)
        assert {(await producer.publish(TOPIC, b"x")).nsqd for _ in range(4)} == {second.tcp}
        assert len(receipts) == 200
        await first.start()
        await eventually(lambda: len(producer.connections) == 2, what="the first is used again")
        assert {(await producer.publish(TOPIC, b"x")).nsqd for _ in range(4)} == {first.tcp, second.tcp}


async def test_an_nsqd_that_falls_silent_is_passed_over_within_the_deadline(two_nsqds: tuple[Nsqd, Nsqd]) -> None:
    first, second = two_nsqds
    registry = prometheus_client.CollectorRegistry()
    async with (
        TcpProxy(first.tcp) as proxy,
        producing(proxy.address, second.tcp, metrics=Metrics(registry)) as producer,
    ):
        proxy.freeze()
        receipts = [await producer.publish(TOPIC, b"x", timeout_s=1.0) for _ in range(6)]
        assert {receipt.nsqd for receipt in receipts} == {second.tcp}
        labels = {"topic": TOPIC, "error": "OperationTimeout"}
        assert registry.get_sample_value("wordwatch_nsq_publish_errors_total", labels) == 1, "it is not tried each time"
        await eventually(lambda: len(producer.connections) == 1, timeout_s=5, what="the silent one is given up")


async def test_the_only_nsqd_silent_is_a_time_out(nsqd: Nsqd) -> None:
    async with TcpProxy(nsqd.tcp) as proxy, producing(proxy.address) as producer:
        proxy.freeze()
        with pytest.raises(OperationTimeout):
            await producer.publish(TOPIC, b"x", timeout_s=0.2)


async def test_a_wiped_nsqd_has_its_channels_again_before_it_takes_a_message(nsqd: Nsqd) -> None:
    provision = ((TOPIC, (CHANNEL, "audit")), ("other", (CHANNEL,)))
    async with producing(nsqd.tcp, provision=provision) as producer:
        await producer.publish(TOPIC, b"before")
        await nsqd.kill()
        nsqd.wipe()
        waiting = asyncio.create_task(producer.publish(TOPIC, b"after", timeout_s=20))
        await nsqd.start()
        await waiting
    # One channel consumes before the other has ever been asked for: made late, it would have missed the message.
    for channel in (CHANNEL, "audit"):
        inbox = Inbox()
        async with consuming(nsqd.tcp, handler=inbox, channel=channel):
            await inbox.has(b"after")
    assert [channel["channel_name"] for channel in topic_stats(nsqd, "other")["channels"]] == [CHANNEL]


async def test_a_message_that_cannot_be_is_refused_without_harm_to_its_neighbours(nsqd: Nsqd) -> None:
    async with TcpProxy(nsqd.tcp) as proxy, producing(proxy.address, max_message_bytes=100) as producer:
        connections = proxy.connections
        good = [asyncio.create_task(producer.publish(TOPIC, b"good")) for _ in range(10)]
        async with asyncio.timeout(2):
            for bad in (b"", b"x" * 101):
                with pytest.raises(BadMessage):
                    await producer.publish(TOPIC, bad)
                with pytest.raises(BadMessage):
                    await producer.publish_many(TOPIC, [b"good", bad])
            await asyncio.gather(*good)
        assert proxy.connections == connections
        assert topic_stats(nsqd)["message_count"] == 10


async def test_an_error_frame_from_nsqd_costs_its_neighbours_nothing_but_time() -> None:
    async with Nsqd("-max-msg-size=100") as nsqd, producing(nsqd.tcp) as producer:
        neighbours = [asyncio.create_task(producer.publish(TOPIC, b"%d" % number)) for number in range(20)]
        with pytest.raises(BadMessage, match="too big 200 > 100"):
            await producer.publish(TOPIC, b"x" * 200)
        await asyncio.gather(*neighbours)


async def test_many_are_sent_in_sets_and_one_as_one(nsqd: Nsqd) -> None:
    async with producing(nsqd.tcp) as producer:
        await producer.publish_many(TOPIC, [])
        await producer.publish_many(TOPIC, [b"single"])
        await producer.publish_many(TOPIC, [b"%d" % number for number in range(250)])
        large = bytes(3 * 2**20)
        await producer.publish_many(TOPIC, [b"small", large, large, b"small too"])
        assert topic_stats(nsqd)["message_count"] == 1 + 250 + 4


async def test_what_is_outstanding_is_bounded_in_number_and_on_the_wire(nsqd: Nsqd) -> None:
    async with TcpProxy(nsqd.tcp) as proxy, producing(proxy.address, max_outstanding=20) as producer:
        proxy.freeze()
        body = bytes(512 * 1024)
        publishes = [asyncio.create_task(producer.publish(TOPIC, body, timeout_s=20)) for _ in range(50)]
        connection = producer.connections[0]
        await eventually(lambda: connection.write_is_stuck)
        assert producer.outstanding == 50
        assert connection.outstanding < 20, "writers do not wait for the socket"
        with pytest.raises(OperationTimeout, match="under way"):
            await producer.publish(TOPIC, b"one more", timeout_s=0.1)
        proxy.thaw()
        await asyncio.gather(*publishes)
        assert producer.outstanding == 0


async def test_stopping_waits_for_what_is_under_way_and_takes_no_more(nsqd: Nsqd) -> None:
    async with Lookup((), (nsqd.tcp,)) as lookup:
        producer = Producer(lookup=lookup, provision=PROVISION, options=QUICK)
        await producer.start()
        publishes = [asyncio.create_task(producer.publish(TOPIC, b"x")) for _ in range(100)]
        await asyncio.sleep(0)
        assert producer.outstanding == 100
        await producer.stop(5)
        await asyncio.gather(*publishes)
        with pytest.raises(NoConnection, match="stopped"):
            await producer.publish(TOPIC, b"x")
        await producer.wait()


async def test_stopping_gives_up_at_its_deadline() -> None:
    async with Lookup((), (f"{HOST}:{free_port()}",)) as lookup:
        producer = Producer(lookup=lookup, provision=PROVISION, options=QUICK)
        await producer.start()
        publish = asyncio.create_task(producer.publish(TOPIC, b"x", timeout_s=1))
        await eventually(lambda: producer.outstanding == 1)
        async with asyncio.timeout(0.5):
            await producer.stop(0.1)
        with pytest.raises(NoConnection):
            await publish


async def test_without_a_started_lookup_supervision_fails_loudly() -> None:
    producer = Producer(lookup=Lookup((), (f"{HOST}:{free_port()}",)), provision=PROVISION)
    await producer.start()
    with pytest.raises(RuntimeError, match="lookup"):
        await producer.wait()


async def test_what_happens_is_counted(nsqd: Nsqd) -> None:
    registry = prometheus_client.CollectorRegistry()
    async with producing(nsqd.tcp, metrics=Metrics(registry)) as producer:
        await producer.publish(TOPIC, b"x")
        await producer.publish_many(TOPIC, [b"x"] * 3)
        assert registry.get_sample_value("wordwatch_nsq_published_total", {"topic": TOPIC}) == 4
        assert registry.get_sample_value("wordwatch_nsq_connections", {"role": "producer"}) == 1
        assert registry.get_sample_value("wordwatch_nsq_outstanding") == 0
        await nsqd.restart()
        await eventually(producer.ready)
        assert (registry.get_sample_value("wordwatch_nsq_reconnects_total", {"role": "producer"}) or 0) >= 1
    assert registry.get_sample_value("wordwatch_nsq_connections", {"role": "producer"}) == 0
