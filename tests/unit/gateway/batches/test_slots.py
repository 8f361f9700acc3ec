"""Room for uploads, and who waits for it."""

import asyncio

import pytest

from services.gateway.batches.slots import Slots
from services.gateway.problems import Problem

LONG_S = 30.0


async def test_who_finds_no_slot_waits_for_one() -> None:
    slots = Slots(1, wait_s=LONG_S)
    got_one = asyncio.Event()

    async def take() -> None:
        async with slots.slot():
            got_one.set()

    async with asyncio.TaskGroup() as group, asyncio.timeout(LONG_S):
        async with slots.slot():
            group.create_task(take())
            await asyncio.sleep(0)
            assert not got_one.is_set()
        await got_one.wait()


async def test_nobody_waits_for_long() -> None:
    slots = Slots(1, wait_s=0.01)
    async with slots.slot():
        with pytest.raises(Problem) as refused:
            async with slots.slot():
                pass
    assert refused.value.code == "too_many_uploads"
    async with slots.slot():  # nothing of it is left
        pass


async def test_not_everybody_may_wait() -> None:
    slots = Slots(1, most_waiting=1, wait_s=LONG_S)

    async def take() -> None:
        async with slots.slot():
            pass

    async with asyncio.TaskGroup() as group, asyncio.timeout(LONG_S), slots.slot():
        group.create_task(take())
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await take()
    assert refused.value.code == "too_many_uploads"
