import asyncio

import pytest

from services.fetcher.fetching.limits import HopLimits
from shared.urls import normalize

HOME = "home.example"
HOME_URL = normalize("http://home.example/")
OTHER_URL = normalize("https://other.example/")


class Clock:
    """A clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, **changes: object) -> HopLimits:
    settings = {"concurrency": 1, "spacing_s": 0.25, **changes}
    return HopLimits(**settings, clock=clock, sleep=clock.sleep)  # type: ignore[arg-type]


async def test_rule_6_the_first_request_does_not_wait_and_further_hops_at_home_are_spaced(clock: Clock) -> None:
    polite = limits(clock)
    async with polite.hop(HOME, HOME_URL, first=True):
        pass
    assert clock.slept == []
    async with polite.hop(HOME, HOME_URL, first=False):
        assert clock.now == 100.25
    clock.now += 10
    async with polite.hop(HOME, HOME_URL, first=False):
        assert clock.slept == [0.25, 0.0]


async def test_rule_6_home_takes_no_second_slot(clock: Clock) -> None:
    polite = limits(clock)
    async with polite.hop(HOME, HOME_URL, first=True), polite.hop(HOME, HOME_URL, first=False):
        pass


async def test_rule_6_a_foreign_host_is_limited_and_spaced(clock: Clock) -> None:
    polite = limits(clock)
    second_runs = asyncio.Event()

    async def second() -> None:
        async with polite.hop(HOME, OTHER_URL, first=False):
            second_runs.set()

    async with polite.hop(HOME, OTHER_URL, first=False):
        waiting = asyncio.create_task(second())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not second_runs.is_set()
    await waiting
    assert clock.slept == [0.0, 0.25]


async def test_trusted_hosts_are_not_limited(clock: Clock) -> None:
    polite = limits(clock, trusted={"other.example"})
    async with polite.hop(HOME, OTHER_URL, first=False), polite.hop(HOME, OTHER_URL, first=False):
        pass
    assert clock.slept == []
    assert len(polite) == 0


async def test_a_failed_or_cancelled_request_gives_its_slot_back(clock: Clock) -> None:
    polite = limits(clock)
    with pytest.raises(RuntimeError):
        async with polite.hop(HOME, OTHER_URL, first=False):
            raise RuntimeError

    async def forever() -> None:
        async with polite.hop(HOME, OTHER_URL, first=False):
            await asyncio.Event().wait()

    holder, waiter = asyncio.create_task(forever()), asyncio.create_task(forever())
    for _ in range(5):
        await asyncio.sleep(0)
    for task in (waiter, holder):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(1), polite.hop(HOME, OTHER_URL, first=False):
        pass


async def test_memory_is_bounded_and_hosts_in_use_are_kept(clock: Clock) -> None:
    polite = limits(clock, max_hosts=10)
    async with polite.hop(HOME, OTHER_URL, first=False):
        for number in range(200):
            async with polite.hop(HOME, normalize(f"http://{number}.example/"), first=False):
                pass
        assert len(polite) <= 10
        blocked = asyncio.create_task(polite.hop(HOME, OTHER_URL, first=False).__aenter__())
        done, _ = await asyncio.wait([blocked], timeout=0.01)
        assert not done
        blocked.cancel()
