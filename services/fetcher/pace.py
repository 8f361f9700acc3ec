"""How much bulk work a fetcher takes in hand: less while it can't keep up with itself.

A page that has come waits for the event loop like everything else. With more in hand than the processor has time for,
nothing is counted sooner; all of it only waits longer, the page that a person waits for included. So how late the loop
is tells how much is enough. Increase by steps, decrease by shares, as TCP does (RFC 5681 §3.1).
"""

from dataclasses import dataclass
from typing import Final

LATE_S: Final = 0.006
EARLY_S: Final = 0.003
LOOK_EVERY_S: Final = 0.2
LOOKS: Final = 8
"""The loop is asked so many times in a look; their mean counts."""
_LESS: Final = 0.75
_MORE: Final = 1


@dataclass(slots=True)
class Pace:
    """The limit of what may be in hand, between two bounds.

    Attributes:
        most: what it is where there is time enough.
        least: what it never falls below: other programs may be why there is no time.
        limit: at present.
    """

    most: int
    least: int
    limit: int

    @property
    def given_up(self) -> int:
        """How much less that is than the most."""
        return self.most - self.limit

    def saw(self, late_s: float) -> int:
        """Takes how late the event loop was of late, in seconds; returns the new limit."""
        if late_s > LATE_S:
            self.limit = max(self.least, int(self.limit * _LESS))
        elif late_s < EARLY_S:
            self.limit = min(self.most, self.limit + _MORE)
        return self.limit
