import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.fetcher.robots.answers import FRESH_S, Answer
from services.fetcher.robots.cache import Cache
from services.fetcher.robots.rules import read

HOME = "http://home.example"


class Clock:
    """A clock that stands still unless it is set."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Host:
    """What answers when it is told to, and counts who asks."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.asked = 0
        self.cancelled = 0
        self.release = asyncio.Event()

    async def ask(self) -> Answer:
        self.asked += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


def at_once(answer: Answer) -> Callable[[], Coroutine[Any, Any, Answer]]:
    host = Host(answer)
    host.release.set()
    return host.ask


async def turns() -> None:
    """Lets everything happen that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_fifty_who_ask_at_once_are_answered_by_one_question(clock: Clock) -> None:
    cache, host = Cache(clock=clock), Host(Answer("absent", FRESH_S))
    callers = [asyncio.create_task(cache.get(HOME, host.ask)) for _ in range(50)]
    await turns()
    host.release.set()
    known = await asyncio.gather(*callers)
    assert host.asked == 1
    assert {each.answer is host.answer for each in known} == {True}
    assert [each.asked for each in known] == [True] + [False] * 49


async def test_who_asked_first_may_leave_without_the_others_noticing(clock: Clock) -> None:
    cache, host = Cache(clock=clock), Host(Answer("absent", FRESH_S))
    first, second = (asyncio.create_task(cache.get(HOME, host.ask)) for _ in range(2))
    await turns()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    host.release.set()
    assert (await second).answer is host.answer
    assert (host.asked, host.cancelled, len(cache)) == (1, 0, 1)


async def test_a_question_that_nobody_waits_for_ends_and_is_asked_anew(clock: Clock) -> None:
    cache, host = Cache(clock=clock), Host(Answer("absent", FRESH_S))
    callers = [asyncio.create_task(cache.get(HOME, host.ask)) for _ in range(2)]
    await turns()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    third = asyncio.create_task(cache.get(HOME, host.ask))
    await turns()
    assert (host.asked, host.cancelled) == (2, 1)
    host.release.set()
    assert (await third).asked


async def test_an_answer_is_believed_for_24_hours(clock: Clock) -> None:
    cache, host = Cache(clock=clock), Host(Answer("absent", FRESH_S))
    host.release.set()
    assert (await cache.get(HOME, host.ask)).left_s == 24 * 3600
    clock.now_s += 24 * 3600 - 1
    known = await cache.get(HOME, host.ask)
    assert (known.left_s, known.asked) == (1, False)
    clock.now_s += 1
    assert (await cache.get(HOME, host.ask)).asked
    assert (host.asked, len(cache)) == (2, 1)


async def test_what_is_not_to_be_kept_is_for_those_alone_who_waited(clock: Clock) -> None:
    cache, host = Cache(clock=clock), Host(Answer("failed", 0.0))
    host.release.set()
    await asyncio.gather(*(cache.get(HOME, host.ask) for _ in range(3)))
    assert (host.asked, len(cache)) == (1, 0)
    await cache.get(HOME, host.ask)
    assert host.asked == 2


async def test_a_mistake_of_ours_is_raised_to_all_who_wait_and_not_kept(clock: Clock) -> None:
    cache, host = Cache(clock=clock), Host(RuntimeError("a mistake"))
    host.release.set()
    callers = [asyncio.create_task(cache.get(HOME, host.ask)) for _ in range(3)]
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert [str(each) for each in found] == ["a mistake"] * 3
    assert len(cache) == 0


async def test_the_number_of_origins_is_bounded_and_those_in_use_stay(clock: Clock) -> None:
    cache = Cache(clock=clock, max_origins=10)
    for number in range(100):
        await cache.get(HOME, at_once(Answer("absent", FRESH_S)))
        await cache.get(f"http://{number}.example", at_once(Answer("absent", FRESH_S)))
        assert len(cache) <= 10
    assert not (await cache.get(HOME, at_once(Answer("absent", FRESH_S)))).asked
    assert (await cache.get("http://1.example", at_once(Answer("absent", FRESH_S)))).asked


async def test_the_memory_is_bounded(clock: Clock) -> None:
    large = Answer("rules", FRESH_S, read(b"User-agent: *\n" + b"Disallow: /abc\n" * 1000))
    cache = Cache(clock=clock, max_bytes=3 * large.size_bytes + 1)
    for number in range(10):
        await cache.get(f"http://{number}.example", at_once(large))
    assert (len(cache), cache.size_bytes) == (3, 3 * large.size_bytes)
    alone = Cache(clock=clock, max_bytes=large.size_bytes - 1)
    assert (await alone.get(HOME, at_once(large))).answer is large
    assert (len(alone), alone.size_bytes) == (0, 0)


async def test_closing_ends_what_is_being_asked(clock: Clock) -> None:
    cache, host = Cache(clock=clock), Host(Answer("absent", FRESH_S))
    caller = asyncio.create_task(cache.get(HOME, host.ask))
    await turns()
    await cache.close()
    assert host.cancelled == 1
    with pytest.raises(asyncio.CancelledError):
        await caller
