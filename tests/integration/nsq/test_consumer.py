"""Consuming from real nsqds: acknowledging, touching, losing, sharing, stopping."""

import asyncio
import time
from typing import Any

import prometheus_client
import pytest

from shared.nsq.connection import Connection
from shared.nsq.consumer import Consumer, Message
from shared.nsq.lookup import Lookup
from shared.nsq.metrics import Metrics
from tests.integration.nsq.conftest import (
    CHANNEL,
    QUICK,
    TOPIC,
    Inbox,
    channel_stats,
    consuming,
    post,
    producing,
    topic_stats,
)
from tests.integration.servers import Nsqd, TcpProxy, eventually


def _settled(nsqd: Nsqd) -> bool:
    channel = channel_stats(nsqd)
    return (channel["depth"], channel["in_flight_count"], channel["deferred_count"]) == (0, 0, 0)


async def lost(message: Message) -> None:
    """Waits until a message is lost."""
    gone = asyncio.Event()
    message.when_lost = gone.set
    if not message.is_lost:
        await gone.wait()


async def test_what_a_handler_returns_from_is_finished(nsqd: Nsqd) -> None:
    inbox = Inbox()
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=inbox) as consumer:
        await producer.publish_many(TOPIC, [b"%d" % number for number in range(100)])
        await inbox.has(*(b"%d" % number for number in range(100)))
        await eventually(lambda: _settled(nsqd))
        assert consumer.in_flight == 0
        assert len(inbox.messages) == 100
        first = inbox.messages[0]
        assert (first.topic, first.nsqd, first.attempts, first.done) == (TOPIC, nsqd.tcp, 1, True)
        assert abs(first.timestamp / 1e9 - time.time()) < 10
        assert not await first.fin()


async def test_a_body_that_reads_like_a_heartbeat_is_a_message(nsqd: Nsqd) -> None:
    inbox = Inbox()
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=inbox):
        await producer.publish(TOPIC, b"_heartbeat_")
        await inbox.has(b"_heartbeat_")


async def test_a_lone_message_is_not_held_back(nsqd: Nsqd) -> None:
    inbox = Inbox()
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=inbox):
        took_s = []
        for number in range(5):
            started_s = time.monotonic()
            await producer.publish(TOPIC, b"%d" % number)
            await inbox.has(b"%d" % number)
            took_s.append(time.monotonic() - started_s)
        assert sorted(took_s)[2] < 0.1, "nsqd's default would hold each for 250 ms"


async def test_what_a_handler_fails_on_comes_again_with_its_attempts_counted(punctual_nsqd: Nsqd) -> None:
    async def fail_at_first(message: Message) -> None:
        if message.attempts < 3:
            raise RuntimeError

    inbox = Inbox(fail_at_first)
    registry = prometheus_client.CollectorRegistry()
    options: dict[str, Any] = {"requeue_delay_s": 0.05, "metrics": Metrics(registry)}
    async with producing(punctual_nsqd.tcp) as producer, consuming(punctual_nsqd.tcp, handler=inbox, **options):
        await producer.publish(TOPIC, b"x")
        await eventually(lambda: len(inbox.messages) == 3)
        await eventually(lambda: _settled(punctual_nsqd))
    assert [message.attempts for message in inbox.messages] == [1, 2, 3]
    labels = {"topic": TOPIC, "channel": CHANNEL}
    counted = {
        name: registry.get_sample_value(f"wordwatch_nsq_{name}_total", labels)
        for name in ("messages", "finished", "requeued", "handler_errors")
    }
    assert counted == {"messages": 3, "finished": 1, "requeued": 2, "handler_errors": 2}


async def test_a_long_handler_keeps_its_message_by_touching_up_to_the_bound(punctual_nsqd: Nsqd) -> None:
    async def until_lost(message: Message) -> None:
        if message.attempts == 1:
            await lost(message)

    inbox = Inbox(until_lost)
    options: dict[str, Any] = {"msg_timeout_s": 1.0, "touch_for_s": 1.6}
    async with producing(punctual_nsqd.tcp) as producer, consuming(punctual_nsqd.tcp, handler=inbox, **options):
        await producer.publish(TOPIC, b"x")
        await eventually(lambda: len(inbox.messages) == 2)
        first, second = inbox.messages
        # Touched at about 0.5, 1.0 and 1.5 s, then no more: it is delivered again about 1 s after that, not before.
        assert 2.0 < second.received_at - first.received_at < 4.0
        assert first.is_lost
        assert not await first.fin()
        await eventually(lambda: second.done)


