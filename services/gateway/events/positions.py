"""Places in the stream of changes, and the ids of events that tell them to callers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

REMEMBERED_S: Final = 480.0
"""For so long a place is good: changes are kept for ten minutes, and no transaction takes two."""
_ID: Final = re.compile(r"([0-9]{1,19})-([0-9]{1,10})")
_HIGHEST_XID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """From where to read on.

    Attributes:
        xid: all transactions below have ended, and what they changed was read.
        at_s: when that was so, in seconds of the Unix epoch, by the database.
    """

    xid: int
    at_s: float

    def encode(self) -> str:
        """As the id of an event."""
        return f"{self.xid}-{int(self.at_s)}"

    def is_good(self, now: Position) -> bool:
        """Whether what has changed since is all still known. It is not of another database, as far as that shows."""
        return self.xid <= now.xid and -1.0 <= now.at_s - self.at_s <= REMEMBERED_S


def decode(text: str) -> Position | None:
    """What an id means; None for what is none of ours."""
    found = _ID.fullmatch(text)
    if found is None or int(found[1]) > _HIGHEST_XID:
        return None
    return Position(int(found[1]), float(found[2]))
