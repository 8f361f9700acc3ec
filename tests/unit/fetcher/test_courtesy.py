"""Bulk work that steps back while a person's check is in hand."""

import asyncio

from services.fetcher import courtesy
from services.fetcher.courtesy import Courtesy


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def _turns(loops: int = 20) -> None:
    for _ in range(loops):
        await asyncio.sleep(0)


async def test_attempts_of_batches_begin_a_turn_of_the_loop_apart() -> None:
    polite, begun = Courtesy(Clock()), []

    async def begin(number: int) -> None:
        await polite.turn()
        begun.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(begin(number))
        await asyncio.sleep(0)
        seen = []
        while len(begun) < 4:
            await asyncio.sleep(0)
            seen.append(len(begun))
    assert begun == [0, 1, 2, 3]
    assert set(seen) >= {1, 2, 3}


async def test_they_wait_until_the_person_is_served() -> None:
    polite = Courtesy(Clock())
    with polite.person():
        waits = asyncio.create_task(polite.turn())
        await _turns()
        assert not waits.done()
    async with asyncio.timeout(5):
        await waits


async def test_they_wait_for_the_last_of_several_persons() -> None:
    polite = Courtesy(Clock())
    with polite.person():
        waits = asyncio.create_task(polite.turn())
        with polite.person():
            await _turns()
        await _turns()
        assert not waits.done()
    async with asyncio.timeout(5):
        await waits


async def test_they_do_not_wait_for_a_person_whose_page_takes_long() -> None:
    clock = Clock()
    polite = Courtesy(clock)
    with polite.person():
        clock.now_s += courtesy.WAITS_S
        async with asyncio.timeout(5):
            await polite.turn()


async def test_they_wait_no_longer_than_said_when_nobody_is_served() -> None:
    polite = Courtesy(asyncio.get_running_loop().time)
    with polite.person():
        async with asyncio.timeout(5):
            await polite.turn()
