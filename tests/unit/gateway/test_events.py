from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.events.asking import Followed
from services.gateway.events.groups import MOST_AT_ONCE, MOST_PENDING, MOST_UNSENT, Follower, Group
from services.gateway.events.positions import REMEMBERED_S, Position, decode
from shared.ids import batch_id, check_of, new_id

ALL = Followed()


@given(st.integers(0, 2**63 - 1), st.integers(0, 9_999_999_999))
def test_a_position_survives_its_way_through_a_caller(xid: int, at_s: int) -> None:
    assert decode(Position(xid, at_s + 0.25).encode()) == Position(xid, at_s)


@given(st.text(max_size=40))
def test_no_text_is_too_strange_for_an_id(text: str) -> None:
    found = decode(text)
    assert found is None or found.xid >= 0


@pytest.mark.parametrize(
    ("xid", "age_s", "good"),
    [(5, 0, True), (7, 0, True), (8, 0, False), (5, REMEMBERED_S, True), (5, REMEMBERED_S + 1, False), (5, -2, False)],
)
def test_a_position_is_good_while_all_since_is_known(xid: int, age_s: float, good: bool) -> None:
    assert Position(xid, 1_000_000 - age_s).is_good(Position(7, 1_000_000.0)) is good


def test_what_is_followed_has_its_checks_and_batches() -> None:
    batch, other, lone = batch_id(new_id()), batch_id(new_id()), new_id()
    of_batch = Followed(batch_id=batch)
    assert [of_batch.has_check(id_) for id_ in (check_of(batch, 7), check_of(other, 7), lone)] == [True, False, False]
    assert [of_batch.has_batch(id_) for id_ in (batch, other)] == [True, False]
    of_check = Followed(check_id=lone)
    assert [of_check.has_check(id_) for id_ in (lone, check_of(batch, 7))] == [True, False]
    assert not of_check.has_batch(batch)
    assert ALL.has_check(lone)
    assert ALL.has_batch(batch)


def test_an_event_tells_from_where_to_go_on_while_not_all_is_told() -> None:
    group = Group(ALL)
    early, late = Position(1, 0.0), Position(2, 0.0)
    ids = [UUID(int=n) for n in range(MOST_AT_ONCE + 1)]
    group.note(ids, [], early)
    group.note([ids[0]], [], late)
    due, _ = group.due()
    assert due == ids[:-1]
    assert group.is_told(due, [], late) == early, "one is not told yet that was noted then"
    assert group.due() == ([ids[-1]], [])
    assert group.is_told([ids[-1]], [], late) == late


def test_a_follower_that_takes_nothing_begins_anew() -> None:
    group, follower = Group(ALL), Follower()
    group.followers.add(follower)
    for number in range(MOST_UNSENT):
        group.tell(b"%d" % number)
    before = follower.is_lost
    group.tell(b"one too many")
    assert (before, follower.is_lost) == (False, True)
    assert follower.take() is None
    group.tell(b"in vain")
    assert follower.take() is None
    follower.begin_anew()
    assert not follower.has_news.is_set()
    group.tell(b"after that")
    assert follower.take() == b"after that"


def test_more_changes_than_can_be_told_have_all_begin_anew() -> None:
    group, follower = Group(ALL), Follower()
    group.followers.add(follower)
    group.note((UUID(int=n) for n in range(MOST_PENDING + 1)), [], Position(1, 0.0))
    assert follower.is_lost
    assert group.due() == ([], [])
