"""Politeness towards the hosts that a redirect leads to.

The host that was asked for is limited for the whole fleet before a fetcher hears of the check. Where a
redirect leads is known to one fetcher alone, so that is where the limit for other hosts is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from shared.urls import Address


class _Host:
    __slots__ = ("next_start", "slots", "users")

    def __init__(self, concurrency: int) -> None:
        self.slots = asyncio.Semaphore(concurrency)
        self.users = 0
        self.next_start = 0.0

    def reserve(self, now: float, spacing_s: float) -> float:
        """Take the next start that keeps the spacing; return how long to wait for it, in seconds."""
        start = max(now, self.next_start)
        self.next_start = start + spacing_s
        return start - now


class HopLimits:
    """Limits by host key: requests at once to foreign hosts, and the spacing of all hops of this process."""

    def __init__(
        self,
        *,
        concurrency: int,
        spacing_s: float,
        trusted: Collection[str] = (),
        max_hosts: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Set the limits.

        Args:
            concurrency: requests at once per foreign host.
            spacing_s: from the start of one hop to the start of the next on the same host, in seconds.
            trusted: host keys that are not limited.
            max_hosts: hosts remembered; idle ones are forgotten first.
            clock: seconds, monotonic.
            sleep: waits for so many seconds of that clock.
        """
        self._concurrency = concurrency
        self._spacing_s = spacing_s
        self._trusted = frozenset(trusted)
        self._max_hosts = max_hosts
        self._clock = clock
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}

    def __len__(self) -> int:
        """Number of hosts remembered."""
        return len(self._hosts)

    @asynccontextmanager
    async def hop(self, home_key: str, address: Address, *, first: bool) -> AsyncIterator[None]:
        """Hold what a request to `address` needs, waiting for it where need be.

        Args:
            home_key: host key of the check, whose slot the caller already has.
            address: where the request goes.
            first: whether this is the request that the check was started for: it does not wait.
        """
        key = address.host_key
        if key in self._trusted:
            yield
            return
        host = self._host(key)
        host.users += 1
        try:
            if key == home_key:
                wait_s = host.reserve(self._clock(), self._spacing_s)
                if not first:
                    await self._sleep(wait_s)
                yield
            else:
                async with host.slots:
                    await self._sleep(host.reserve(self._clock(), self._spacing_s))
                    yield
        finally:
            host.users -= 1

    def _host(self, key: str) -> _Host:
        host = self._hosts.get(key)
        if host is None:
            if len(self._hosts) >= self._max_hosts:
                self._forget_idle()
            host = self._hosts[key] = _Host(self._concurrency)
        return host

    def _forget_idle(self) -> None:
        """Forget the idle hosts whose pause is over; if none is, all idle ones: memory comes first."""
        now = self._clock()
        idle = [key for key, host in self._hosts.items() if not host.users]
        over = [key for key in idle if self._hosts[key].next_start <= now]
        for key in over or idle:
            del self._hosts[key]
