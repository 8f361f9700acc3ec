"""The web page `/stats`: how much there is to do, who does it, and how the last hours went."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web
from markupsafe import Markup

from services.gateway.charts import Chart, draw
from services.gateway.history import WINDOWS, HistoryReader, Span, Window, summed_up
from services.gateway.middlewares import problem_of
from services.gateway.pages import render
from services.gateway.stats import Stats, StatsReader
from services.gateway.store import StoreUnavailable

PLACE: Final = "/stats"
_BY_HOURS: Final = {str(window.hours): window for window in WINDOWS}


class StatsPage:
    """The handler of the page and what it needs."""

    def __init__(self, stats: StatsReader, history: HistoryReader) -> None:
        self._stats = stats
        self._history = history

    def routes(self) -> list[web.RouteDef]:
        """Where the page is."""
        return [web.get(PLACE, self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """The page. The database away, it says so: with the status 503, as a program may ask for it too."""
        window = _BY_HOURS.get(request.query.get("hours", ""), WINDOWS[0])
        context: dict[str, Any] = {
            "stats": None,
            "window": window,
            "windows": [(each, PLACE if each == WINDOWS[0] else f"{PLACE}?hours={each.hours}") for each in WINDOWS],
        }
        try:
            stats, spans = await asyncio.gather(self._stats.read(), self._history.read(window))
        except StoreUnavailable as error:
            problem = problem_of(error)
            return render("stats.html", request, context, status=problem.kind.status, headers=problem.all_headers())
        context |= await asyncio.to_thread(_shown, stats, window, spans)  # to draw takes its time
        return render("stats.html", request, context)


def _shown(stats: Stats, window: Window, spans: tuple[Span, ...]) -> dict[str, Any]:
    return {
        "stats": stats,
        "slots": sum(fetcher.capacity for fetcher in stats.fetchers),
        "slots_taken": sum(fetcher.in_flight for fetcher in stats.fetchers),
        "ended_chart": _ended(window, spans),
        "queued_chart": _queued(window, spans),
        "rows": summed_up(spans, minutes=window.row_min)[::-1],
    }


def _ended(window: Window, spans: tuple[Span, ...]) -> Markup:
    most = max(span.done + span.failed + span.cancelled for span in spans) / window.span_min
    label = f"Checks that ended per minute, {_when(window, spans)}: {most:,.0f} at most."
    ends = ([span.done for span in spans], [span.failed for span in spans], [span.cancelled for span in spans])
    return _drawn(label, window, spans, tuple(tuple(n / window.span_min for n in each) for each in ends))


def _queued(window: Window, spans: tuple[Span, ...]) -> Markup:
    queued = tuple(span.queued for span in spans)
    label = f"Queued checks, {_when(window, spans)}: {max(queued):,} at most, {queued[-1]:,} at last."
    return _drawn(label, window, spans, (queued,))


def _drawn(label: str, window: Window, spans: tuple[Span, ...], areas: tuple[tuple[float, ...], ...]) -> Markup:
    times = tuple(span.at for span in spans)
    return draw(Chart(label=label, times=times, areas=areas, labelled_min=window.labelled_min))


def _when(window: Window, spans: tuple[Span, ...]) -> str:
    return f"{window.hours} hours from {spans[0].at:%H:%M} UTC on"
