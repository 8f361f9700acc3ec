"""Several of each: one of every kind dies and stays away, and the others carry on as if nothing had been."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.pages import site
from tests.acceptance.stream import Check, Stream, streaming, tell_wrong
from tests.acceptance.victims import KINDS, Victim, all_quiet, dead_by_themselves, kill, of_kind, seeded
from tests.integration.servers import eventually

LEASE_S = 20
MANY = tuple(kind for kind in KINDS if kind != "postgres")
NOTICED_WITHIN_S = 1.0
"""What was asked for later than this after a kill has nothing to do with the dead."""
FINISHED_WITHIN_S = 15.0
PAGE_DELAY_S = 1.0


async def kill_one_of_each(stack: Fleet, stream: Stream, before: asyncio.Task[list[Check]]) -> Sequence[Victim]:
    """At seeded moments of the first stream; returns who is dead."""
    rng, dead = seeded("several of each"), []
    for kind in rng.sample(MANY, len(MANY)):
        await eventually(lambda: len(stream.under_way) >= 20 or before.done(), timeout_s=30, what="checks under way")
        await asyncio.sleep(rng.uniform(0, 0.4))
        dead.append(rng.choice(of_kind(stack, kind)))
        await kill(stack, kind, dead[-1], stream.pages)
    return dead


@pytest.mark.timeout(240)
async def test_one_of_each_kind_is_dead_for_a_while_and_checks_go_on_through_the_others() -> None:
    async with (
        fleet(gateways=2, recorders=2, schedulers=2, fetchers=3, nsqds=2, lookupds=2, lease_s=LEASE_S) as stack,
        site() as pages,
    ):
        pages.delay_s = PAGE_DELAY_S
        sessions = [stack.session(number) for number in range(2)]
        async with streaming(sessions, pages) as stream:
            before = asyncio.create_task(stream.submit_all(range(150), per_s=40))
            dead = await kill_one_of_each(stack, stream, before)
            killed_at = time.time()
            await asyncio.sleep(NOTICED_WITHIN_S)
            await before

            meanwhile = await stream.submit_all(range(150, 300), per_s=40)
            for check in meanwhile:
                await stream.finish(check, timeout_s=FINISHED_WITHIN_S)
            away_s = time.time() - killed_at
            refused = [what for at, what in stream.refusals if at > meanwhile[0].asked_at and "503" in what]
            await asyncio.gather(*(each.start() for each in dead))

            await stream.submit_all(range(300, 400), per_s=40)
            await stream.settled(timeout_s=3 * LEASE_S)
            await eventually(lambda: all_quiet(stack), timeout_s=30, what="no message anywhere")
            accepted_s = [check.accepted_at - check.asked_at for check in meanwhile if check.accepted_at]
            took_s = [check.final_at - check.asked_at for check in meanwhile if check.final_at]
            print(
                f"several of each: {len(stream.checks)} checks, one of each dead for {away_s:.1f} s; "
                f"lost {len(stream.lost)}, wrong {len(stream.wrong)}, double {len(stream.doubled)}, "
                f"faults {len(stream.faults)}, fetched again {stream.extra_fetches}; meanwhile accepted within "
                f"{max(accepted_s):.1f} s, finished within {max(took_s):.1f} s, 503: {len(refused)}; "
                f"503 in all: {sum('503' in what for _, what in stream.refusals)}"
            )
            await tell_wrong(stream, stack)
            assert (stream.lost, stream.wrong, stream.doubled, stream.faults, refused) == ([], [], [], [], [])
            assert max(took_s) <= FINISHED_WITHIN_S
            assert dead_by_themselves(stack) == []
            assert await stack.postgres.ask("SELECT count(*) FROM checks") == len(stream.checks)
