"""What goes out at once, and what goes together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from services.fetcher.outbox import Outbox
from shared.nsq.errors import NoConnection
from shared.nsq.producer import Producer


class Nsqd:
    """Keeps the sets that were published."""

    def __init__(self) -> None:
        self.sets: list[list[bytes]] = []
        self.gone = False

    async def publish_many(self, _topic: str, bodies: Sequence[bytes], *, timeout_s: float) -> None:
        assert timeout_s > 0
        if self.gone:
            raise NoConnection("gone")
        self.sets.append(list(bodies))


@asynccontextmanager
async def _running(nsqd: Nsqd, in_hand: int) -> AsyncIterator[Outbox]:
    outbox = Outbox(cast(Producer, cast(Any, nsqd)), fetcher="f", timeout_s=1.0, in_hand=lambda: in_hand)
    running = asyncio.create_task(outbox.run())
    try:
        async with asyncio.timeout(5):
            yield outbox
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_reports_nobody_waits_for_go_together() -> None:
    nsqd = Nsqd()
    async with _running(nsqd, in_hand=100) as outbox, asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(outbox.publish(b"%d" % number))
            await asyncio.sleep(0.001)
    assert nsqd.sets == [[b"0", b"1", b"2"]]


async def test_one_that_is_waited_for_takes_all_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fetcher.outbox.HOLD_S", 3600.0)
    nsqd = Nsqd()
    async with _running(nsqd, in_hand=100) as outbox, asyncio.TaskGroup() as group:
        group.create_task(outbox.publish(b"bulk"))
        await asyncio.sleep(0)
        await outbox.publish(b"person", at_once=True)
    assert nsqd.sets == [[b"bulk", b"person"]]


async def test_nothing_is_held_when_half_of_what_is_in_hand_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fetcher.outbox.HOLD_S", 3600.0)
    nsqd = Nsqd()
    async with _running(nsqd, in_hand=4) as outbox, asyncio.TaskGroup() as group:
        first = group.create_task(outbox.publish(b"first"))
        await asyncio.sleep(0.001)
        assert not first.done()
        group.create_task(outbox.publish(b"second"))
    assert nsqd.sets == [[b"first", b"second"]]


async def test_whoever_waits_hears_that_no_nsqd_took_it() -> None:
    nsqd = Nsqd()
    nsqd.gone = True
    async with _running(nsqd, in_hand=1) as outbox:
        with pytest.raises(NoConnection):
            await outbox.publish(b"report")
        nsqd.gone = False
        await outbox.publish(b"report")
    assert nsqd.sets == [[b"report"]]
