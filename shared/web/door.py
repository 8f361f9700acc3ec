"""Lets connections in, as many as there is room for, and shows those out that are too slow."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from typing import Any, Final, cast

import structlog
from aiohttp import web

from shared.web.connection import Connection
from shared.web.limits import Limits
from shared.web.refusals import Refusal, Refuse, to_bytes

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 0.5
_MAKE_ROOM_FRACTION: Final = 20
REASONS: Final = ("no_request", "stalled", "memory", "made_room", "turned_away")
"""Why connections are closed from here: no request in time, an answer not taken in time, or too many of them."""


class Door:
    """The protocol factory of a server, and the owner of its connections' deadlines.

    At the bound on connections, those that have nothing to do are closed first (a client opens another when it needs
    one), then those that have been sending a head longest, then a body: so a client with thousands of slow
    connections loses its own, while the head of an ordinary request is there at once. When all are being served, a
    new one is told to come back.

    Args:
        server: aiohttp's, which knows the handler.
        options: of each `web.RequestHandler`.
        limits: what to hold them to.
        refuse: makes the answers to what is refused here.
    """

    def __init__(self, server: web.Server, *, options: dict[str, Any], limits: Limits, refuse: Refuse) -> None:
        self.limits = limits
        self.refuse = refuse
        self.closed = Counter[str]()
        """Connections closed from here, by reason; counts up."""
        self._server = server
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._turned_away: set[TurnedAway] = set()
        self._stall_s = limits.stall_s
        self._told = Counter[str]()
        self._next_look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many connections are open, without those turned away."""
        return len(self._open)

    @property
    def connections(self) -> frozenset[Connection]:
        """Those that are open."""
        return frozenset(self._open)

    def __call__(self) -> asyncio.Protocol:
        """The protocol for a connection that was just accepted."""
        self._keep_looking()
        if len(self._open) >= self.limits.max_connections and not self._make_room():
            self.closed["turned_away"] += 1
            turned_away = TurnedAway(self, silent=len(self._turned_away) >= self.limits.max_turned_away)
            self._turned_away.add(turned_away)
            return turned_away
        connection = Connection(self._server, door=self, **self._options)
        self._open.add(connection)
        return connection

    def left(self, connection: Connection | TurnedAway) -> None:
        """The connection is closed."""
        if isinstance(connection, Connection):
            self._open.discard(connection)
        else:
            self._turned_away.discard(connection)

    def stop(self) -> None:
        """No connection comes any more; who takes an answer slowly has to hurry."""
        self._stall_s = self.limits.hurry_s

    def _make_room(self) -> bool:
        """Closes some connections at once (to look for them takes time), the idle and the oldest first."""
        could_go = [(place, id(one), one) for one in self._open if (place := one.could_go()) is not None]
        for _, _, connection in heapq.nsmallest(max(1, self.limits.max_connections // _MAKE_ROOM_FRACTION), could_go):
            self._abort(connection, "made_room")
        return bool(could_go)

    def _abort(self, connection: Connection, reason: str) -> None:
        self._open.discard(connection)
        self.closed[reason] += 1
        if connection.wire is not None:
            connection.wire.abort()

    def _keep_looking(self) -> None:
        if self._next_look is None:
            self._next_look = self._loop.call_later(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self._next_look = None
        try:
            self._enforce(self._loop.time())
        finally:  # a fault of ours must not be the end of all deadlines; the event loop logs it
            if self._open or self._turned_away:
                self._keep_looking()

    def _enforce(self, now_s: float) -> None:
        for connection in list(self._open):
            reason = connection.enforce(now_s, stall_s=self._stall_s)
            if reason is not None:
                self.closed[reason] += 1
        self._bound_memory(now_s)
        self._tell()

    def _bound_memory(self, now_s: float) -> None:
        unread = [(one.unread_since_s or now_s, id(one), one) for one in self._open if one.unread_bytes()]
        total_bytes = sum(one.unread_bytes() for *_, one in unread)
        for *_, connection in sorted(unread):
            if total_bytes <= self.limits.max_unread_bytes:
                break
            total_bytes -= connection.unread_bytes()
            self._abort(connection, "memory")

    def _tell(self) -> None:
        """One line for all, as whoever opens thousands of connections should not fill the log as well."""
        closed = self.closed - self._told
        if closed:
            log.info("connections closed", open=len(self._open), **closed)
        self._told = self.closed.copy()


class TurnedAway(asyncio.Protocol):
    """A connection for which there is no room: it is told so as soon as it asks, or closed without a word."""

    def __init__(self, door: Door, *, silent: bool) -> None:
        self._door = door
        self._silent = silent
        self._wire: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the request, as an answer before it would be lost on many clients."""
        self._wire = cast(asyncio.Transport, transport)
        if self._silent:
            self._wire.abort()
        else:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._door.limits.turn_away_s, self._wire.abort)

    def data_received(self, data: bytes) -> None:
        """Answers the first bytes, whatever they are."""
        if self._wire is None or self._wire.is_closing():
            return
        self._wire.write(to_bytes(self._door.refuse(Refusal(503, "There are too many connections."))))
        self._wire.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone."""
        self._door.left(self)
        if self._deadline is not None:
            self._deadline.cancel()
