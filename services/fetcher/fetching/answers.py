"""Judging an answer by its head alone: a page, a way to another page, or no page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from shared.errors import FetchError

from .bot_walls import is_wall_head

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEPT_OUT: Final = frozenset({401, 403, 451})


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


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After in either form (RFC 9110 §10.2.3); None if it is not there or can't be read.

    An instant is taken relative to the server's own Date, so that its clock may be wrong.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    instant = _http_date(value)
    if instant is None:
        return None
    return max(0.0, (instant - (_http_date(headers.get("Date", "")) or now)).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
