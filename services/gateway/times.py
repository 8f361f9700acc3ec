"""Times as callers write them (RFC 3339 §5.6). Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from services.gateway.fields import Invalid

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A blank before the offset is a plus sign that a URL was given without escaping it.
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?(?:[Zz]|([+ -])(\d\d):(\d\d))", re.ASCII
)


class Moment(NamedTuple):
    """A time, exactly: whole seconds since 1970 (UTC, no leap seconds), and the digits after the point."""

    seconds: int
    fraction: str

    def to_datetime(self) -> datetime:
        """The same, cut to microseconds.

        Raises:
            Invalid: it is in no year from 1 to 9999.
        """
        try:
            return _EPOCH + timedelta(seconds=self.seconds, microseconds=int(self.fraction.ljust(6, "0")[:6]))
        except OverflowError:
            raise Invalid("There is no such year.") from None


def parse(value: str) -> Moment:
    """Reads a time.

    Raises:
        Invalid: it is none, or one without an offset from UTC.
    """
    found = _TIME.fullmatch(value)
    if found is None:
        raise Invalid("Must be a time with its offset, such as 2026-01-31T12:00:00Z.")
    day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = found.groups()
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise Invalid("There is no such day.") from None
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:  # 60: a leap second
        raise Invalid("There is no such time of day.")
    if int(offset_hours or 0) > 23 or int(offset_minutes or 0) > 59:
        raise Invalid("There is no such offset.")
    offset_s = int(offset_hours or 0) * 3600 + int(offset_minutes or 0) * 60
    seconds = days * 86_400 + int(hour) * 3600 + int(minute) * 60 + int(second)
    return Moment(seconds + (offset_s if sign == "-" else -offset_s), fraction or "")
