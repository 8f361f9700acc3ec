"""A stack under load that is brought into trouble, and held to what is promised while and after it lasts."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from tests.acceptance.fleet import Fleet
from tests.acceptance.load import CHECKS, Load, working
from tests.acceptance.pages import Site, count_of, site
from tests.acceptance.watching import Watch, open_files
from tests.integration.servers import eventually

BACK_WITHIN_S = 15.0
SETTLED_WITHIN_S = 75.0
"""What was in nsqd's hands waits for its lease (20 s), the sweep after it, and may be tried three times."""
MOST_NEW_FILES = 25
_fresh_numbers = iter(range(1_000_000, 2_000_000))

Cause = Callable[[], Awaitable[None]]


class Trouble:
    """A stack at work, through one trouble after the other."""

    def __init__(self, stack: Fleet, pages: Site, load: Load) -> None:
        self.stack = stack
        self.pages = pages
        self.load = load
        self.must_accept = False
        """Whether there is another one of what is in trouble, so that nothing may be refused."""

    async def go_through(self, what: str, cause: Cause, *, missing: str | None = None) -> None:
        """Has `cause` happen, which returns when it is gone; then everything must work again in time."""
        began_s, watch = time.monotonic(), Watch(self.stack)
        watching = asyncio.create_task(watch.run())
        try:
            await cause()
            costs = watch.costs()
            recovered_s = await self._recovered()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        cpu = max(cost.cpu_s / cost.took_s for cost in costs.values())
        lines = {name: cost.lines for name, cost in costs.items()}
        print(f"\n| {what} | back {recovered_s:.1f} s | cpu {cpu:.2f} | lines {lines} | ", end="")
        print({name: sorted(parts) for name, parts in watch.missing.items() if parts}, "|", self.load.summary(began_s))
        self.load.judge()
        assert recovered_s <= BACK_WITHIN_S
        if self.must_accept:
            refused = [answer for answer in self.load.answers if answer.status == 503]
            assert not refused, f"{len(refused)} refused though one is left: {refused[:5]}"
        assert {name: cost for name, cost in costs.items() if not cost.is_modest} == {}
        if missing is not None:
            assert any(missing in parts for parts in watch.missing.values()), watch.missing
        await eventually(self._all_ready, timeout_s=BACK_WITHIN_S, what="all services are ready again")

    async def _recovered(self) -> float:
        """Seconds until a fresh check has its count."""
        began_s = time.monotonic()
        while True:
            number = next(_fresh_numbers)
            answer, check = await self.load.ask(
                "submit fresh", "POST", CHECKS, json={"url": self.pages.url(number)}, headers={"Prefer": "wait=15"}
            )
            took_s = time.monotonic() - began_s
            if answer.status == 200:
                assert check["counts"] == {"python": count_of(number)}
                return took_s
            assert took_s < 3 * BACK_WITHIN_S, f"no fresh check is counted: {answer}"
            await asyncio.sleep(0.1)

    async def _all_ready(self) -> bool:
        return all(await asyncio.gather(*(service.answers() for service in self.stack.services)))


@asynccontextmanager
async def at_work(stack: Fleet) -> AsyncIterator[Trouble]:
    """The stack under load; at the end every accepted check must be there and right, and nothing may have leaked."""
    async with site() as pages:
        async with working(stack, pages) as load:
            await eventually(lambda: len(load.accepted) > 10, what="checks are accepted")
            files = open_files(stack)
            yield Trouble(stack, pages, load)
        settled_s = await load.settle(stack.api, within_s=SETTLED_WITHIN_S)
        print(f"{len(load.accepted)} checks accepted, all right; the last settled after {settled_s:.1f} s")
        load.judge()
        more = {name: count - files[name] for name, count in open_files(stack).items()}
        assert max(more.values()) < MOST_NEW_FILES, more
