"""For how long jobs are put off that fail."""

import random
from uuid import UUID

from services.recorder.batches.turns import LONGEST_S, MOST_KNOWN, PUT_OFF_S, Setbacks


def test_a_job_is_put_off_for_longer_each_time_until_it_gets_on() -> None:
    setbacks, job, other = Setbacks(random.Random(1)), UUID(int=1), UUID(int=2)
    for ceiling_s in (PUT_OFF_S, 2 * PUT_OFF_S, 4 * PUT_OFF_S):
        assert ceiling_s / 2 <= setbacks.next_s(job) <= ceiling_s
    assert setbacks.next_s(other) <= PUT_OFF_S, "each has its own"
    for _ in range(20):
        assert setbacks.next_s(job) <= LONGEST_S
    setbacks.is_over(job)
    setbacks.is_over(job)
    assert setbacks.next_s(job) <= PUT_OFF_S


def test_jobs_that_are_never_heard_of_again_do_not_pile_up() -> None:
    setbacks, first = Setbacks(random.Random(1)), UUID(int=0)
    for _ in range(3):
        setbacks.next_s(first)
    for number in range(1, MOST_KNOWN + 1):
        setbacks.next_s(UUID(int=number))
    assert setbacks.next_s(first) <= PUT_OFF_S, "the oldest is forgotten"
