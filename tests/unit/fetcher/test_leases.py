from datetime import timedelta

import pytest

from services.fetcher.leases import Begin, Begun, TooLate, judge
from tests import factories

NOW = factories.now()
TIMEOUT_S = 30


@pytest.mark.parametrize(("left_s", "begins"), [(60, True), (34, True), (33.9, False), (0, False), (-10, False)])
def test_an_attempt_begins_only_while_a_fetch_and_its_report_fit_into_the_lease(left_s: float, begins: bool) -> None:
    check = factories.claimed(not_before=NOW - timedelta(seconds=9), not_after=NOW + timedelta(seconds=left_s))
    assert judge(check, NOW, TIMEOUT_S) == (Begin(wait_s=0) if begins else TooLate())


def test_an_attempt_waits_for_its_turn() -> None:
    check = factories.claimed(not_before=NOW + timedelta(seconds=0.5), not_after=NOW + timedelta(seconds=60.5))
    assert judge(check, NOW, TIMEOUT_S) == Begin(wait_s=0.5)


def test_the_wait_counts_against_the_lease() -> None:
    check = factories.claimed(not_before=NOW + timedelta(seconds=1), not_after=NOW + timedelta(seconds=34.5))
    assert judge(check, NOW, TIMEOUT_S) == TooLate()


def test_rule_13_a_repeat_is_known_until_its_lease_ends() -> None:
    begun = Begun()
    check = factories.claimed(not_after=NOW + timedelta(seconds=60))
    assert check not in begun
    begun.add(check, NOW)
    begun.add(factories.claimed(), NOW + timedelta(seconds=59))
    assert check in begun
    assert factories.claimed(check_id=check.check_id, attempt=2) not in begun
    begun.add(factories.claimed(), NOW + timedelta(seconds=60))
    assert check not in begun


def test_what_is_handed_back_may_be_begun_once_more() -> None:
    begun, check = Begun(), factories.claimed()
    begun.add(check, NOW)
    begun.forget(check)
    assert check not in begun


def test_what_is_remembered_does_not_grow() -> None:
    begun = Begun()
    for second in range(100):
        moment = NOW + timedelta(seconds=second)
        begun.add(factories.claimed(not_after=moment + timedelta(seconds=5)), moment)
    assert len(begun) <= 6
