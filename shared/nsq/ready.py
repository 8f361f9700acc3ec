"""How a consumer's max_in_flight is shared over its connections: a pure decision, made anew whenever they change.

RDY is nsqd's name for how many unfinished messages a connection may have at most
(https://nsq.io/clients/building_client_libraries.html#rdy-state).
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_RDY = 2500
"""nsqd's --max-rdy-count by default; a larger RDY ends the connection."""


@dataclass(frozen=True, slots=True)
class Load:
    """One connection: its unfinished messages, whether it has been idle, and the RDY its nsqd allows."""

    in_flight: int
    idle: bool
    max_rdy: int = MAX_RDY


def share(max_in_flight: int, loads: Sequence[Load], *, turn: int = 0) -> list[int]:
    """Shares `max_in_flight` over connections.

    Every connection gets at least 1, so that nothing waits unseen; where there are more connections than shares,
    those from index `turn` on get 1, and `turn` is moved by the caller so that each has its turn. The idle keep 1 and
    the busy share the rest; if all are idle, all share. A share only grows into what the others have really given
    back: a connection over its new share counts with what it still has in flight.

    Returns:
        One RDY per connection, in order; with the messages in flight they stay within `max_in_flight` wherever it
        allows each connection 1.
    """
    count = len(loads)
    if count == 0 or max_in_flight <= 0:
        return [0] * count
    if max_in_flight < count:
        return [1 if (index - turn) % count < max_in_flight else 0 for index in range(count)]
    busy = [index for index, load in enumerate(loads) if not load.idle] or list(range(count))
    shares = [1] * count
    each, over = divmod(max_in_flight - (count - len(busy)), len(busy))
    for position, index in enumerate(busy):
        extra = 1 if (position - turn) % len(busy) < over else 0
        shares[index] = min(each + extra, loads[index].max_rdy)
    return _fit(max_in_flight, shares, loads)


def _fit(max_in_flight: int, shares: list[int], loads: Sequence[Load]) -> list[int]:
    excess = sum(max(own, load.in_flight) for own, load in zip(shares, loads, strict=True)) - max_in_flight
    for index, load in enumerate(loads):
        if excess <= 0:
            break
        spare = shares[index] - max(load.in_flight, 1)
        if spare > 0:
            cut = min(spare, excess)
            shares[index] -= cut
            excess -= cut
    return shares
