"""How much one client, and all of them together, may take of a server: numbers, and what was exceeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one server. Where a client is legitimate but slow, the pace asked for is a few KiB/s.

    Attributes:
        max_connections: open at once; more make room or are turned away.
        max_turned_away: connections over that which are told so; what is beyond both is closed without a word.
        turn_away_s: how long one of those has to send something and take its answer.
        head_s: from the opening of a connection, or the first byte of a further request, to the end of the headers.
        idle_s: how long a connection is kept between requests.
        stall_s: within this time a client takes `stall_bytes` of its answer, or all that is left of it.
        stall_bytes: see `stall_s`.
        hurry_s: takes the place of `stall_s` when the server stops.
        linger_s: how long the rest of a body is read that nobody wants, for the client to read the answer.
        max_unread_bytes: answers in memory that clients have yet to take, in all; those that last longest go first.
        send_buffer_bytes: the kernel's part of that, per connection. It also makes progress seen in small steps.
        max_line_bytes: the target of a request line.
        max_header_bytes: one header.
        max_headers: their number.
        max_head_bytes: request line and headers together.
        backlog: connections that wait to be accepted. One for which there is no room is tried again by its client's
            system after 1, 3, 7, 15 … s: 900 that came at once waited up to 30 s with a backlog of 512.
    """

    max_connections: int = 1000
    max_turned_away: int = 64
    turn_away_s: float = 1.0
    head_s: float = 10.0
    idle_s: float = 75.0
    stall_s: float = 60.0
    stall_bytes: int = 16 * KIB
    hurry_s: float = 5.0
    linger_s: float = 2.0
    max_unread_bytes: int = 256 * MIB
    send_buffer_bytes: int = 128 * KIB
    max_line_bytes: int = 8 * KIB
    max_header_bytes: int = 8 * KIB
    max_headers: int = 64
    max_head_bytes: int = 32 * KIB
    backlog: int = 1024
