from hypothesis import given
from hypothesis import strategies as st

from shared.nsq.ready import Load, share

loads_of_connections = st.lists(
    st.builds(Load, in_flight=st.integers(0, 40), idle=st.booleans(), max_rdy=st.integers(1, 50)), max_size=8
)


def busy(in_flight: int = 0) -> Load:
    return Load(in_flight=in_flight, idle=False)


IDLE = Load(in_flight=0, idle=True)


def test_equals_share_equally() -> None:
    assert share(64, [busy(), busy()]) == [32, 32]
    assert share(64, [IDLE, IDLE]) == [32, 32]
    assert share(64, [busy()]) == [64]


def test_the_remainder_goes_to_whose_turn_it_is() -> None:
    assert share(5, [busy(), busy(), busy()]) == [2, 2, 1]
    assert share(5, [busy(), busy(), busy()], turn=1) == [1, 2, 2]


def test_the_idle_keep_one() -> None:
    assert share(64, [busy(), IDLE, IDLE]) == [62, 1, 1]


def test_a_share_grows_only_into_what_the_others_gave_back() -> None:
    assert share(64, [busy(in_flight=63), busy(in_flight=1)]) == [32, 1]
    assert share(64, [busy(in_flight=50), busy(in_flight=1)]) == [32, 14]
    assert share(64, [busy(in_flight=20), busy(in_flight=14)]) == [32, 32]


def test_with_fewer_than_one_each_they_take_turns() -> None:
    assert share(2, [busy(), busy(), busy()]) == [1, 1, 0]
    assert share(2, [busy(), busy(), busy()], turn=1) == [0, 1, 1]
    assert share(2, [busy(), busy(), busy()], turn=2) == [1, 0, 1]


def test_nsqds_bound_is_kept() -> None:
    assert share(5000, [busy()]) == [2500]


@given(st.integers(0, 200), loads_of_connections, st.integers(0, 20))
def test_what_holds_for_any_connections(max_in_flight: int, loads: list[Load], turn: int) -> None:
    shares = share(max_in_flight, loads, turn=turn)
    assert len(shares) == len(loads)
    assert all(0 <= own <= load.max_rdy for own, load in zip(shares, loads, strict=True))
    assert sum(shares) <= max_in_flight
    if max_in_flight >= len(loads) > 0:
        assert min(shares) >= 1
    # What is in flight already can't be helped; beyond that, and beyond 1 each, nothing is allowed that is not free.
    free = max_in_flight - sum(load.in_flight for load in loads)
    grown = sum(max(own - max(load.in_flight, 1), 0) for own, load in zip(shares, loads, strict=True))
    assert grown <= max(free, 0)
