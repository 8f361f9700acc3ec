"""Asking one host for its robots.txt."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import structlog

from services.fetcher.fetching import plain_get
from services.fetcher.fetching.answers import redirect_target
from services.fetcher.fetching.fetch import FetchLimits
from services.fetcher.fetching.hop import Hop
from services.fetcher.fetching.limits import HopLimits
from services.fetcher.fetching.plain_get import PlainAnswer
from services.fetcher.robots import rules
from services.fetcher.robots.answers import FRESH_S, Answer, from_failure, from_status
from services.fetcher.robots.big_files import BigFiles
from shared.clock import MonotonicClock, WallClock
from shared.errors import FetchError
from shared.urls import Address, InvalidUrl, resolve

log = structlog.get_logger(__name__)

MAX_REDIRECTS: Final = 5
"""What RFC 9309 §2.3.1.2 asks to be followed at least; whoever sends on further has no robots.txt."""
_CONNECTION: Final = frozenset({"dns", "connect", "tls"})


def limits_within(fetch_timeout_s: float) -> FetchLimits:
    """Bounds of asking once: half an attempt, for a server that is slow with this will be slow with the page."""
    most_s = fetch_timeout_s / 2
    one_too_many = rules.MAX_BYTES + 1  # to see that there is more than counts
    return FetchLimits(most_s, one_too_many, connect_timeout_s=most_s * 2 / 3, read_timeout_s=most_s * 0.9)


@dataclass(slots=True)
class Cost:
    """What a question has taken of the attempt that asked it.

    Attributes:
        asked: whether this attempt asked, and so took a turn of the page's own host: the page has to wait for the next.
        address: IP address last spoken to.
        phases_s: time by phase, in seconds: of making the connection, which the page goes on with and so can't tell
            of; and all of the request that was the last, because it failed.
    """

    asked: bool = False
    address: str | None = None
    phases_s: dict[str, float] = field(default_factory=dict)

    def add(self, hop: Hop) -> None:
        """Take over what a finished or broken request has noted."""
        self.address = hop.address
        for name, seconds in hop.phases().items():
            if name in _CONNECTION or hop.answered is None:
                self.phases_s[name] = self.phases_s.get(name, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks over the session that pages are fetched with: by the same rules of safety, and with the same connections.

    Attributes:
        session: made by `fetching.client.open_session`.
        limits: bounds of one question, redirects and the waits for hosts' turns included.
        hops: limits per host; each request runs inside.
        files: reads what comes.
        utc_now: for a Retry-After that names an instant.
        clock: monotonic seconds.
    """

    session: aiohttp.ClientSession
    limits: FetchLimits
    hops: HopLimits
    files: BigFiles
    utc_now: WallClock
    clock: MonotonicClock

    async def ask(self, address: Address, *, home: str, first: bool, cost: Cost) -> Answer:
        """Ask, and follow redirects, to other hosts too (RFC 9309 §2.3.1.2); what fails is an answer as well.

        Args:
            address: of the robots.txt.
            home: host key of the check that asks, whose slot it has.
            first: whether that check has made no request yet.
            cost: what it took is added here.
        """
        began_s = self.clock()
        try:
            async with asyncio.timeout(self.limits.deadline_s) as deadline:
                answer = await self._follow(address, home, first, began_s + self.limits.deadline_s, cost)
        except FetchError as error:
            answer = from_failure(error)
        except TimeoutError:
            if not deadline.expired():
                raise
            late = FetchError("deadline_exceeded", detail=f"not there after {self.limits.deadline_s:g} s")
            answer = from_failure(late)
        log.debug(
            "robots.txt asked for",
            url=address.url,
            outcome=answer.outcome,
            rules=len(answer.rules.ordered),
            refusal=answer.refusal.detail if answer.refusal else None,
            took_ms=round((self.clock() - began_s) * 1000),
        )
        return answer

    async def _follow(self, address: Address, home: str, first: bool, until_s: float, cost: Cost) -> Answer:
        for number in range(MAX_REDIRECTS + 1):
            async with self.hops.hop(home, address, first=first and number == 0):
                # This process may have been stopped meanwhile: no request after its time.
                if self.clock() >= until_s:
                    raise FetchError("deadline_exceeded", detail="its time had passed before its host's turn came")
                hop = Hop()
                try:
                    found = await plain_get.get(self.session, address, self.limits, hop)
                finally:
                    cost.add(hop)
            location = redirect_target(found.status, found.headers)
            if location is None:
                return await self._judge(found)
            try:
                address = resolve(address, location)
            except InvalidUrl:
                break
        return Answer("absent", FRESH_S)

    async def _judge(self, found: PlainAnswer) -> Answer:
        answer = from_status(found.status, found.headers, self.utc_now())
        return answer or Answer("rules", FRESH_S, await self.files.read(found.body))
