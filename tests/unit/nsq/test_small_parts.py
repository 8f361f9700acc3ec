import asyncio
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import Backoff
from shared.nsq import errors, names
from shared.nsq.background import Background
from shared.nsq.connection import split_address
from shared.nsq.metrics import channel_label
from shared.nsq.producer import split
from shared.nsq.provision import check
from shared.nsq.stall import StallGuard


@given(st.integers())
def test_pauses_double_with_jitter_up_to_the_cap_and_begin_anew(seed: int) -> None:
    backoff = Backoff(rng=random.Random(seed), first_s=0.1, cap_s=5.0)
    for ceiling_s in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0):
        assert ceiling_s / 2 <= backoff.next_s() <= ceiling_s
    backoff.reset()
    assert backoff.next_s() <= 0.1


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=50), st.integers(1, 10), st.integers(1, 60))
def test_sets_hold_everything_in_order_within_their_bounds(
    bodies: list[bytes], max_messages: int, max_bytes: int
) -> None:
    runs = list(split(bodies, max_messages=max_messages, max_bytes=max_bytes))
    assert [body for run in runs for body in run] == bodies
    assert all(1 <= len(run) <= max_messages for run in runs)
    assert all(len(run) == 1 or sum(map(len, run)) <= max_bytes for run in runs)
    for run, following in itertools.pairwise(runs):
        assert len(run) == max_messages or sum(map(len, run)) + len(following[0]) > max_bytes, "could have been one"


@pytest.mark.parametrize("name", ["checks", "checks.bulk", "recorded#ephemeral", "a", "x" * 64, "A_b-9.c"])
def test_names_that_nsqd_takes(name: str) -> None:
    names.check_topic(name)
    names.check_channel(name)


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "two words", "a\n", "a\nNOP", "ü", "a#other", "#ephemeral", "a#ephemeralx"]
)
def test_names_that_nsqd_refuses(name: str) -> None:
    with pytest.raises(errors.BadTopic):
        names.check_topic(name)
    with pytest.raises(errors.BadChannel):
        names.check_channel(name)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("E_INVALID", errors.BadRequest),
        ("E_BAD_TOPIC", errors.BadTopic),
        ("E_BAD_MESSAGE", errors.BadMessage),
        ("E_BAD_BODY", errors.BadBody),
        ("E_PUB_FAILED", errors.PublishFailed),
        ("E_MPUB_FAILED", errors.PublishFailed),
        ("E_FIN_FAILED", errors.FinFailed),
        ("E_REQ_FAILED", errors.ReqFailed),
        ("E_TOUCH_FAILED", errors.TouchFailed),
        ("E_OF_THE_FUTURE", errors.FrameError),
    ],
)
def test_each_code_has_its_error(code: str, kind: type[errors.FrameError]) -> None:
    error = errors.from_frame(code, "because")
    assert type(error) is kind
    assert (error.code, error.text, str(error)) == (code, "because", f"{code}: because")


def test_only_what_is_durable_can_be_provisioned() -> None:
    check([("orders", ["worker"])])
    with pytest.raises(ValueError, match="durable"):
        check([("hints#ephemeral", ["worker"])])
    with pytest.raises(ValueError, match="durable"):
        check([("orders", ["here#ephemeral"])])


def test_addresses() -> None:
    assert split_address("localhost:4150") == ("localhost", 4150)
    assert split_address("[::1]:4150") == ("::1", 4150)
    for wrong in ("localhost", ":4150", "localhost:", "localhost:http"):
        with pytest.raises(ValueError, match="host:port"):
            split_address(wrong)


def test_instances_do_not_become_labels() -> None:
    assert channel_label("gateway-host-17#ephemeral") == "ephemeral"
    assert channel_label("recorder") == "recorder"


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_messages_read_in_time_are_dated_now() -> None:
    clock = Clock()
    guard = StallGuard(clock, tick_s=0.25)
    for _ in range(10):
        clock.now_s += 0.3
        assert guard.received_at() == clock.now_s
        guard.tick()
        assert guard.received_at() == clock.now_s


@pytest.mark.parametrize("tick_first", [True, False])
def test_messages_read_after_a_stall_are_dated_before_it(tick_first: bool) -> None:
    clock = Clock()
    guard = StallGuard(clock, tick_s=0.25)
    clock.now_s = 115.0
    if tick_first:
        guard.tick()
    assert guard.received_at() == 100.0
    guard.tick()
    clock.now_s = 115.2
    assert guard.received_at() == 100.0, "there may be more of them in the socket"
    guard.tick()
    clock.now_s = 115.4
    assert guard.received_at() == 115.4


async def test_what_ends_a_background_task_comes_out_of_wait() -> None:
    async def fail() -> None:
        raise LookupError

    background = Background("it")
    with pytest.raises(RuntimeError, match="not started"):
        await background.wait()
    background.start(fail())
    with pytest.raises(LookupError):
        await background.wait()
    with pytest.raises(RuntimeError, match="twice"):
        background.start(fail())
    assert not background.running


async def test_being_cancelled_while_waiting_ends_only_the_waiting() -> None:
    background = Background("it")
    background.start(asyncio.Event().wait())  # type: ignore[arg-type]
    waiting = asyncio.create_task(background.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert background.running
    await background.stop()
    assert not background.running
