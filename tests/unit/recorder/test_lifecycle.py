from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.recorder.lifecycle import NEW, RetryPolicy, finished, late, started
from shared.messages import AttemptError
from tests import factories

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=3, base_s=2)
CHECK = factories.claimed(attempt=1)
CLAIMED = replace(NEW, last_attempt=1)


def test_a_count_makes_the_check_done() -> None:
    report = factories.counted(CHECK)

    change = finished(CLAIMED, report, had_lease=True, now=NOW, policy=POLICY, jitter=1)

    assert change is not None
    assert (change.state.status, change.state.attempts) == ("done", 1)
    assert change.result is report
    assert (change.state.started_at, change.state.finished_at) == (report.started_at, report.finished_at)
    assert change.due_at is None


def test_a_count_without_a_lease_is_still_a_count() -> None:
    change = finished(
        replace(CLAIMED, last_attempt=2), factories.counted(CHECK), had_lease=False, now=NOW, policy=POLICY, jitter=1
    )
    assert change is not None
    assert change.state.status == "done"


def test_a_failure_whose_lease_was_given_up_changes_nothing() -> None:
    assert finished(CLAIMED, factories.failed(CHECK), had_lease=False, now=NOW, policy=POLICY, jitter=1) is None


@pytest.mark.parametrize(("attempts", "pause_s"), [(0, 2), (1, 8)])
def test_a_failure_that_may_pass_is_due_again_after_a_growing_pause(attempts: int, pause_s: float) -> None:
    state = replace(CLAIMED, status="running", attempts=attempts, started_at=NOW)

    change = finished(state, factories.failed(CHECK), had_lease=True, now=NOW, policy=POLICY, jitter=1)

    assert change is not None
    assert change.due_at == change.state.next_attempt_at == NOW + timedelta(seconds=pause_s)
    assert (change.state.status, change.state.attempts) == ("queued", attempts + 1)
    assert change.state.started_at is None
    assert change.result is None
    assert change.history is not None


def test_jitter_scales_the_pause() -> None:
    change = finished(CLAIMED, factories.failed(CHECK), had_lease=True, now=NOW, policy=POLICY, jitter=0.5)
    assert change is not None
    assert change.due_at == NOW + timedelta(seconds=1)


@pytest.mark.parametrize(("asked_s", "pause_s"), [(100, 100), (1, 2), (1e6, 3600)])
def test_a_retry_is_not_before_what_the_server_asked_for(asked_s: float, pause_s: float) -> None:
    error = AttemptError(code="rate_limited", retry=True, retry_after_s=asked_s)
    change = finished(CLAIMED, factories.failed(CHECK, error=error), had_lease=True, now=NOW, policy=POLICY, jitter=1)
    assert change is not None
    assert change.due_at == NOW + timedelta(seconds=pause_s)


@pytest.mark.parametrize(("retry", "attempts"), [(False, 0), (True, 2)])
def test_a_failure_that_will_not_pass_and_the_last_attempt_are_final(retry: bool, attempts: int) -> None:
    report = factories.failed(CHECK, retry=retry)
    change = finished(replace(CLAIMED, attempts=attempts), report, had_lease=True, now=NOW, policy=POLICY, jitter=1)
    assert change is not None
    assert change.state.status == "failed"
    assert change.result is change.history is report
    assert change.due_at is None


def test_started_makes_the_newest_attempt_running() -> None:
    change = started(CLAIMED, factories.ref(CHECK, at=NOW))
    assert change is not None
    assert (change.state.status, change.state.started_at) == ("running", NOW)


def test_started_is_no_news_of_an_older_attempt_or_one_that_has_ended() -> None:
    assert started(replace(CLAIMED, last_attempt=2), factories.ref(CHECK)) is None
    assert started(replace(CLAIMED, next_attempt_at=NOW), factories.ref(CHECK)) is None
    assert started(replace(CLAIMED, status="running"), factories.ref(CHECK)) is None


def test_a_late_attempt_is_no_attempt_and_due_at_once() -> None:
    change = late(CLAIMED, factories.ref(CHECK), had_lease=True, now=NOW)
    assert change is not None
    assert change.due_at == NOW
    assert (change.state.status, change.state.attempts) == ("queued", 0)


def test_a_late_report_without_its_lease_changes_nothing() -> None:
    assert late(CLAIMED, factories.ref(CHECK), had_lease=False, now=NOW) is None
    assert late(replace(CLAIMED, last_attempt=2), factories.ref(CHECK), had_lease=True, now=NOW) is None
