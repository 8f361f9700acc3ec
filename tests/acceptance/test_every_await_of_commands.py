"""A recorder ends at every single point between a command about a check and its FIN: each is carried out once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aiohttp
import pytest
import uuid_utils.compat as uuids

from shared import topics
from shared.messages import CancelCheck, CheckCommand, DeleteCheck, RetryCheck, encode
from tests.acceptance.fleet import Fleet, fleet
from tests.acceptance.pages import Site, site
from tests.acceptance.stream import Check, streaming
from tests.acceptance.test_every_await import dying, one_message_each
from tests.acceptance.victims import all_quiet
from tests.integration.servers import eventually

# Every time, the commands that ask for checks are enough: these go the same way (see test_every_await).
pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

MORE_THAN_STEPS = 90
FINISHED_WITHIN_S = 60.0


async def publish(stack: Fleet, command: CheckCommand) -> None:
    url = f"http://{stack.nsqds[0].http}/pub"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, params={"topic": topics.COMMANDS.name}, data=encode(command)) as answer,
    ):
        assert answer.status == 200, await answer.text()


def command_for(kind: Callable[..., CheckCommand], check: Check) -> CheckCommand:
    expires_at = datetime.now(UTC) + timedelta(seconds=60)
    return kind(id=uuids.uuid7(), expires_at=expires_at, check_id=UUID(check.id))


async def outcomes(stack: Fleet, outcome: str) -> int:
    found: int = await stack.postgres.ask("SELECT count(*) FROM outcomes WHERE outcome = $1", outcome)
    return found


async def end_at_every_step(stack: Fleet, checks: Sequence[Check], kind: Callable[..., CheckCommand], tag: str) -> int:
    """Sends each recorder a command about another check; returns how many commands there were."""
    await stack.recorders.pop().kill()
    service = dying(stack, "recorder", f'"kind":"{tag}"')
    await service.start()

    async def send(turn: int) -> None:
        await publish(stack, command_for(kind, checks[turn]))

    ends = await one_message_each(service, send)
    print(f"recorder, {tag}: {ends[-1][1]} steps, {len(ends) - 1} deaths")
    assert [step for _, step in ends[:-1]] == list(range(1, len(ends)))
    assert len(ends) > 20
    return len(ends)


async def all_ended(stack: Fleet) -> None:
    """Waits until nothing is to be done any more."""

    async def ended() -> bool:
        under_way = "SELECT count(*) FROM checks WHERE status IN ('queued', 'running')"
        return await stack.postgres.ask(under_way) == 0 and await all_quiet(stack)

    await eventually(ended, timeout_s=FINISHED_WITHIN_S, what="all checks in a final state")
    assert await stack.postgres.ask("SELECT coalesce(sum(lost), 0) FROM checks") == 0  # nor waited for a lease's end


async def states(stack: Fleet, checks: Sequence[Check]) -> set[tuple[str, int, int]]:
    """The different (status, run, attempts) that these checks are in."""
    rows = await stack.postgres.ask(
        "SELECT array_agg(DISTINCT array[status, run::text, attempts::text]::text) FROM checks WHERE id = ANY ($1)",
        [check.id for check in checks],
    )
    found = (row.strip("{}").split(",") for row in rows or ())
    return {(status, int(run), int(attempts)) for status, run, attempts in found}


async def fetches(pages: Site, checks: Sequence[Check]) -> set[int]:
    hits = (await pages.seen()).hits
    return {hits.get(check.number, 0) for check in checks}


@pytest.mark.parametrize(
    ("kind", "tag", "outcome", "left"),
    [(CancelCheck, "cancel_check", "applied", {("cancelled", 1, 0)}), (DeleteCheck, "delete_check", "deleted", set())],
)
async def test_what_is_cancelled_or_deleted_is_so_for_good(
    kind: Callable[..., CheckCommand], tag: str, outcome: str, left: set[tuple[str, int, int]]
) -> None:
    async with fleet(fetchers=0, log_level="warning") as stack, site() as pages:
        async with streaming([stack.api], pages) as stream:  # with no fetchers nothing begins
            checks = await stream.submit_all(range(MORE_THAN_STEPS), per_s=100)
        count = await end_at_every_step(stack, checks, kind, tag)
        await eventually(lambda: _all(stack, outcome, count), timeout_s=30, what=f"{count} times {outcome}")
        await stack.fetcher().start()
        await all_ended(stack)
        assert await states(stack, checks[:count]) == left
        assert await states(stack, checks[count:]) == {("done", 1, 1)}
        assert (await fetches(pages, checks[:count]), await fetches(pages, checks[count:])) == ({0}, {1})


async def test_what_is_retried_has_one_new_run() -> None:
    async with fleet(fetchers=0, log_level="warning") as stack, site() as pages:
        async with streaming([stack.api], pages) as stream:
            checks = await stream.submit_all(range(MORE_THAN_STEPS), per_s=100)
        for check in checks:
            await publish(stack, command_for(CancelCheck, check))
        await eventually(lambda: _all(stack, "applied", len(checks)), timeout_s=30, what="all cancelled")
        await stack.fetcher().start()
        await eventually(lambda: stack.postgres.ask("SELECT for_any > 0 FROM free_room()"), what="room for claims")
        count = await end_at_every_step(stack, checks, RetryCheck, "retry_check")
        await eventually(lambda: _all(stack, "applied", len(checks) + count), timeout_s=30, what="all retried")
        await all_ended(stack)
        assert await states(stack, checks[:count]) == {("done", 2, 1)}
        assert await states(stack, checks[count:]) == {("cancelled", 1, 0)}
        assert (await fetches(pages, checks[:count]), await fetches(pages, checks[count:])) == ({1}, {0})


async def _all(stack: Fleet, outcome: str, count: int) -> bool:
    return await outcomes(stack, outcome) == count
