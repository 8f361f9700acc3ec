"""The question before each request for a page: may it be made?"""

from __future__ import annotations

from collections.abc import Collection, Coroutine
from typing import Any, Final

from services.fetcher.robots.answers import Answer
from services.fetcher.robots.asking import Asking, Cost
from services.fetcher.robots.cache import Cache
from services.fetcher.robots.metrics import Metrics
from shared.errors import FetchError
from shared.urls import Address, host_key_as_set, normalize

ALL_HOSTS: Final = "*"


class Robots:
    """Asks each origin (scheme, host, port) for its robots.txt, once a day, and obeys it (RFC 9309).

    Args:
        asking: asks one of them.
        cache: keeps the answers; closed with this.
        ignored: hosts (host or host:port) whose robots.txt is not asked for; `*` for all.
        metrics: counts questions and answers.
    """

    def __init__(self, asking: Asking, cache: Cache, *, ignored: Collection[str], metrics: Metrics) -> None:
        self._asking = asking
        self._cache = cache
        self._ignored = frozenset(map(host_key_as_set, ignored))
        self._metrics = metrics
        metrics.watch(origins=lambda: len(cache), size_bytes=lambda: cache.size_bytes)

    async def require(self, address: Address, *, home: str, first: bool, cost: Cost) -> None:
        """Let a request pass that may be made.

        Args:
            address: what is to be fetched.
            home: host key of the check, whose slot the caller has.
            first: whether this attempt has made no request yet.
            cost: filled in on the way, whatever the end.

        Raises:
            FetchError: `robots_disallowed` or `rate_limited`; or why robots.txt could not be asked for, which says more
                than that nothing is allowed (RFC 9309 §2.3.1.4), and is tried again where that may help.
        """
        origin = address.url[: address.url.index("/", len(address.scheme) + len("://"))]
        robots_url = f"{origin}/robots.txt"
        if self._is_ignored(address) or address.url.partition("?")[0] == robots_url:  # itself it can't disallow, §2.2.2
            return

        def ask() -> Coroutine[Any, Any, Answer]:
            return self._asking.ask(normalize(robots_url), home=home, first=first, cost=cost)

        known = await self._cache.get(origin, ask)
        cost.asked = known.asked
        self._metrics.answered(known.answer.outcome, asked=known.asked)
        error = known.answer.error(known.left_s)
        if error is not None:
            raise error
        rule = await self._asking.files.deciding(known.answer.rules, address.url)
        if rule is not None and not rule.allow:
            raise FetchError("robots_disallowed", detail=f"line {rule.line} of {robots_url}"[:300])

    def _is_ignored(self, address: Address) -> bool:
        return address.host_key in self._ignored or ALL_HOSTS in self._ignored

    async def stop(self) -> None:
        """End what is being asked; to be called while the session is open."""
        await self._cache.close()

    def close(self) -> None:
        """Let the thread for large files end."""
        self._asking.files.close()
