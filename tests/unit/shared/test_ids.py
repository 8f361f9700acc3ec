"""Ids, and the time that stands in them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from shared.ids import new_id, time_of


def test_an_id_tells_when_it_was_made() -> None:
    assert abs(time_of(new_id()) - datetime.now(UTC)) < timedelta(seconds=60)
    assert time_of(UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_whatever_stands_in_an_id_is_some_time() -> None:
    assert time_of(UUID(int=0)) == datetime(1970, 1, 1, tzinfo=UTC)
    assert time_of(UUID(int=2**128 - 1)).year == 9999
    for _ in range(100):
        assert time_of(uuid4()) >= datetime(1970, 1, 1, tzinfo=UTC)
