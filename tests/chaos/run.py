"""From an empty stack to the verdict."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.fleet import fleet
from tests.acceptance.pages import site
from tests.acceptance.stream import tell_wrong
from tests.acceptance.victims import dead_by_themselves
from tests.chaos.schedule import Form, rounds
from tests.chaos.stage import LEASE_S, Round, Stage, staged
from tests.chaos.verdict import Verdict
from tests.integration.servers import eventually

_REAPED_WITHIN_S = 100.0  # an upload that nobody goes on with is given up after 60 s
_COUNTED_WITHIN_S = 15.0  # what /stats tells is a few seconds old

Say = Callable[[str], None]


async def chaos(form: Form, rng: random.Random, say: Say, *, logs: Path | None = None) -> Verdict:
    """Runs a form on a stack of its own.

    Args:
        say: takes a line on how far it is.
        logs: as in `fleet`.
    """
    began_s = time.monotonic()

    def timed(line: str) -> None:
        say(f"{time.monotonic() - began_s:6.0f} s  {line}")

    many: dict[str, Any] = {"gateways": 2, "recorders": 2, "schedulers": 2, "fetchers": 3, "nsqds": 2, "lookupds": 2}
    async with (
        fleet(**many, lease_s=LEASE_S, fetch_timeout_s=5, retry_base_s=0.2, logs=logs, audited=False) as stack,
        site() as pages,
        staged(stack, pages, rng) as stage,
    ):
        timed("everything is ready")
        try:
            for name, troubles in rounds(form, rng):
                async with stage.in_round(name, mixed=not form.each_kind_apart):
                    for trouble in troubles:
                        await trouble(stage)
                timed(_told(stage.round))
            await _rest(stage, form.checks)
            timed("nothing is under way any more")
        except AssertionError as error:  # judged all the same: what is not as it must be tells why
            stage.faults.append(f"given up: {error}")
            timed(stage.faults[-1])
            await stage.feeder.close()
        verdict = await _judge(stage)
        await tell_wrong(stage.stream, stack)
        return verdict


def _told(done: Round) -> str:
    return (
        f"{done.name}: {len(done.deaths)} times in {done.took_s:.0f} s, {done.checks} checks; in flight at least "
        f"{min((death.under_way for death in done.deaths), default=0)}, fetched again {done.extra_fetches} "
        f"(at most {done.may_repeat}), new checks {max(done.new_ones_s, default=0):.1f} s, older ones "
        f"{max(done.older_ones_s, default=0):.1f} s"
    )


async def _rest(stage: Stage, checks: int) -> None:
    """Asks for what is missing of so many checks, and waits until every batch has ended."""
    async with stage.in_round("no trouble"):
        stage.plan.delay_s = (0.05, 0.3)
        stage.feeder.feed()
        await eventually(lambda: len(stage.stream.checks) >= checks, timeout_s=600, what=f"{checks} checks")
    await eventually(stage.uploads.all_ended, timeout_s=_REAPED_WITHIN_S, what="all batches have ended")


async def _judge(stage: Stage) -> Verdict:
    """Goes through everything once more, by the API and then by the audit."""
    stream, uploads = stage.stream, stage.uploads
    tried_more = stream.tried_more
    refused = sum("503" in what for _, what in stream.refusals)
    if not await stream.look():
        stage.faults.append("the list of checks can't be read")
    verdict = Verdict(
        accepted=(len(stream.checks), len(uploads.accepted)),
        refused=(refused, len(stream.refusals) - refused),
        rounds=stage.rounds,
        lost=[f"check of page {number}" for number in stream.lost],
        wrong=[_shown(final) for final in stream.wrong if final not in tried_more],
        tried_more=[_shown(final) for final in tried_more],
        double=[f"{number}: {sorted(stream.checks[number].ids)}" for number in stream.doubled],
    )
    try:
        batches = await uploads.judge()
        verdict.lost += batches.lost
        verdict.wrong += batches.wrong
        verdict.double += batches.double
        await eventually(lambda: _total_is(stage, len(stream.checks)), timeout_s=_COUNTED_WITHIN_S, what="the total")
    except AssertionError as error:
        verdict.lost.append(f"can't be judged: {error}")
    verdict.faults = [*stage.faults, *stream.faults, *dead_by_themselves(stage.stack)]
    verdict.audit = await stage.stack.audit()
    return verdict


def _shown(final: dict[str, Any]) -> str:
    return " ".join(f"{name}={final[name]}" for name in ("url", "id", "status", "counts", "attempts", "error"))


async def _total_is(stage: Stage, wanted: int) -> bool:
    """Whether there is no check that nobody was told of."""
    stats = await stage.stream.ask("GET", "/api/v1/stats", turn=0)
    return stats is not None and stats["checks"]["total"] == wanted
