"""Ids, and the time that stands in them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from shared.ids import MAX_SEQ, batch_id, batch_of, check_of, new_id, seq_of, time_of


def test_an_id_tells_when_it_was_made() -> None:
    assert abs(time_of(new_id()) - datetime.now(UTC)) < timedelta(seconds=60)
    assert time_of(UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_whatever_stands_in_an_id_is_some_time() -> None:
    assert time_of(UUID(int=0)) == datetime(1970, 1, 1, tzinfo=UTC)
    assert time_of(UUID(int=2**128 - 1)).year == 9999
    for _ in range(100):
        assert time_of(uuid4()) >= datetime(1970, 1, 1, tzinfo=UTC)


def test_checks_of_a_batch_are_one_range_of_ids_and_tell_their_line() -> None:
    batch = batch_id(new_id())
    checks = [check_of(batch, seq) for seq in (1, 2, 1_000_000, MAX_SEQ)]
    assert checks == sorted(checks)
    assert all(check.version == 7 and batch < check for check in checks)
    assert {batch_of(check) for check in checks} == {batch}
    assert [seq_of(check) for check in checks] == [1, 2, 1_000_000, MAX_SEQ]
    assert time_of(checks[-1]) == time_of(batch)


def test_batches_made_at_once_differ() -> None:
    assert len({batch_id(new_id()) for _ in range(10_000)}) == 10_000
