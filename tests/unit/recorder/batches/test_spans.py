"""Which ids a filter for a retry lets through."""

from uuid import UUID

import pytest

from services.recorder.batches.renewing import Span, arguments, span_of
from shared.ids import MAX_SEQ, check_of
from shared.messages import Filter
from tests import factories

BATCH = factories.open_batch().batch_id
HIGHEST = UUID(int=2**128 - 1)


def test_without_bounds_all_are_meant() -> None:
    assert span_of(Filter()) == Span(UUID(int=0), HIGHEST)


def test_the_lower_bound_is_meant_and_the_upper_is_not() -> None:
    assert span_of(Filter(from_id=UUID(int=10), below_id=UUID(int=20))) == Span(UUID(int=9), UUID(int=19))


def test_checks_of_a_batch_are_a_range_that_bounds_narrow_down() -> None:
    assert span_of(Filter(batch_id=BATCH)) == Span(BATCH, check_of(BATCH, MAX_SEQ))
    narrow = Filter(batch_id=BATCH, from_id=check_of(BATCH, 3), below_id=check_of(BATCH, 5))
    assert span_of(narrow) == Span(check_of(BATCH, 2), check_of(BATCH, 4))


@pytest.mark.parametrize(
    "impossible",
    [
        Filter(from_id=UUID(int=20), below_id=UUID(int=20)),
        Filter(batch_id=check_of(BATCH, 1)),
        Filter(status="cancelled", error="http_error"),
        Filter(status="cancelled", http_status=500),
        Filter(below_id=UUID(int=0)),
    ],
    ids=["empty", "no batch", "no error", "no status", "below the lowest"],
)
def test_nothing_is_meant_by_what_nothing_can_match(impossible: Filter) -> None:
    assert span_of(impossible) is None


def test_a_host_is_exact_or_an_ending() -> None:
    assert arguments(Filter(host="a.org"))[:2] == ("a.org", None)
    assert arguments(Filter(host="*.org"))[:2] == (None, "gro.")
