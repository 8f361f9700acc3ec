"""One connection to a real nsqd: deadlines, typed errors, pairing, and an end that is noticed."""

import asyncio
import subprocess
import sys
import time

import pytest

from shared.nsq.connection import Connection
from shared.nsq.errors import (
    BadBody,
    BadMessage,
    BadRequest,
    BadTopic,
    ConnectionLost,
    FinFailed,
    FrameError,
    OperationTimeout,
    TouchFailed,
)
from tests.integration.nsq.conftest import CHANNEL, QUICK, TOPIC, topic_stats
from tests.integration.servers import HOST, Nsqd, TcpProxy, eventually, free_port

UNKNOWN_ID = "0123456789abcdef"


async def test_a_reset_in_the_middle_of_a_frame_ends_the_connection_and_what_waits(nsqd: Nsqd) -> None:
    async with TcpProxy(nsqd.tcp) as proxy:
        connection = Connection(proxy.address, QUICK)
        await connection.connect()
        proxy.reset_after(5)  # an answer OK is a frame of 10 bytes
        with pytest.raises(ConnectionLost):
            await connection.pub(TOPIC, b"one")
        async with asyncio.timeout(5):
            await connection.wait_ended()
        assert await _cpu_s_while_idle(0.2) < 0.1, "something spins"
        with pytest.raises(ConnectionLost):
            await connection.pub(TOPIC, b"two")


async def _cpu_s_while_idle(for_s: float) -> float:
    before_s = time.process_time()
    await asyncio.sleep(for_s)
    return time.process_time() - before_s


async def test_nsqd_killed_fails_what_is_outstanding_at_once(nsqd: Nsqd) -> None:
    connection = Connection(nsqd.tcp, QUICK)
    await connection.connect()
    nsqd.freeze()
    publishes = [asyncio.create_task(connection.pub(TOPIC, b"x", timeout_s=30)) for _ in range(10)]
    await eventually(lambda: connection.outstanding == 10)
    await nsqd.kill()
    async with asyncio.timeout(5):
        results = await asyncio.gather(*publishes, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionLost] * 10


async def test_error_frames_are_raised_with_their_code() -> None:
    async with Nsqd("-max-msg-size=100") as nsqd:
        connection = Connection(nsqd.tcp, QUICK)
        await connection.connect()
        with pytest.raises(BadMessage) as caught:
            await connection.pub(TOPIC, b"x" * 101)
        assert caught.value.code == "E_BAD_MESSAGE"
        assert "too big 101 > 100" in caught.value.text
        await connection.close(timeout_s=1)


async def test_what_nsqd_would_misread_is_refused_before_it_is_sent(nsqd: Nsqd) -> None:
    connection = Connection(nsqd.tcp, QUICK)
    await connection.connect()
    async with asyncio.timeout(1):
        with pytest.raises(BadMessage):
            await connection.pub(TOPIC, b"")
        with pytest.raises(BadMessage):
            await connection.mpub(TOPIC, [b"one", b""])
        with pytest.raises(BadBody):
            await connection.mpub(TOPIC, [])
        with pytest.raises(BadTopic):
            await connection.pub("two words", b"one")
        with pytest.raises(BadTopic):
            await connection.pub("a\nNOP", b"one")
        await connection.pub(TOPIC, b"one")  # nothing above has cost the connection
    await connection.close(timeout_s=1)


@pytest.mark.parametrize("count", [1, 2, 100])
async def test_an_mpub_of_any_number_arrives_as_that_many_messages(nsqd: Nsqd, count: int) -> None:
    connection = Connection(nsqd.tcp, QUICK)
    await connection.connect()
    await connection.mpub(TOPIC, [b"%d" % number for number in range(count)])
    assert topic_stats(nsqd)["message_count"] == count
    await connection.close(timeout_s=1)


async def test_a_refused_fin_is_not_taken_for_the_answer_to_a_publish(nsqd: Nsqd) -> None:
    refused: list[FrameError] = []
    connection = Connection(nsqd.tcp, QUICK, on_unsolicited=refused.append)
    await connection.connect()
    await connection.subscribe(TOPIC, CHANNEL)
    connection.fin(UNKNOWN_ID)
    connection.touch(UNKNOWN_ID)
    await connection.pub("another", b"one")
    assert [type(error) for error in refused] == [FinFailed, TouchFailed]
    assert UNKNOWN_ID in refused[0].text
    await connection.close(timeout_s=1)


