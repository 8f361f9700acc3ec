from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.gateway import formats

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(("value", "shown"), [(None, "—"), (0, "0"), (7, "7"), (1_234_567, "1,234,567")])
def test_number(value: int | None, shown: str) -> None:
    assert formats.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (48_211, "47.1 KiB"), (10 * 2**20, "10.0 MiB")],
)
def test_size(value: int | None, shown: str) -> None:
    assert formats.size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0, "0 ms"), (0.25, "0.2 ms"), (182, "182 ms"), (1820, "1.82 s"), (61_000, "61.00 s")],
)
def test_duration(value: float | None, shown: str) -> None:
    assert formats.duration(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (NOW - timedelta(hours=2, seconds=5), "08:29:55"),
        (NOW - timedelta(days=1), "20 Nov, 10:30"),
        (NOW.replace(year=2025), "21 Nov 2025"),
        (NOW.astimezone(timezone(timedelta(hours=14))), "10:30:00"),
    ],
)
def test_moment(value: datetime, shown: str) -> None:
    assert formats.moment(value, NOW) == shown


def test_full_forms() -> None:
    assert formats.full_moment(NOW) == "21 Nov 2026, 10:30:00 UTC"
    assert formats.iso(NOW) == "2026-11-21T10:30:00.000Z"


@pytest.mark.parametrize(
    ("url", "expected"), [("http://x", True), ("https://x", True), ("javascript:alert(1)", False), ("data:,x", False)]
)
def test_is_web(url: str, expected: bool) -> None:
    assert formats.is_web(url) is expected


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0 %"), (98.6, "98.6 %"), (99.9, "99.9 %"), (100.0, "100 %")])
def test_percent(value: float, shown: str) -> None:
    assert formats.percent(value) == shown


@pytest.mark.parametrize(
    ("per_s", "shown"),
    [
        (1_210.4, "1,210 a second"),
        (9.97, "10 a second"),
        (2.25, "2.2 a second"),
        (1.0, "1 a second"),
        (0.5, "30 a minute"),
        (0.02, "1.2 a minute"),
        (0.01, "36 an hour"),
    ],
)
def test_rate(per_s: float, shown: str) -> None:
    assert formats.rate(per_s) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "1 second"),
        (1, "1 second"),
        (99, "99 seconds"),
        (100, "2 minutes"),
        (5_400, "90 minutes"),
        (7_200, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (100_000_000, "1,157 days"),
    ],
)
def test_span(seconds: int, shown: str) -> None:
    assert formats.span(seconds) == shown
