"""Promise one, step by step: a recorder and a fetcher end at every single point between a message and its FIN."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from itertools import count, groupby

import pytest

from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.pages import site
from tests.acceptance.processes import Service
from tests.acceptance.stream import Stream, streaming
from tests.acceptance.victims import CHECKS, all_quiet, unfinished
from tests.integration.servers import eventually

_END = re.compile(r"^(died at step|lived, with) (\d+)", re.MULTILINE)

Act = Callable[[int], Awaitable[object]]
"""Makes one message more for the service that dies."""


def dying(stack: Fleet, kind: str, what: str) -> Service:
    """One service after another, each ending a step later than the one before; see `dying`."""
    environ = stack.environ
    if kind == "recorder":  # what one had comes to the next one soon; a fetcher that is slow must not lose its messages
        environ = environ | {"WORDWATCH_MSG_TIMEOUT_S": "1"}
    service = Service(kind, 90, environ, stack.folder, "tests.acceptance.dying", kind, what, "1")
    {"recorder": stack.recorders, "fetcher": stack.fetchers}[kind].append(service)
    return service


async def one_message_each(service: Service, act: Act) -> list[tuple[str, int]]:
    """Gives each of the services that die a message, until one lives.

    Returns:
        How each ended, in order, as `("died at step", 17)`; the last one with the number of steps that there are.
    """
    ends: list[tuple[str, int]] = []
    async with asyncio.TaskGroup() as group:
        for turn in count():
            await eventually(service.answers, timeout_s=30, what=f"{service.name} no. {turn} is ready")
            group.create_task(_awaited(act(turn)))

            def ended(turn: int = turn) -> bool:
                ends[:] = [(how, int(step)) for how, step in _END.findall(service.log)]
                return len(ends) > turn

            await eventually(ended, timeout_s=30, what=f"the end of {service.name} no. {turn}:\n{service.log[-2000:]}")
            if ends[-1][0] != "died at step":
                return ends
    raise AssertionError


async def _awaited(work: Awaitable[object]) -> None:
    await work


async def judge(stack: Fleet, stream: Stream) -> None:
    await stream.settled(timeout_s=90)
    assert (stream.lost, stream.wrong, stream.doubled, stream.faults) == ([], [], [], [])
    assert await stack.postgres.ask("SELECT count(*) FROM checks") == len(stream.checks)
    assert await stack.postgres.ask("SELECT count(*) FROM attempts WHERE error_code IS DISTINCT FROM 'lost'") == 0


@pytest.mark.timeout(400)
@pytest.mark.parametrize("what", ["submit_check", "finished"])
async def test_a_recorder_that_ends_at_any_step_of_a_message_loses_nothing_and_doubles_nothing(what: str) -> None:
    async with fleet(recorders=0, log_level="warning") as stack, site() as pages:
        service = dying(stack, "recorder", f'"kind":"{what}"')
        await service.start()
        async with streaming([stack.api], pages) as stream:
            await eventually(lambda: stack.postgres.ask("SELECT for_any > 0 FROM free_room()"), what="room for claims")
            ends = await one_message_each(service, stream.submit)
            await stream.settled(timeout_s=30)
            await eventually(lambda: all_quiet(stack), timeout_s=30, what="no message anywhere")
            await judge(stack, stream)
            # Nobody had to wait for a lease to end: what was committed was published by the next recorder.
            assert await stack.postgres.ask("SELECT sum(lost) FROM checks") == 0
            again = await stream.extra_fetches()
    print(f"recorder, {what}: {ends[-1][1]} steps, {len(ends) - 1} deaths, fetched again {again}")
    assert [step for _, step in ends[:-1]] == list(range(1, len(ends)))
    assert len(ends) > 20  # or else the steps are not counted
    assert again == 0


@pytest.mark.timeout(400)
async def test_a_fetcher_that_ends_at_any_step_of_a_check_leaves_it_to_another() -> None:
    # Messages of the dead come back only after the end; until then nobody else may claim or fetch.
    async with (
        fleet(msg_timeout_s=120, fetch_timeout_s=1, lease_s=16, log_level="warning") as stack,
        site() as pages,
    ):
        await stack.schedulers[0].kill()
        await stack.fetchers[0].kill()
        service = dying(stack, "fetcher", '"attempt":1,')
        await service.start()
        async with streaming([stack.api], pages) as stream:
            await eventually(lambda: stack.postgres.ask("SELECT for_any > 0 FROM free_room()"), what="room for claims")
            ends = await one_message_each(service, stream.submit)
            await service.kill()
            left = await unfinished(stack, CHECKS)
            await stack.schedulers[0].start()
            await stack.fetchers[0].start()
            await judge(stack, stream)
        hits = (await pages.seen()).hits
    story = [(times, len(list(same))) for times, same in groupby(hits[turn] for turn in range(len(ends)))]
    print(f"fetcher: {ends[-1][1]} steps, {len(ends) - 1} deaths, fetches by step {story}")
    assert left == len(ends) - 1  # no FIN before all was done
    # Before the request, between request and result, after the result: only in between is the page fetched again.
    assert [times for times, _ in story] == [1, 2, 1]