async def test_a_second_subscription_is_a_typed_error_and_ends_the_connection(nsqd: Nsqd) -> None:
    connection = Connection(nsqd.tcp, QUICK)
    await connection.connect()
    await connection.subscribe(TOPIC, CHANNEL)
    with pytest.raises(BadRequest) as caught:
        await connection.subscribe(TOPIC, "other")
    assert caught.value.code == "E_INVALID"
    async with asyncio.timeout(2):
        await connection.wait_ended()


async def test_connecting_has_a_deadline_and_says_what_failed(nsqd: Nsqd) -> None:
    with pytest.raises(ConnectionLost, match="can't connect"):
        await Connection(f"{HOST}:{free_port()}", QUICK).connect()
    async with TcpProxy(nsqd.tcp) as proxy:
        proxy.freeze()
        connection = Connection(proxy.address, QUICK)
        with pytest.raises(OperationTimeout, match="connect"):
            await connection.connect()
        assert not connection.is_open


async def test_an_answer_after_its_deadline_is_not_paired_with_the_next_command(nsqd: Nsqd) -> None:
    connection = Connection(nsqd.tcp, QUICK)
    await connection.connect()
    nsqd.freeze()
    with pytest.raises(OperationTimeout):
        await connection.pub(TOPIC, b"late", timeout_s=0.1)
    doubts = [connection.doubtful]
    next_one = asyncio.create_task(connection.mpub(TOPIC, [b"x" * 10, b"y"]))
    await eventually(lambda: connection.outstanding == 2)
    nsqd.thaw()
    await next_one
    assert topic_stats(nsqd)["message_count"] == 3
    assert [*doubts, connection.doubtful] == [True, False]
    await connection.close(timeout_s=1)


async def test_a_silent_peer_is_noticed_within_two_beats_and_not_before(nsqd: Nsqd) -> None:
    async with TcpProxy(nsqd.tcp) as proxy:
        connection = Connection(proxy.address, QUICK)
        await connection.connect()
        await asyncio.sleep(2.5)  # heartbeats alone keep it
        assert connection.is_open
        proxy.freeze()
        started_s = time.monotonic()
        async with asyncio.timeout(5):
            await connection.wait_lost()
        assert 1.0 <= time.monotonic() - started_s < 3.0
        assert "silent" in str(connection.loss)


async def test_a_closed_connection_has_had_all_it_wrote_read(nsqd: Nsqd) -> None:
    ids: list[str] = []
    publisher = Connection(nsqd.tcp, QUICK)
    await publisher.connect()
    await publisher.mpub(TOPIC, [b"x"] * 300)
    await publisher.close(timeout_s=1)
    consumer = Connection(nsqd.tcp, QUICK, on_message=lambda frame: ids.append(frame.id))
    await consumer.connect()
    await consumer.subscribe(TOPIC, CHANNEL)
    consumer.rdy(200)  # 100 more wait, and come while the connection is being closed
    await eventually(lambda: len(ids) == 200)
    for message_id in ids[:150]:
        consumer.fin(message_id)
    await consumer.close(timeout_s=2)
    channel = topic_stats(nsqd)["channels"][0]
    assert channel["client_count"] == 0
    assert channel["depth"] + channel["in_flight_count"] == 150


async def test_logging_of_the_process_is_left_alone(nsqd: Nsqd) -> None:
    script = (
        "import asyncio, logging, sys\n"
        "from shared.nsq import consumer, producer\n"
        "from shared.nsq.connection import Connection, ConnectionOptions\n"
        "async def main():\n"
        "    connection = Connection(sys.argv[1], ConnectionOptions())\n"
        "    await connection.connect()\n"
        "    await connection.close(timeout_s=1)\n"
        "asyncio.run(main())\n"
        "root = logging.getLogger()\n"
        "assert root.handlers == [] and root.level == logging.WARNING, root.handlers\n"
    )
    run = [sys.executable, "-c", script, nsqd.tcp]
    done = await asyncio.to_thread(subprocess.run, run, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
