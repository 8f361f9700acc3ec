"""Large files beside the event loop: one may have 40,000 rules, and wildcards made to take long."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from services.fetcher.robots import rules
from services.fetcher.robots.rules import Rule, Rules

AT_ONCE_BYTES: Final = 8 * 1024
"""Files up to this, which are nearly all, are read in the loop: some 5 ms at worst."""

AT_ONCE_STEPS: Final = 250_000
"""Rules times octets of the address: up to so many are compared in the loop, some 5 ms at worst."""
_STEPS_OF_A_RULE: Final = 50


class BigFiles:
    """Reads and applies the rules of a robots.txt, in a thread of its own where that may take long.

    What waits for the thread is bounded by the checks in flight.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="robots")

    async def read(self, body: bytes) -> Rules:
        """Do `rules.read`."""
        if len(body) <= AT_ONCE_BYTES:
            return rules.read(body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, rules.read, body)

    async def deciding(self, found: Rules, url: str) -> Rule | None:
        """Do `Rules.deciding`."""
        # The bytes count, too: one rule may have a hundred thousand pieces.
        steps = len(found.ordered) * (_STEPS_OF_A_RULE + len(url)) + found.size_bytes // 8
        if steps <= AT_ONCE_STEPS:
            return found.deciding(url)
        return await asyncio.get_running_loop().run_in_executor(self._thread, found.deciding, url)

    def close(self) -> None:
        """Let the thread end, after what it is at."""
        self._thread.shutdown(wait=False, cancel_futures=True)
