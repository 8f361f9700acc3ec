"""How much bulk work a fetcher takes in hand."""

from services.fetcher.pace import EARLY_S, LATE_S, Pace


def test_a_late_loop_means_less_down_to_what_bulk_always_has() -> None:
    pace = Pace(most=48, least=6, limit=48)
    assert [pace.saw(LATE_S * 2) for _ in range(9)] == [36, 27, 20, 15, 11, 8, 6, 6, 6]


def test_a_loop_with_time_means_more_up_to_the_share() -> None:
    pace = Pace(most=48, least=6, limit=46)
    assert [pace.saw(0.0) for _ in range(4)] == [47, 48, 48, 48]


def test_in_between_all_stays_as_it_is() -> None:
    assert Pace(most=48, least=6, limit=20).saw((EARLY_S + LATE_S) / 2) == 20


def test_what_is_given_up_is_not_announced_as_room() -> None:
    pace = Pace(most=48, least=6, limit=48)
    assert pace.given_up == 0
    pace.saw(LATE_S * 2)
    assert pace.given_up == 12


def test_a_fetcher_with_a_single_slot_keeps_it() -> None:
    assert Pace(most=1, least=1, limit=1).saw(1.0) == 1
