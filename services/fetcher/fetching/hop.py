"""What is known of one request, noted where it happens.

aiohttp does not say for which request it asks for a socket or starts a TLS handshake. Those calls do run
in the context of the request's task, so a context variable leads from them to the right `Hop`.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final


@dataclass(slots=True)
class Hop:
    """One request of a chain of redirects. Instants are of `time.perf_counter`, in seconds.

    Attributes:
        started: the request was begun.
        connecting: the first socket was made, for an address that may be reached: the name has been looked up.
        handshaking: the last TLS handshake began.
        sent: there is a connection and the request is on its way.
        answered: the head of the answer is there.
        address: the IP address spoken to, or last tried.
        forbidden: addresses that were refused.
        attempted: sockets that were made.
        exhausted: this machine could not make a socket.
        lost: done when the connection is, with an exception if it broke.
    """

    started: float = field(default_factory=time.perf_counter)
    connecting: float | None = None
    handshaking: float | None = None
    sent: float | None = None
    answered: float | None = None
    address: str | None = None
    forbidden: list[str] = field(default_factory=list)
    attempted: int = 0
    exhausted: bool = False
    lost: asyncio.Future[None] | None = None

    def broke_off(self) -> bool:
        """Tell whether the connection has ended, and not in order."""
        return self.lost is not None and self.lost.done() and self.lost.exception() is not None

    def phases(self) -> dict[str, float]:
        """Split the time until now: each phase lasts until the next one that was reached. In seconds.

        A request over a kept-alive connection had neither lookup nor connection.
        """
        kept_alive = self.sent is not None and self.connecting is None
        marks = (
            ("dns", None if kept_alive else self.started),
            ("connect", self.connecting),
            ("tls", self.handshaking),
            ("first_byte", self.sent),
            ("download", self.answered),
        )
        reached = [(name, start) for name, start in marks if start is not None]
        ends = [start for _, start in reached[1:]] + [time.perf_counter()]
        return {name: end - start for (name, start), end in zip(reached, ends, strict=True)}


CURRENT_HOP: Final[ContextVar[Hop | None]] = ContextVar("current_hop", default=None)
