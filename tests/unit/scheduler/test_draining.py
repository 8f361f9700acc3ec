from services.scheduler.draining import DrainWatch


def test_without_an_empty_queue_only_time_gives_a_lease_up() -> None:
    assert DrainWatch(force_s=120).ended_for_s(1000) == 120


def test_a_lease_is_given_up_once_the_queue_was_empty_after_its_end_and_ten_seconds_have_passed() -> None:
    watch = DrainWatch(force_s=120)
    watch.saw_empty(100)
    assert watch.ended_for_s(109) == 120
    assert watch.ended_for_s(110) == 10
    assert watch.ended_for_s(115) == 15


def test_the_newest_sight_that_is_old_enough_counts() -> None:
    watch = DrainWatch(force_s=120)
    for second in range(100, 121):
        watch.saw_empty(second)
    assert watch.ended_for_s(120) == 10
    assert watch.ended_for_s(125.5) == 10.5


def test_a_database_that_stalled_starts_the_wait_anew() -> None:
    watch = DrainWatch(force_s=120)
    watch.saw_empty(100)
    watch.database_stalled()
    assert watch.ended_for_s(115) == 120
    watch.saw_empty(116)
    assert watch.ended_for_s(126) == 10


def test_an_old_sight_never_asks_for_more_than_time_alone_would() -> None:
    watch = DrainWatch(force_s=40)
    watch.saw_empty(100)
    assert watch.ended_for_s(500) == 40
