"""What is done to the stack while it works. Each returns when it is over, and a new check has been counted."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tests.acceptance.processes import Process, Service
from tests.acceptance.victims import (
    CHECKS,
    KINDS,
    SETTLE_S,
    Death,
    Victim,
    in_flight,
    kill,
    of_kind,
    waiting,
)
from tests.chaos.stage import LEASE_S, Stage
from tests.integration.servers import Nsqd, Nsqlookupd, eventually

RESTARTED_AFTER_S = 1.0
FED_FOR_S = 0.5
"""Of that, how long checks go on coming in."""
SLOWLY_PER_S = 8.0
"""How many come in while something takes long."""
PAST_LEASES_S = LEASE_S + 4
ENDED_WITHIN_S = 30.0
PAGES_OF_A_BROKEN_UPLOAD = 1_400
"""More than fit into one chunk, so that a part of them is there when it breaks off."""

SEVERAL = tuple(kind for kind in KINDS if kind != "postgres")
NOTICED_WITHIN_S = 1.0
"""What is asked for later than this after a kill has nothing to do with the dead."""

Trouble = Callable[[Stage], Coroutine[Any, Any, None]]


def killed(kind: str) -> Trouble:
    """One process of a kind is killed, and started again a second later."""

    async def run(stage: Stage) -> None:
        victim = stage.rng.choice(of_kind(stage.stack, kind))
        await stage.busy()
        await asyncio.sleep(stage.rng.uniform(0, 0.05))
        death = await kill(stage.stack, kind, victim, stage.pages, count=stage.under_way)
        await asyncio.sleep(FED_FOR_S)
        stage.feeder.pause()
        await asyncio.sleep(RESTARTED_AFTER_S - FED_FOR_S)
        await victim.start()
        await stage.over(death)

    return run


def one_of_each_dead(for_s: float) -> Trouble:
    """One process of each kind is killed and stays away: the others do its work, and refuse nothing that is new."""

    async def run(stage: Stage) -> None:
        victims, deaths = [], []
        for kind in stage.rng.sample(SEVERAL, len(SEVERAL)):
            await stage.busy()
            await asyncio.sleep(stage.rng.uniform(0, 0.05))
            victims.append(stage.rng.choice(of_kind(stage.stack, kind)))
            deaths.append(await kill(stage.stack, kind, victims[-1], stage.pages, count=stage.under_way))
        await asyncio.sleep(NOTICED_WITHIN_S)
        await stage.feeder.finish()
        noticed_at, until_s = time.time(), time.monotonic() + for_s
        stage.feeder.feed(SLOWLY_PER_S)
        while time.monotonic() < until_s:
            await stage.probe()
        stage.faults += [
            f"refused though there are others: {what}"
            for at, what in stage.stream.refusals
            if at > noticed_at and "503" in what
        ]
        await asyncio.gather(*(victim.start() for victim in victims))
        await stage.over(*deaths)

    return run


def fetchers_stopped(count: int) -> Trouble:
    """Some fetchers stand still for longer than their leases, and then go on as if nothing had been."""

    async def run(stage: Stage) -> None:
        asleep = stage.rng.sample(stage.stack.fetchers, count)
        await stage.busy()
        try:
            for fetcher in asleep:
                fetcher.freeze()
            await asyncio.sleep(SETTLE_S)
            may_repeat = sum([await in_flight(stage.stack, CHECKS, pid=fetcher.pid) for fetcher in asleep])
            death = Death("fetchers stopped", time.time(), await stage.under_way(), may_repeat)
            stage.feeder.feed(SLOWLY_PER_S)
            await asyncio.sleep(PAST_LEASES_S)
        finally:
            for fetcher in asleep:
                fetcher.thaw()
        await eventually(lambda: _all_answer(asleep), timeout_s=30, what="the fetchers go on")
        await stage.over(death)

    return run


async def _all_answer(services: Sequence[Service]) -> bool:
    return all(await asyncio.gather(*(service.answers() for service in services)))


async def nsqd_wiped(stage: Stage) -> None:
    """One nsqd is killed, and comes back with nothing of what it had."""
    victim = stage.rng.choice(stage.stack.nsqds)
    await stage.busy()
    # What it had of results is lost besides what a killed one forgets: those pages are fetched again.
    unread = await waiting(stage.stack, ("results",), victim)
    death = await kill(stage.stack, "nsqd", victim, stage.pages, count=stage.under_way)
    victim.wipe()
    await asyncio.sleep(RESTARTED_AFTER_S)
    await victim.start()
    await stage.over(Death("nsqd wiped", death.at, death.under_way, death.may_repeat + unread))


def postgres_frozen(for_s: float) -> Trouble:
    """PostgreSQL says nothing for a while, and then goes on."""

    async def run(stage: Stage) -> None:
        await stage.busy()
        death = Death("postgres frozen", time.time(), await stage.under_way(), 0)
        stage.stack.postgres.freeze()
        stage.feeder.feed(SLOWLY_PER_S)
        try:
            await asyncio.sleep(for_s)
        finally:
            stage.stack.postgres.thaw()
        await stage.over(death)

    return run


async def rolled(stage: Stage) -> None:
    """Every process is ended in order (SIGTERM) and started again, one after the other."""
    await stage.busy()
    at, still, may_repeat = time.time(), await stage.under_way(), 0
    stage.feeder.feed(SLOWLY_PER_S)
    victims = [victim for kind in KINDS for victim in of_kind(stage.stack, kind)]
    for victim in stage.rng.sample(victims, len(victims)):
        may_repeat += await _restarted(stage, victim)
    await stage.over(Death("rolling", at, still, may_repeat))


async def _restarted(stage: Stage, victim: Victim) -> int:
    """Returns how many fetches more than one it excuses at most."""
    may_repeat = 0
    if isinstance(victim, Nsqd):  # what consumers have in hand comes again when it is back
        asked_s = time.monotonic()
        may_repeat = await in_flight(stage.stack, CHECKS, nsqds=[victim])
        await victim.stop()
        may_repeat += sum(1 for began_s in (await stage.pages.seen()).began_s if began_s >= asked_s)
    elif isinstance(victim, Nsqlookupd):
        await victim.stop()
    elif isinstance(victim, Process):
        stage.faults += await _terminated(victim)
    await victim.start()
    return may_repeat


async def _terminated(process: Process) -> list[str]:
    """Ends it by SIGTERM; returns what it did that it must not."""
    began_s = time.monotonic()
    try:
        code = await process.terminate()
    except subprocess.TimeoutExpired:
        await process.kill()
        return [f"{process.name} did not end on SIGTERM"]
    took_s = time.monotonic() - began_s
    told = [f"{process.name} ended with {code} on SIGTERM"] if code != 0 else []
    return told + ([f"{process.name} took {took_s:.0f} s to end on SIGTERM"] if took_s > ENDED_WITHIN_S else [])


async def upload_left(stage: Stage) -> None:
    """A client goes away in the middle of its upload, and another one takes its key."""
    upload = stage.plan.upload(PAGES_OF_A_BROKEN_UPLOAD, kind="text")
    writer = await stage.uploads.begin(upload, stage.rng.choice(stage.stack.gateways))
    writer.transport.abort()
    await stage.uploads.send(stage.plan.upload(20), key=upload.key)


async def gateway_killed_in_an_upload(stage: Stage) -> None:
    """A gateway dies in the middle of an upload; its client asks the other one with the same key."""
    upload, gateway = stage.plan.upload(PAGES_OF_A_BROKEN_UPLOAD, kind="csv"), stage.rng.choice(stage.stack.gateways)
    await stage.busy()
    writer = await stage.uploads.begin(upload, gateway)
    death = await kill(stage.stack, "gateway", gateway, stage.pages, count=stage.under_way)
    writer.close()
    await stage.uploads.send(stage.plan.upload(20), key=upload.key)
    await gateway.start()
    await stage.over(death)
