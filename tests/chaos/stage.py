"""The stack at work, and the figures of each round of what is done to it."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.acceptance.fleet import Fleet
from tests.acceptance.pages import Site
from tests.acceptance.stream import Check, Stream, streaming
from tests.acceptance.victims import Death, all_quiet
from tests.chaos.feeding import Feeder, feeding
from tests.chaos.plan import Plan
from tests.chaos.uploads import BATCHES, Uploads
from tests.integration.servers import eventually

LEASE_S = 20
LEAST_UNDER_WAY = 50
MARGIN = 35
"""So many more have to be under way before something is killed: some end until it is."""
BUSY_WITHIN_S = 90.0
PROBED_WITHIN_S = 90.0
TOLD_WITHIN_S = 10.0
SETTLED_WITHIN_S = 120.0
ASKED_AGAIN = 3
CHECKS = "/api/v1/checks"


@dataclass
class Round:
    """What was done between two moments at which nothing was under way, and what came of it.

    Attributes:
        deaths: what was killed, stopped or wiped; `at` is when it began.
        back_at: when each was over: seconds since 1970.
        new_ones_s: from then until a new check had its count, or from any moment while others do the dead one's work.
        older_ones_s: from then until the last check was final that had been accepted before it began.
        extra_fetches: fetches beyond one for each attempt with an outcome.
    """

    name: str
    deaths: list[Death] = field(default_factory=list)
    back_at: list[float] = field(default_factory=list)
    new_ones_s: list[float] = field(default_factory=list)
    older_ones_s: list[float] = field(default_factory=list)
    extra_fetches: int = 0
    checks: int = 0
    took_s: float = 0.0

    @property
    def may_repeat(self) -> int:
        """How many extra fetches all of it excuses at most."""
        return sum(death.may_repeat for death in self.deaths)


class Stage:
    """Everything that a round works with.

    Attributes:
        faults: what processes did that they must not, such as ending with an error.
    """

    def __init__(self, stack: Fleet, stream: Stream, plan: Plan, feeder: Feeder, rng: random.Random) -> None:
        self.stack = stack
        self.stream = stream
        self.pages = stream.pages
        self.plan = plan
        self.feeder = feeder
        self.uploads = feeder.uploads
        self.rng = rng
        self.faults: list[str] = []
        self.rounds: list[Round] = []

    @property
    def round(self) -> Round:
        return self.rounds[-1]

    async def under_way(self, _stack: Fleet | None = None) -> int:
        """Checks in no final state, as the API tells: those of batches by their counters, others by the list."""
        began_s = time.monotonic()
        while time.monotonic() - began_s < TOLD_WITHIN_S:
            turn = len(self.stream.refusals)
            lines, *pages = await asyncio.gather(
                self.stream.ask("GET", BATCHES, turn=turn, params={"status": "running", "limit": "500"}),
                self.stream.ask("GET", CHECKS, turn=turn, params={"status": "queued", "limit": "500"}),
                self.stream.ask("GET", CHECKS, turn=turn, params={"status": "running", "limit": "500"}),
            )
            if lines is not None and None not in pages:
                alone = sum(1 for page in pages if page for item in page["items"] if item["batch_id"] is None)
                of_batches: int = sum(batch["queued"] + batch["running"] for batch in lines["items"])
                return alone + of_batches
        return 0

    async def busy(self) -> None:
        """Has checks come in until enough are under way; they go on coming in."""
        self.feeder.feed()

        async def enough() -> bool:
            await asyncio.sleep(0.05)
            return await self.under_way() >= LEAST_UNDER_WAY + MARGIN

        await eventually(enough, timeout_s=BUSY_WITHIN_S, what="enough checks are under way")

    async def over(self, *deaths: Death) -> None:
        """Notes that something is over, and how long a new check takes from now on."""
        self.feeder.pause()
        self.round.deaths += deaths
        self.round.back_at += [time.time()] * len(deaths)
        await self.probe()

    async def probe(self) -> None:
        """Notes how long a new check takes."""
        began_s = time.monotonic()
        check = await self.stream.submit(self.plan.probe())
        await self.stream.finish(check, timeout_s=PROBED_WITHIN_S)
        self.round.new_ones_s.append(time.monotonic() - began_s)

    @asynccontextmanager
    async def in_round(self, name: str, *, mixed: bool = False) -> AsyncIterator[None]:
        """A round: at its end nothing is under way any more, and its figures are known.

        Args:
            mixed: what one trouble left behind may be hit by the next, so that older checks have their time from the
                end of the last one.
        """
        self.rounds.append(Round(name))
        began_s, extra, before = time.monotonic(), await self.stream.extra_fetches(), len(self.stream.checks)
        yield
        await self.settle()
        checks = list(self.stream.checks.values())[before:]
        self.round.older_ones_s = [
            _last_of(checks, death, max(self.round.back_at) if mixed else back_at)
            for death, back_at in zip(self.round.deaths, self.round.back_at, strict=True)
        ]
        self.round.extra_fetches = await self.stream.extra_fetches() - extra
        self.round.checks = len(checks)
        self.round.took_s = time.monotonic() - began_s

    async def settle(self) -> None:
        """Waits until nothing is under way anywhere, and asks again for some of what was accepted."""
        await self.feeder.finish()
        for number in self.rng.sample(sorted(self.stream.checks), min(ASKED_AGAIN, len(self.stream.checks))):
            if self.stream.checks[number].batch_id is None:
                await self.stream.submit(number)
        if self.uploads.accepted:
            await self.uploads.send_again(self.rng.choice(list(self.uploads.accepted)))
        await self.stream.settled(timeout_s=SETTLED_WITHIN_S)
        await eventually(lambda: all_quiet(self.stack), timeout_s=SETTLED_WITHIN_S, what="no message anywhere")


def _last_of(checks: list[Check], death: Death, back_at: float) -> float:
    """How long after the end of it the last check from before was final; 0: they all were before."""
    ended = [
        check.final_at - back_at
        for check in checks
        if check.final_at is not None and check.accepted_at is not None and check.accepted_at <= death.at
    ]
    return max([0.0, *ended])


@asynccontextmanager
async def staged(stack: Fleet, pages: Site, rng: random.Random) -> AsyncIterator[Stage]:
    """All of it set up, and nothing going on yet."""
    sessions = [stack.session(number) for number in range(len(stack.gateways))]
    async with streaming(sessions, pages, whole=False) as stream:
        plan, uploads = Plan(rng, pages), Uploads(stream)
        async with feeding(plan, stream, uploads, rng) as feeder:
            yield Stage(stack, stream, plan, feeder, rng)