async def test_messages_kept_for_later_are_touched_and_finished_by_whoever_has_them(punctual_nsqd: Nsqd) -> None:
    kept: list[Message] = []
    options: dict[str, Any] = {"auto_finish": False, "msg_timeout_s": 1.0, "max_in_flight": 50}
    async with (
        producing(punctual_nsqd.tcp) as producer,
        consuming(punctual_nsqd.tcp, handler=kept.append, **options) as consumer,
    ):
        await producer.publish_many(TOPIC, [b"%d" % number for number in range(50)])
        await eventually(lambda: len(kept) == 50)
        await asyncio.sleep(1.5)  # longer than the msg-timeout: time itself is what is tested
        assert consumer.in_flight == 50
        assert [await message.fin() for message in kept] == [True] * 50
        await eventually(lambda: _settled(punctual_nsqd))
        assert len(kept) == 50, "some were delivered twice"


async def test_a_coroutine_may_keep_messages_too(nsqd: Nsqd) -> None:
    inbox = Inbox()
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=inbox, auto_finish=False):
        await producer.publish(TOPIC, b"x")
        await inbox.has(b"x")
        assert channel_stats(nsqd)["in_flight_count"] == 1
        assert await inbox.messages[0].fin()
        await eventually(lambda: _settled(nsqd))


async def test_a_dropped_connection_loses_its_messages_and_comes_back(punctual_nsqd: Nsqd) -> None:
    kept: list[Message] = []
    async with (
        TcpProxy(punctual_nsqd.tcp) as proxy,
        producing(punctual_nsqd.tcp) as producer,
        consuming(proxy.address, handler=kept.append, auto_finish=False) as consumer,
    ):
        await producer.publish(TOPIC, b"x")
        await eventually(lambda: len(kept) == 1)
        proxy.reset()
        async with asyncio.timeout(2):
            await lost(kept[0])
        assert not await kept[0].fin()
        assert not await kept[0].touch()
        await eventually(lambda: len(kept) == 2, timeout_s=5, what="the message comes again")
        assert kept[1].attempts == 2
        assert consumer.ready()
        assert await kept[1].fin()


async def test_handlers_of_lost_messages_count_until_they_end(punctual_nsqd: Nsqd) -> None:
    may_end = asyncio.Event()
    running: set[Message] = set()
    most = 0

    async def wait(message: Message) -> None:
        nonlocal most
        running.add(message)
        most = max(most, len(running))
        await may_end.wait()
        running.discard(message)

    async with (
        TcpProxy(punctual_nsqd.tcp) as proxy,
        producing(punctual_nsqd.tcp) as producer,
        consuming(proxy.address, handler=wait, max_in_flight=5, msg_timeout_s=1.0) as consumer,
    ):
        await producer.publish_many(TOPIC, [b"x"] * 20)
        await eventually(lambda: len(running) == 5)
        proxy.reset()
        await eventually(lambda: proxy.connections == 2 and consumer.ready())
        await eventually(lambda: channel_stats(punctual_nsqd)["timeout_count"] == 5, what="nsqd would deliver again")
        may_end.set()
        await eventually(lambda: _settled(punctual_nsqd))
        assert most == 5


async def test_a_refused_touch_means_the_message_is_lost(nsqd: Nsqd) -> None:
    kept: list[Message] = []
    registry = prometheus_client.CollectorRegistry()
    options: dict[str, Any] = {"auto_finish": False, "metrics": Metrics(registry)}
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=kept.append, **options) as consumer:
        await producer.publish_many(TOPIC, [b"one", b"two"])
        await eventually(lambda: len(kept) == 2)
        await asyncio.to_thread(post, nsqd, f"/channel/empty?topic={TOPIC}&channel={CHANNEL}")
        assert await kept[0].touch()
        async with asyncio.timeout(2):
            await lost(kept[0])
        assert not await kept[0].fin()
        assert await kept[1].fin()  # refused as well, which nobody waits for
        refused = "wordwatch_nsq_refused_total"
        await eventually(lambda: registry.get_sample_value(refused, {"code": "E_FIN_FAILED"}) == 1)
        assert registry.get_sample_value(refused, {"code": "E_TOUCH_FAILED"}) == 1
        assert consumer.ready(), "a refusal does not end the connection"


