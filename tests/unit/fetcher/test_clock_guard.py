from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.clock_guard import CLAIM_COUNTS_FOR_S, MAX_OFF_S, ClockGuard, Off, judge
from shared.messages import ClockReading
from tests import factories

NOW = factories.now()
SECONDS = st.floats(-1_000, 1_000)


def at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("offset_s", "there_s", "back_s", "off_s"),
    [
        (0, 0.1, 0.1, None),
        (1.9, 0, 0, None),
        (-1.9, 0, 0, None),
        (60, 1, 1, 59),
        (-60, 1, 1, -59),
        (3, 0.5, 5, 2.5),
        (3, 1.5, 0, None),  # not for sure
        (0, 0, 300, None),  # a slow queue is no wrong clock
        (0, 300, 0, None),
    ],
)
def test_rule_12_a_clock_is_off_when_all_that_may_be_true_lies_beyond_two_seconds(
    offset_s: float, there_s: float, back_s: float, off_s: float | None
) -> None:
    found = judge(NOW + at(offset_s), NOW + at(there_s), NOW + at(offset_s + there_s + back_s))
    assert (found and round(found.least_s, 3)) == off_s


@given(SECONDS, st.floats(0, 100), st.floats(0, 100))
def test_rule_12_a_judgement_is_never_wrong(offset_s: float, there_s: float, back_s: float) -> None:
    found = judge(NOW + at(offset_s), NOW + at(there_s), NOW + at(offset_s + there_s + back_s))
    if found is not None:
        assert abs(offset_s) > MAX_OFF_S - 0.001
        assert abs(found.least_s) <= abs(offset_s) + 0.001
        assert (found.least_s > 0) == (offset_s > 0)


def test_rule_12_nothing_follows_from_a_clock_that_was_set_in_between() -> None:
    assert judge(NOW + at(60), NOW, NOW + at(1)) is None


def reading(offset_s: float, fetcher: str = "me") -> ClockReading:
    return ClockReading(fetcher=fetcher, said_at=NOW + at(offset_s), database_at=NOW)


def test_rule_12_the_last_reading_decides_and_none_convicts_nobody() -> None:
    guard = ClockGuard("me")
    assert guard.off(0) is None
    guard.read(reading(60, "another"), NOW + at(60))
    assert guard.off(0) is None
    guard.read(reading(60), NOW + at(60))
    assert guard.off(0) == Off(60)
    guard.read(reading(0), NOW)
    assert guard.off(0) is None


def test_rule_12_a_claim_from_the_future_counts_until_a_reading_or_for_a_while() -> None:
    guard = ClockGuard("me")
    guard.claimed(NOW, NOW - at(1.9), 100)
    assert guard.off(100) is None
    guard.claimed(NOW, NOW - at(60), 100)
    assert guard.off(100) == Off(-60)
    assert guard.off(100 + CLAIM_COUNTS_FOR_S) is None
    guard.claimed(NOW, NOW - at(60), 200)
    guard.read(reading(0), NOW)
    assert guard.off(200) is None


def test_it_says_by_how_much_and_which_way() -> None:
    assert str(Off(59.97)) == "at least 60.0 s ahead of PostgreSQL's"
    assert str(Off(-3)) == "at least 3.0 s behind PostgreSQL's"
