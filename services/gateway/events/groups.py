"""Those who follow the same, and what is to be told them: pure."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.gateway.events.asking import Followed
from services.gateway.events.positions import Position

MOST_AT_ONCE: Final = 1_000
"""Checks in one event."""
MOST_PENDING: Final = 20_000
"""Checks that are not told yet: with more, those who follow begin anew."""
MOST_UNSENT: Final = 8
"""Events that a follower has not taken yet, likewise."""


class Follower:
    """One of them.

    Attributes:
        has_news: set while there is something for `take`.
        is_lost: whether it has missed something, so that it has to begin anew.
        is_over: whether nothing more comes.
    """

    def __init__(self) -> None:
        self.has_news = asyncio.Event()
        self.is_lost = False
        self.is_over = False
        self._unsent: deque[bytes] = deque()

    def take(self) -> bytes | None:
        """The next event, or None."""
        event = self._unsent.popleft() if self._unsent else None
        if not self._unsent and not self.is_lost and not self.is_over:
            self.has_news.clear()
        return event

    def tell(self, event: bytes) -> None:
        """Adds an event. Who does not take any for long has lost the thread."""
        if len(self._unsent) >= MOST_UNSENT:
            self.lose()
        elif not self.is_lost:
            self._unsent.append(event)
            self.has_news.set()

    def lose(self) -> None:
        """What it has not taken is worth nothing any more."""
        self._unsent.clear()
        self.is_lost = True
        self.has_news.set()

    def begin_anew(self) -> None:
        """It gets a snapshot now: what is told from here on follows that."""
        self._unsent.clear()
        self.is_lost = False
        if not self.is_over:
            self.has_news.clear()

    def end(self) -> None:
        """Nothing more comes."""
        self.is_over = True
        self.has_news.set()


@dataclass
class Group:
    """All who follow the same.

    Attributes:
        followed: what.
        followers: who.
        told: what of the statistics was told last.
    """

    followed: Followed
    followers: set[Follower] = field(default_factory=set)
    told: object = None
    _checks: dict[UUID, Position] = field(default_factory=dict)
    _batches: dict[UUID, Position] = field(default_factory=dict)

    def note(self, checks: Iterable[UUID], batches: Iterable[UUID], since: Position) -> None:
        """Notes what has changed `since` a position. What waits to be told already keeps its place."""
        for id_ in checks:
            if self.followed.has_check(id_):
                self._checks.setdefault(id_, since)
        for id_ in batches:
            if self.followed.has_batch(id_):
                self._batches.setdefault(id_, since)
        if len(self._checks) > MOST_PENDING:
            self.lose()

    def due(self) -> tuple[list[UUID], list[UUID]]:
        """What is to be told next: some checks, and all batches."""
        return list(self._checks)[:MOST_AT_ONCE], list(self._batches)

    def is_told(self, checks: Iterable[UUID], batches: Iterable[UUID], read: Position) -> Position:
        """Forgets what is told; returns from where whoever has heard it would have to read on.

        Args:
            checks: those that were due.
            batches: likewise.
            read: up to where all has been noted.
        """
        for id_ in checks:
            self._checks.pop(id_, None)
        for id_ in batches:
            self._batches.pop(id_, None)
        return next(iter(self._checks.values()), read)

    def tell(self, event: bytes) -> None:
        """Tells all of them."""
        for follower in self.followers:
            follower.tell(event)

    def lose(self) -> None:
        """Has all of them begin anew."""
        self._checks.clear()
        self._batches.clear()
        for follower in self.followers:
            follower.lose()
