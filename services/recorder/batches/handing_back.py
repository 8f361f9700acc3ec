"""Commands about batches that can't be applied just now: nsqd has them for a moment, and others get their turn."""

import math
import random
from collections.abc import Callable
from typing import Final, Literal

from shared.clock import MonotonicClock, monotonic_s
from shared.nsq.message import Message

Reason = Literal["in_use", "too_slow", "crowded"]

FIRST_S, MOST_S = 0.25, 4.0
"""Between tries, which double. No more, as a killed nsqd forgets what is delayed."""
_DOUBLED: Final = 4
ON_ITS_WAY_S: Final = 5.0
"""So long after its delay a message may take until it is here again."""


def pause_s(attempts: int, rng: random.Random) -> float:
    """For how long a message is handed back that has been delivered so often."""
    doubled = 1 << min(attempts - 1, _DOUBLED)
    return min(FIRST_S * doubled, MOST_S) * rng.uniform(0.5, 1.0)


class HandingBack:
    """Hands commands back, and knows whether some of them are still to come.

    Args:
        count: called with the reason for each.
        rng: spreads them.
        clock: monotonic seconds.
    """

    def __init__(
        self, count: Callable[[Reason], None], *, rng: random.Random | None = None, clock: MonotonicClock = monotonic_s
    ) -> None:
        self._count = count
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing
        self._clock = clock
        self._back_at_s = -math.inf

    async def hand_back(self, message: Message, reason: Reason) -> None:
        """Lets nsqd deliver it anew, here or to another recorder."""
        delay_s = pause_s(message.attempts, self._rng)
        self._back_at_s = max(self._back_at_s, self._clock() + delay_s + ON_ITS_WAY_S)
        self._count(reason)
        await message.req(delay_s)

    def is_under_way(self) -> bool:
        """Whether something was handed back that may not have been delivered anew yet."""
        return self._clock() < self._back_at_s
