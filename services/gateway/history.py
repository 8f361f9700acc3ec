"""How the last hours went: what ended, and what was queued, of each few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final

from services.gateway import queries
from services.gateway.stats import Kept
from services.gateway.store import Store
from shared.clock import MonotonicClock


@dataclass(frozen=True, slots=True)
class Span:
    """Some minutes."""

    at: datetime
    """When they began."""
    done: int
    failed: int
    cancelled: int
    queued: int
    """How many checks were queued when they were over."""


@dataclass(frozen=True, slots=True)
class Window:
    """So many spans of one length, up to the last that is over."""

    hours: int
    span_min: int
    """A divisor of 60."""
    labelled_min: int
    """How far apart the times are that are named below a chart."""
    row_min: int
    """How much is one row, where it is told in numbers."""

    @property
    def spans(self) -> int:
        """How many there are."""
        return self.hours * 60 // self.span_min


WINDOWS: Final = (
    Window(hours=3, span_min=1, labelled_min=30, row_min=10),
    Window(hours=24, span_min=10, labelled_min=240, row_min=60),
)
"""The first is shown unless another one is asked for. No minute is kept for longer than a day."""


class HistoryReader:
    """Tells how the last hours went.

    Args:
        store: the database.
        clock: monotonic seconds.
    """

    def __init__(self, store: Store, *, clock: MonotonicClock) -> None:
        self._store = store
        self._kept = {window: Kept(partial(self._read, window), clock) for window in WINDOWS}

    async def read(self, window: Window) -> tuple[Span, ...]:
        """The spans of one of the `WINDOWS`, oldest first.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        return await self._kept[window].read()

    async def _read(self, window: Window) -> tuple[Span, ...]:
        length = timedelta(minutes=window.span_min)
        async with self._store.connection() as connection:
            rows = await connection.fetch(queries.HISTORY, length, window.spans)
        return tuple(Span(**row) for row in rows)


def summed_up(spans: tuple[Span, ...], *, minutes: int) -> list[Span]:
    """The same in longer spans, which begin at multiples of `minutes`, a divisor of 60, of each hour."""
    rows = []
    for at, found in groupby(spans, lambda span: span.at.replace(minute=span.at.minute - span.at.minute % minutes)):
        parts = list(found)
        rows.append(
            Span(
                at=at,
                done=sum(part.done for part in parts),
                failed=sum(part.failed for part in parts),
                cancelled=sum(part.cancelled for part in parts),
                queued=parts[-1].queued,
            )
        )
    return rows
