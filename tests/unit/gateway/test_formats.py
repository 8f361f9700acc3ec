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
