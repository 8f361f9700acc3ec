"""Promise one with one process of each kind but fetchers: whoever dies, there is no other until it is back."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice

import pytest

from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.pages import HOSTS, site
from tests.acceptance.stream import Stream, streaming, tell_wrong
from tests.acceptance.victims import KINDS, Death, all_quiet, dead_by_themselves, kill, of_kind, seeded, under_way
from tests.integration.servers import eventually

LEASE_S = 20
MORE_AT_ONCE = 30
LEAST_UNDER_WAY = 50
RESTARTED_AFTER_S = 1.0
NEW_ONES_WITHIN_S = 15.0
OLDER_ONES_WITHIN_S = 2 * LEASE_S
PACE_PER_S = 60.0
DELAYS_S = (1.2, 2.2)
"""How long pages take: some end all the time."""
BUSY_HOSTS = 20
"""With two fetches of a host at once, some checks wait for their claim all the time."""
QUIET_HOST = 100
PROBE_DELAY_S = 0.2


@dataclass
class Kills:
    """What was killed, and the figures that are judged."""

    deaths: list[Death] = field(default_factory=list)
    back_at: list[float] = field(default_factory=list)
    new_ones_s: list[float] = field(default_factory=list)
    """How long a check took that was submitted after the process was back."""

    def older_ones_s(self, stream: Stream) -> list[float]:
        """How long after the return of each process the last check was final that had been accepted before the kill."""
        return [
            max(
                check.final_at - back_at
                for check in stream.checks.values()
                if check.final_at is not None and check.accepted_at is not None and check.accepted_at <= death.at
            )
            for death, back_at in zip(self.deaths, self.back_at, strict=True)
        ]

    @property
    def may_repeat(self) -> int:
        return sum(death.may_repeat for death in self.deaths)


async def kill_in_turn(
    stack: Fleet, stream: Stream, kinds: Sequence[str], *, checks_each: int, rng: random.Random
) -> Kills:
    """Kills one process of each kind named, with new checks coming in all the time, and starts it again."""
    done, numbers = Kills(), (len(HOSTS) * (n // BUSY_HOSTS) + n % BUSY_HOSTS for n in count())
    for turn, kind in enumerate(kinds):
        done.deaths.append(await _one(stack, stream, kind, numbers, checks_each - 1, rng))
        done.back_at.append(time.time())
        stream.pages.delay_s = PROBE_DELAY_S
        probe = await stream.submit(QUIET_HOST + turn)  # no slot of its host is the dead's, or a waiting check's
        done.new_ones_s.append(await stream.finish(probe, timeout_s=NEW_ONES_WITHIN_S))
    return done


async def _one(
    stack: Fleet, stream: Stream, kind: str, numbers: Iterator[int], checks: int, rng: random.Random
) -> Death:
    """Kills while checks are being accepted, fetched and finished; returns when the process is back."""
    victim = rng.choice(of_kind(stack, kind))

    def slowly(count: int) -> Iterator[int]:
        for number in islice(numbers, count):
            stream.pages.delay_s = rng.uniform(*DELAYS_S)
            yield number

    before = len(stream.checks)
    enough = rng.randint(LEAST_UNDER_WAY + 15, checks - 5)
    async with asyncio.TaskGroup() as group:
        submitting = group.create_task(stream.submit_all(slowly(checks), per_s=PACE_PER_S))

        async def busy() -> bool:
            nonlocal submitting
            await asyncio.sleep(0.03)
            if submitting.done():  # on a busy machine the first of them end before the last are accepted
                submitting = group.create_task(stream.submit_all(slowly(MORE_AT_ONCE), per_s=1_000))
            accepted = sum(check.accepted_at is not None for check in list(stream.checks.values())[before:])
            return accepted >= enough and await under_way(stack) >= LEAST_UNDER_WAY + 10

        await eventually(busy, timeout_s=60, what=f"{enough} accepted and enough of them under way")
        await asyncio.sleep(rng.uniform(0, 0.05))
        death = await kill(stack, kind, victim, stream.pages)
        await asyncio.sleep(RESTARTED_AFTER_S)
        await victim.start()
    return death


async def judge(stack: Fleet, stream: Stream, kills: Kills, name: str) -> None:
    """When nothing is under way any more: prints the figures, and asserts them."""
    last_back = kills.back_at[-1]
    await stream.settled(timeout_s=max(1.0, last_back + OLDER_ONES_WITHIN_S + 10 - time.time()))
    await eventually(lambda: all_quiet(stack), timeout_s=30, what="no message anywhere")
    assert await stream.look()
    least, older_ones_s = min(death.under_way for death in kills.deaths), kills.older_ones_s(stream)
    again = await stream.extra_fetches()
    print(
        f"{name}: {len(kills.deaths)} kills, {len(stream.checks)} checks, at least {least} under way; "
        f"lost {len(stream.lost)}, wrong {len(stream.wrong)}, double {len(stream.doubled)}, "
        f"faults {len(stream.faults)}, fetched again {again} (at most {kills.may_repeat}); "
        f"new ones within {max(kills.new_ones_s):.1f} s, older ones within {max(older_ones_s):.1f} s; "
        f"503: {sum('503' in what for _, what in stream.refusals)}, broken off: "
        f"{sum('503' not in what for _, what in stream.refusals)}"
    )
    await tell_wrong(stream, stack)
    assert least >= LEAST_UNDER_WAY
    assert (stream.lost, stream.wrong, stream.doubled, stream.faults) == ([], [], [], [])
    assert 0 <= again <= kills.may_repeat
    assert max(older_ones_s) <= OLDER_ONES_WITHIN_S, older_ones_s
    assert dead_by_themselves(stack) == []
    # No check that nobody was told of, and no attempt with an outcome besides the one that counted.
    assert await stack.postgres.ask("SELECT count(*) FROM checks") == len(stream.checks)
    assert await stack.postgres.ask("SELECT count(*) FROM attempts WHERE error_code IS DISTINCT FROM 'lost'") == 0


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    return seeded(request.node.name)


async def kills_and_judgement(kinds: Sequence[str], *, name: str, checks_each: int, rng: random.Random) -> None:
    async with (
        fleet(fetchers=2, lease_s=LEASE_S, fetch_timeout_s=5) as stack,
        site() as pages,
        streaming([stack.api], pages) as stream,
    ):
        kills = await kill_in_turn(stack, stream, kinds, checks_each=checks_each, rng=rng)
        await judge(stack, stream, kills, name)


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", KINDS)
async def test_killed_five_times_with_500_checks_nothing_is_lost(kind: str, rng: random.Random) -> None:
    await kills_and_judgement([kind] * 5, name=kind, checks_each=100, rng=rng)
