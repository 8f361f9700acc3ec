"""How values are written for people: template filters. What is not known is a dash, never a zero."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NOT_KNOWN: Final = "—"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float | None) -> str:
    """1234567 as 1,234,567."""
    return NOT_KNOWN if value is None else f"{value:,.0f}"


def size(value: int | None) -> str:
    """Bytes in the largest unit that leaves at least one: 48211 as 47.1 KiB."""
    if value is None:
        return NOT_KNOWN
    if value < 1024:
        return f"{value:,} B"
    return f"{value / 1024:,.1f} KiB" if value < 1024**2 else f"{value / 1024**2:,.1f} MiB"


def duration(milliseconds: float | None) -> str:
    """Milliseconds, or seconds from one on: 1820 as 1.82 s."""
    if milliseconds is None:
        return NOT_KNOWN
    if milliseconds < 10:
        return f"{milliseconds:.1f} ms".replace(".0 ", " ")
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:,.2f} s"


def moment(value: datetime, now: datetime) -> str:
    """A time as short as it can be told apart: of today the time of day, else the day."""
    value = value.astimezone(UTC)
    clock = f"{value:%H:%M}"
    if value.date() == now.date():
        return f"{value:%H:%M:%S}"
    day = f"{value.day} {_MONTHS[value.month - 1]}"
    return f"{day}, {clock}" if value.year == now.year else f"{day} {value.year}"


def full_moment(value: datetime) -> str:
    """A time in full, as a title to point at."""
    value = value.astimezone(UTC)
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}, {value:%H:%M:%S} UTC"


def iso(value: datetime) -> str:
    """A time for `<time datetime>`."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_web(url: str) -> bool:
    """Whether a URL may stand in a link: never `javascript:`, whoever wrote it."""
    return url.startswith(("http://", "https://"))


def percent(value: float) -> str:
    """98.6 as 98.6 %, and 100.0 as 100 %."""
    return f"{value:.1f}".removesuffix(".0") + " %"


def rate(per_s: float) -> str:
    """Lines that end, in the shortest time in which more than one does: 0.2 as 12 a minute."""
    for value, unit in ((per_s, "second"), (per_s * 60, "minute")):
        if value >= 1:
            return f"{value:,.0f} a {unit}" if value >= 10 else f"{value:.1f} a {unit}".replace(".0 ", " ")
    return f"{per_s * 3600:.0f} an hour"


def span(seconds: float) -> str:
    """A time to wait, in the unit that people think of it in: 5400 as 90 minutes."""
    for unit, length_s, most in (("second", 1, 99), ("minute", 60, 99), ("hour", 3600, 47)):
        if round(seconds / length_s) <= most:
            return _several(max(round(seconds / length_s), 1), unit)
    return _several(round(seconds / 86_400), "day")


def _several(number_of: int, unit: str) -> str:
    return f"{number_of:,} {unit}" + ("" if number_of == 1 else "s")
