from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import cursors

LAST = UUID("01a1fdbd-8d7a-7129-ade8-71f848e070aa")


@given(st.uuids(), st.text(st.characters(codec="utf-8")))
def test_a_cursor_comes_back_as_what_it_was_made_of(last: UUID, name: str) -> None:
    assert cursors.decode(cursors.encode(last, belongs_to=name), belongs_to=name) == last


def test_it_can_stand_in_a_url() -> None:
    cursor = cursors.encode(UUID(int=2**128 - 1), belongs_to="checks")
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.integers(0, 31), st.sampled_from("ABCxyz019-_"))
def test_a_changed_cursor_is_refused(place: int, character: str) -> None:
    cursor = cursors.encode(LAST, belongs_to="checks")
    changed = cursor[:place] + character + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(cursors.InvalidCursor):
            cursors.decode(changed, belongs_to="checks")


@pytest.mark.parametrize(
    "cursor", ["", "x", "=" * 32, "é" * 32, "A" * 31 + "=", "A" * 32, "A" * 36, " " * 32, "\0" * 32]
)
def test_nonsense_is_refused(cursor: str) -> None:
    with pytest.raises(cursors.InvalidCursor):
        cursors.decode(cursor, belongs_to="checks")


def test_a_cursor_belongs_to_its_list() -> None:
    cursor = cursors.encode(LAST, belongs_to="checks?status=done")
    with pytest.raises(cursors.InvalidCursor):
        cursors.decode(cursor, belongs_to="checks")
