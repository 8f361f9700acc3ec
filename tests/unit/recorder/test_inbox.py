"""Which message goes where, and which goes first."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from services.recorder.inbox import (
    MOST_BATCH_COMMANDS,
    PURGE_ABOVE,
    REPORTS_OF_A_SET,
    Inbox,
    sorted_by_lane,
    sorted_into,
)
from shared import messages, topics
from shared.messages import BATCH_KINDS, AttemptsLate, AttemptsStarted
from tests import factories


@dataclass(eq=False)
class Delivery:
    """What an inbox asks of a message."""

    topic: str
    body: bytes = b""
    is_lost: bool = False


def commands(number: int) -> list[Any]:
    return [Delivery(topics.COMMANDS.name) for _ in range(number)]


def reports(number: int) -> list[Any]:
    return [Delivery(topics.RESULTS.name) for _ in range(number)]


def filled(*items: Any) -> Inbox:
    inbox = Inbox()
    for item in items:
        inbox.put(item)
    return inbox


async def test_commands_go_before_reports_each_in_their_order() -> None:
    first, second = commands(3), reports(3)
    assert await filled(*second, *first).take(10) == first + second


async def test_a_crowd_of_commands_does_not_keep_reports_out() -> None:
    asked, told = commands(1000), reports(1000)
    inbox = filled(*told, *asked)
    taken = await inbox.take(500)
    kept = 500 // REPORTS_OF_A_SET
    assert taken == asked[: 500 - kept] + told[:kept]
    assert len(inbox) == 1500


async def test_a_set_is_filled_with_whatever_is_there() -> None:
    assert len(await filled(*commands(3), *reports(600)).take(500)) == 500
    assert len(await filled(*commands(600), *reports(2)).take(500)) == 500
    assert len(await filled(*commands(600)).take(500)) == 500


async def test_one_at_a_time_is_a_command_if_there_is_one() -> None:
    asked, told = commands(1), reports(1)
    inbox = filled(*told, *asked)
    assert [await inbox.take(1), await inbox.take(1)] == [asked, told]


async def test_what_was_lost_is_passed_over_and_waited_for() -> None:
    (lost,), (there,) = commands(1), reports(1)
    lost.is_lost = True
    inbox = filled(lost)
    waiting = asyncio.create_task(inbox.take(10))
    await asyncio.sleep(0)
    inbox.put(there)
    assert await waiting == [there]


async def test_lost_messages_do_not_pile_up() -> None:
    lost = [*commands(PURGE_ABOVE // 2), *reports(PURGE_ABOVE // 2)]
    for message in lost:
        message.is_lost = True
    inbox = filled(*lost, *commands(1))
    assert len(inbox) == 1


@pytest.mark.parametrize("kind", sorted(messages.COMMAND_KINDS))
def test_commands_that_may_touch_many_rows_have_an_inbox_of_their_own(kind: str) -> None:
    flush, batches = Inbox(), Inbox()
    message: Any = Delivery(topics.COMMANDS.name, b'{"id": 1, "kind": "%s"}' % kind.encode())
    assert sorted_into(flush, batches, nobody)(message) is None
    assert (len(flush), len(batches)) == ((0, 1) if kind in BATCH_KINDS else (1, 0))


@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON", b'{"kind": "of another world"}', b'{"kind": 5}'])
def test_what_can_not_be_read_goes_where_it_is_dropped(body: bytes) -> None:
    flush, batches = Inbox(), Inbox()
    message: Any = Delivery(topics.COMMANDS.name, body)
    assert sorted_into(flush, batches, nobody)(message) is None
    assert (len(flush), len(batches)) == (1, 0)


def test_a_command_of_a_check_is_known_by_what_its_gateway_sends() -> None:
    flush, batches = Inbox(), Inbox()
    for command in (factories.submit(), factories.open_batch()):
        message: Any = Delivery(topics.COMMANDS.name, messages.encode(command))
        assert sorted_into(flush, batches, nobody)(message) is None
    assert (len(flush), len(batches)) == (1, 1)


async def test_commands_about_batches_leave_room_for_those_of_checks() -> None:
    flush, batches = Inbox(), Inbox()
    back: list[Any] = []

    async def hand_back(message: Any) -> None:
        back.append(message)

    sort = sorted_into(flush, batches, hand_back)
    many = [about_a_batch() for _ in range(MOST_BATCH_COMMANDS)]
    assert [sort(message) for message in many] == [None] * MOST_BATCH_COMMANDS
    one_more = about_a_batch()
    handing_back = sort(one_more)
    assert handing_back is not None
    await handing_back
    lone: Any = Delivery(topics.COMMANDS.name, messages.encode(factories.submit()))
    assert sort(lone) is None
    assert (len(flush), len(batches), back) == (1, MOST_BATCH_COMMANDS, [one_more])
    many[0].is_lost = True
    assert sort(one_more) is None, "what was lost takes no place"
    assert await batches.take(1) == [many[1]]


def about_a_batch() -> Any:
    return Delivery(topics.COMMANDS.name, b'{"kind": "fill_batch"}')


async def nobody(message: Any) -> None:
    raise AssertionError(f"handed back: {message}")


def report(body: bytes) -> Any:
    return Delivery(topics.RESULTS.name, body)


def test_what_an_interactive_check_came_to_goes_before_what_nobody_waits_for() -> None:
    interactive, bulk = Inbox(), Inbox()
    put = sorted_by_lane(interactive, bulk)
    check = factories.claimed()
    outcomes = [messages.encode(each) for each in (factories.counted(check), factories.failed(check, "connect_failed"))]
    others = [factories.counted(check, lane="bulk"), factories.here()]
    others += [kind(fetcher="f", attempts=(factories.ref(check),)) for kind in (AttemptsStarted, AttemptsLate)]
    for body in (*outcomes, *map(messages.encode, others), b"not JSON", b'{"kind": "of a later version"}'):
        put(report(body))
    assert (len(interactive), len(bulk)) == (len(outcomes), len(others) + 2)


def test_a_fetcher_of_before_did_not_say_the_lane() -> None:
    interactive, bulk = Inbox(), Inbox()
    body = messages.encode(factories.counted(factories.claimed()))
    assert b"lane" not in body
    sorted_by_lane(interactive, bulk)(report(body))
    assert len(interactive) == 1