async def test_ownership_ends_by_the_clock_before_anybody_has_noticed(nsqd: Nsqd) -> None:
    ahead_s = 0.0
    kept: list[Message] = []
    options: dict[str, Any] = {"auto_finish": False, "clock": lambda: time.monotonic() + ahead_s}
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=kept.append, **options):
        await producer.publish(TOPIC, b"x")
        await eventually(lambda: len(kept) == 1)
        ahead_s = 1.9
        assert [message.is_lost for message in kept] == [False]
        ahead_s = 2.1  # as after a stall of the process: no timer has run
        assert [message.is_lost for message in kept] == [True]
        assert not await kept[0].fin()


async def test_what_waited_in_the_socket_while_the_process_was_stalled_is_not_begun(punctual_nsqd: Nsqd) -> None:
    inbox = Inbox()
    other = Connection(punctual_nsqd.tcp, QUICK)
    await other.connect()
    async with consuming(punctual_nsqd.tcp, handler=inbox, msg_timeout_s=1.0, options=QUICK):
        stalled = asyncio.create_task(other.pub(TOPIC, b"x"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the PUB has been written, its delivery has not been read
        time.sleep(1.5)  # noqa: ASYNC251 - the stall
        await stalled
        await inbox.has(b"x")
        assert 1 not in [message.attempts for message in inbox.messages], "begun though no longer owned"
    await other.close(timeout_s=1)


async def test_max_in_flight_is_shared_and_shared_anew(two_nsqds: tuple[Nsqd, Nsqd]) -> None:
    first, second = two_nsqds
    kept: list[Message] = []
    options: dict[str, Any] = {"max_in_flight": 10, "auto_finish": False, "idle_s": 0.3, "msg_timeout_s": 10.0}
    async with (
        producing(first.tcp) as to_first,
        producing(second.tcp) as to_second,
        consuming(first.tcp, second.tcp, handler=kept.append, **options) as consumer,
    ):
        await to_first.publish_many(TOPIC, [b"x"] * 500)
        await eventually(lambda: len(kept) == 9, what="the busy one has all but the idle one's 1")
        await to_second.publish_many(TOPIC, [b"y"] * 500)
        await eventually(lambda: [message.body for message in kept].count(b"y") == 1)
        most = 0
        while _ready_counts(two_nsqds) != [5, 5]:  # both busy: as messages are finished, the shares become even
            await next(message for message in kept if not message.done).fin()
            await asyncio.sleep(0.01)
            most = max(most, consumer.in_flight)
        assert most <= 10
        await second.kill()
        await eventually(lambda: _ready_count(first) == 10, what="the other has it all")
        consumer.set_max_in_flight(0)
        await eventually(lambda: _ready_count(first) == 0, what="paused")
        consumer.set_max_in_flight(3)
        await eventually(lambda: _ready_count(first) == 3, what="resumed")


def _ready_counts(nsqds: tuple[Nsqd, ...]) -> list[int]:
    return [_ready_count(nsqd) for nsqd in nsqds]


def _ready_count(nsqd: Nsqd) -> int:
    return sum(client["ready_count"] for client in channel_stats(nsqd)["clients"])


async def test_a_handler_that_breaks_the_rules_ends_the_consumer(nsqd: Nsqd) -> None:
    def refuse(_: Message) -> None:
        raise LookupError("a plain function must not")

    async with producing(nsqd.tcp) as producer, Lookup((), (nsqd.tcp,)) as lookup:
        consumer = Consumer(
            topic=TOPIC, channel=CHANNEL, lookup=lookup, max_in_flight=5, handler=refuse, auto_finish=False
        )
        running = asyncio.create_task(consumer.run())
        await producer.publish(TOPIC, b"x")
        async with asyncio.timeout(5):
            with pytest.raises(ExceptionGroup) as caught:
                await running
        assert caught.group_contains(LookupError, match="must not")


async def test_with_fewer_than_one_each_the_nsqds_take_turns(two_nsqds: tuple[Nsqd, Nsqd]) -> None:
    first, second = two_nsqds
    inbox = Inbox()
    async with (
        producing(first.tcp) as to_first,
        producing(second.tcp) as to_second,
        consuming(first.tcp, second.tcp, handler=inbox, max_in_flight=1),
    ):
        await to_first.publish(TOPIC, b"first")
        await to_second.publish(TOPIC, b"second")
        await inbox.has(b"first", b"second")


async def test_one_of_two_nsqds_dying_leaves_the_other_consumed(two_nsqds: tuple[Nsqd, Nsqd]) -> None:
    first, second = two_nsqds
    inbox = Inbox()
    async with producing(second.tcp) as producer, consuming(first.tcp, second.tcp, handler=inbox):
        await first.kill()
        await producer.publish(TOPIC, b"from the other")
        await inbox.has(b"from the other")
        await first.start()
        async with producing(first.tcp) as to_first:
            await to_first.publish(TOPIC, b"from the first again")
            await inbox.has(b"from the first again")


async def test_a_silent_nsqd_is_connected_to_anew(nsqd: Nsqd) -> None:
    inbox = Inbox()
    async with (
        TcpProxy(nsqd.tcp) as proxy,
        producing(nsqd.tcp) as producer,
        consuming(proxy.address, handler=inbox) as consumer,
    ):
        proxy.freeze()
        await eventually(lambda: not consumer.ready(), timeout_s=4, what="the silence is noticed")
        proxy.thaw()
        await producer.publish(TOPIC, b"x")
        await inbox.has(b"x")


async def test_stopping_lets_handlers_end_and_nsqd_read_their_fins(nsqd: Nsqd) -> None:
    go_on = asyncio.Event()

    async def wait(_: Message) -> None:
        await go_on.wait()

    inbox = Inbox(wait)
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=inbox) as consumer:
        await producer.publish_many(TOPIC, [b"x"] * 30)
        await eventually(lambda: len(inbox.messages) == 10)
        stopping = asyncio.create_task(consumer.stop(5))
        await eventually(lambda: channel_stats(nsqd)["clients"][0]["state"] == 4, what="CLS")  # nsqd's stateClosing
        go_on.set()
        await stopping
    channel = channel_stats(nsqd)
    assert (channel["depth"], channel["in_flight_count"], channel["client_count"]) == (20, 0, 0)
    assert all(message.done for message in inbox.messages)


@pytest.mark.parametrize("auto_finish", [True, False])
async def test_stopping_hands_back_at_its_deadline_what_is_still_in_hand(nsqd: Nsqd, auto_finish: bool) -> None:
    async def never(_: Message) -> None:
        await asyncio.Event().wait()

    inbox = Inbox(never if auto_finish else None)
    options: dict[str, Any] = {"auto_finish": auto_finish, "msg_timeout_s": 60.0}
    async with producing(nsqd.tcp) as producer, consuming(nsqd.tcp, handler=inbox, **options) as consumer:
        await producer.publish_many(TOPIC, [b"x"] * 5)
        await eventually(lambda: len(inbox.messages) == 5)
        await consumer.stop(0.1)
        channel = channel_stats(nsqd)
        assert (channel["depth"], channel["in_flight_count"], channel["requeue_count"]) == (5, 0, 5)


async def test_cancelling_hands_back_as_well(nsqd: Nsqd) -> None:
    kept: list[Message] = []
    async with producing(nsqd.tcp) as producer, Lookup((), (nsqd.tcp,)) as lookup:
        consumer = Consumer(
            topic=TOPIC,
            channel=CHANNEL,
            lookup=lookup,
            max_in_flight=5,
            handler=kept.append,
            auto_finish=False,
            options=QUICK,
        )
        running = asyncio.create_task(consumer.run())
        await producer.publish_many(TOPIC, [b"x"] * 5)
        await eventually(lambda: len(kept) == 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert channel_stats(nsqd)["depth"] == 5


async def test_ephemeral_topics_need_no_provisioning_and_leave_nothing(nsqd: Nsqd) -> None:
    inbox = Inbox()
    names: dict[str, Any] = {"topic": "hints#ephemeral", "channel": "here#ephemeral"}
    async with producing(nsqd.tcp) as producer:
        async with consuming(nsqd.tcp, handler=inbox, **names):
            await producer.publish("hints#ephemeral", b"x")
            await inbox.has(b"x")
        await eventually(lambda: topic_stats(nsqd, "hints#ephemeral")["channels"] == [])
