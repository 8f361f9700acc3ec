"""Answers that are no page by their status, and walls against programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from deploy.lab.doors import Door
from deploy.lab.hazard import ONE_PYTHON, Group, Hazard
from deploy.lab.visit import Visit
from deploy.lab.wire import answer, page

PAUSE_S: Final = 5
_ROBOTS: Final = "User-agent: *\nDisallow: /private/\nAllow: /private/open\n"


def _status(status: int, does: str, expects: str, body: str = "An error, not a python.") -> Hazard:
    at = f"/status/{status}"
    # These three have no body, whatever their headers say (RFC 9110 §6.4.1).
    bare = status in {204, 205, 304}
    sent = answer("" if bare else body, status, {"Content-Length": "0" if status == 205 else None} if bare else None)
    return Hazard(at, does, expects, status=status, route=sent)


def _come_back_at(_: Visit) -> bytes:
    now = datetime.now(UTC)
    at = {"Date": now, "Retry-After": now + timedelta(seconds=PAUSE_S)}
    return answer("Later.", 429, {name: format_datetime(value, usegmt=True) for name, value in at.items()})


STATUSES: Final = Group(
    "Answers without a page",
    (
        _status(204, "No Content", "empty_body"),
        _status(205, "Reset Content", "empty_body"),
        _status(206, "a part of a page that nobody asked for", "http_error"),
        _status(300, "several pages to choose from, and no Location", "http_error"),
        _status(304, "Not Modified, though nothing was known before", "http_error"),
        _status(400, "Bad Request", "http_error"),
        _status(404, "Not Found", "http_error"),
        _status(408, "Request Timeout", "http_error"),
        _status(410, "Gone", "http_error"),
        _status(418, "a teapot", "http_error"),
        _status(425, "Too Early", "http_error"),
        _status(500, "Internal Server Error", "http_error"),
        _status(503, "Service Unavailable, for nobody knows how long", "http_error"),
        _status(599, "a 5xx of the server's own", "http_error"),
        _status(799, "a status that there is not", "http_error"),
    ),
)

CROWDED: Final = Group(
    f"Servers that want a pause (all of this port rests for {PAUSE_S} s then)",
    (
        Hazard(
            "/429/seconds",
            f"Too Many Requests, Retry-After: {PAUSE_S}",
            "rate_limited",
            status=429,
            door=Door.CROWDED,
            route=answer("Later.", 429, {"Retry-After": str(PAUSE_S)}),
        ),
        Hazard(
            "/429/date",
            "Too Many Requests, Retry-After with a date",
            "rate_limited",
            status=429,
            door=Door.CROWDED,
            route=_come_back_at,
        ),
        Hazard(
            "/429/bare",
            "Too Many Requests, and not until when",
            "rate_limited",
            status=429,
            door=Door.CROWDED,
            route=answer("Later.", 429),
        ),
        Hazard(
            "/503/seconds",
            f"Service Unavailable, Retry-After: {PAUSE_S}",
            "rate_limited",
            status=503,
            door=Door.CROWDED,
            route=answer("Later.", 503, {"Retry-After": str(PAUSE_S)}),
        ),
    ),
)

_CHALLENGE: Final = page("Just a moment: python?", more_head="<script>window._cf_chl_opt = {cType: 'managed'}</script>")

WALLS: Final = Group(
    "Walls against programs",
    (
        _status(401, "asks for a log-in", "blocked"),
        _status(403, "Forbidden", "blocked"),
        _status(451, "not shown for legal reasons", "blocked"),
        _status(999, "what some sites answer to programs", "blocked"),
        Hazard(
            "/wall/header",
            "a challenge, by its header (cf-mitigated)",
            "blocked",
            status=403,
            route=answer(page("Just a moment"), 403, {"cf-mitigated": "challenge"}),
        ),
        Hazard(
            "/wall/page", "a challenge that comes as an ordinary 200", "blocked", status=200, route=answer(_CHALLENGE)
        ),
        Hazard(
            "/wall/busy",
            "a challenge that comes as a 503 with Retry-After",
            "blocked",
            status=503,
            route=answer(_CHALLENGE, 503, {"cf-mitigated": "challenge", "Retry-After": "5"}),
        ),
        Hazard(
            "/wall/about",
            "no wall: an article about them",
            ONE_PYTHON,
            route=answer(page("“Just a moment…”, “Access denied”, cf-mitigated, captcha: walls against a python.")),
        ),
        Hazard(
            "/private/page",
            "robots.txt keeps programs away from it",
            "robots_disallowed",
            door=Door.ROBOTS,
            route=answer(page("A secret python.")),
        ),
        Hazard(
            "/private/open",
            "robots.txt allows it, within what it does not",
            ONE_PYTHON,
            door=Door.ROBOTS,
            route=answer(page()),
        ),
        Hazard(
            "/page",
            "robots.txt answers 500: nobody knows what it says",
            "robots_disallowed",
            door=Door.BROKEN_ROBOTS,
            route=answer(page()),
        ),
    ),
)

ROBOTS_FILES: Final = {
    Door.ROBOTS: answer(_ROBOTS, headers={"Content-Type": "text/plain"}),
    Door.BROKEN_ROBOTS: answer("Broken.", 500),
}
"""The robots.txt of a door; the others have none."""
