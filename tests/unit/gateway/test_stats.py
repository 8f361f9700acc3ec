import asyncio

import pytest

from services.gateway.stats import FAILED_FOR_S, FRESH_S, REST, Kept


class Source:
    """Something that takes `takes_s` to gather, by a clock that only it moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.takes_s = 0.0
        self.gathered = 0
        self.fails = False

    async def gather(self) -> int:
        await asyncio.sleep(0)
        self.now_s += self.takes_s
        if self.fails:
            raise ConnectionError
        self.gathered += 1
        return self.gathered


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def kept(source: Source) -> Kept[int]:
    return Kept(source.gather, lambda: source.now_s)


async def test_it_is_gathered_once_however_many_ask(source: Source, kept: Kept[int]) -> None:
    assert await asyncio.gather(*(kept.read() for _ in range(20))) == [1] * 20


async def test_it_is_kept_for_a_second(source: Source, kept: Kept[int]) -> None:
    assert await kept.read() == 1
    source.now_s += FRESH_S
    assert await kept.read() == 1
    source.now_s += 0.001
    assert await kept.read() == 2


async def test_what_takes_long_is_kept_longer(source: Source, kept: Kept[int]) -> None:
    source.takes_s = 2.0
    assert await kept.read() == 1
    source.now_s += REST * 2.0
    assert await kept.read() == 1
    source.now_s += 0.001
    assert await kept.read() == 2


async def test_a_failure_is_not_kept(source: Source, kept: Kept[int]) -> None:
    source.fails = True
    with pytest.raises(ConnectionError):
        await kept.read()
    source.fails = False
    assert await kept.read() == 1


async def test_a_failure_that_took_long_is_told_again_for_some_seconds(source: Source, kept: Kept[int]) -> None:
    source.fails, source.takes_s = True, 8.0
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await kept.read()
    assert source.now_s == 1008.0
    source.fails = False
    source.now_s += FAILED_FOR_S
    assert await kept.read() == 1
