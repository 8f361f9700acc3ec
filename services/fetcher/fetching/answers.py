"""Judging an answer by its head alone: a page, a way to another page, or no page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from multidict import MultiMapping

from shared.errors import FetchError

from .bot_walls import is_wall_head

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEPT_OUT: Final = frozenset({401, 403, 451, 999})
"""999 is in no register: LinkedIn sends it to whom it takes for a program, and Yahoo did."""
_WALL_STATUSES: Final = frozenset({405, 428, 429, 503})
"""Under which bot walls send challenges, besides those under which everything is `blocked`."""


def redirect_target(status: int, headers: Mapping[str, str]) -> str | None:
    """Return where a redirect points, as it was written; None if this is none."""
    return (headers.get("Location") or None) if status in _REDIRECTS else None


def require_page(status: int, headers: Mapping[str, str], now: datetime) -> None:
    """Let a status pass under which a page comes.

    Args:
        status: of the answer (RFC 9110 §15).
        headers: of the answer; looked up without regard to case.
        now: for a Retry-After that names an instant.

    Raises:
        FetchError: what the status means for the check.
    """
    if is_wall_head(headers):
        raise FetchError("blocked", http_status=status, detail="a challenge for bots")
    if status in {204, 205}:
        raise FetchError("empty_body", http_status=status, detail="no content, says the status")
    # 206 was not asked for, and a part of a page is not the page.
    if 200 <= status <= 299 and status != 206:
        return
    pause_s = retry_after_s(headers, now)
    if status == 429 or (status == 503 and pause_s is not None):
        raise FetchError("rate_limited", http_status=status, retry_after_s=pause_s)
    if status in _KEPT_OUT:
        raise FetchError("blocked", http_status=status)
    raise FetchError("http_error", http_status=status)


def may_be_a_wall(error: FetchError) -> bool:
    """Tell whether it is worth looking if a bot wall stands behind an answer that `require_page` refused."""
    return error.code != "blocked" and error.http_status in _WALL_STATUSES


def content_type_of(headers: MultiMapping[str]) -> str | None:
    """Return the Content-Type; of several, the last that is one (WHATWG Fetch, "extract a MIME type")."""
    values = headers.getall("Content-Type", ())
    return next((value for value in reversed(values) if "/" in value), values[0] if values else None)


def coding_of(headers: MultiMapping[str]) -> str:
    """Return the Content-Encoding: what several headers list is one list (RFC 9110 §5.2).

    Raises:
        FetchError: `decompression_failed` for an encoding of the transfer, which nobody asked for (RFC 9110 §10.1.4).
    """
    transfer = {part.strip().lower() for value in headers.getall("Transfer-Encoding", ()) for part in value.split(",")}
    unasked = transfer - {"chunked", "identity", ""}
    if unasked:
        raise FetchError("decompression_failed", detail=f"Transfer-Encoding: {min(unasked)[:50]!a}")
    return ",".join(headers.getall("Content-Encoding", ()))


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After in either form (RFC 9110 §10.2.3); None if it is not there or can't be read.

    An instant is taken relative to the server's own Date, so that its clock may be wrong.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    instant = http_date(value)
    if instant is None:
        return None
    return max(0.0, (instant - (http_date(headers.get("Date", "")) or now)).total_seconds())


def http_date(value: str) -> datetime | None:
    """Read an instant of a header (RFC 9110 §5.6.7), in UTC where it names no zone; None if it can't be read."""
    try:
        instant = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
