"""What changes of checks add up to for their batches."""

import math
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recorder.tallies import RECENT_S, BatchState, End, Move, Tally, tallies
from shared import ids
from shared.ids import check_of, new_id
from shared.messages import Counted, Status
from tests import factories

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = ids.batch_id(new_id())
STATES: tuple[Status, ...] = get_args(Status)


def state(**fields: object) -> BatchState:
    given_ = dict.fromkeys(("queued", "running", "done", "failed", "cancelled"), 0)
    values: dict[str, object] = {
        **given_,
        "status": "running",
        "finished_at": None,
        "running_since": NOW,
        "recent": 0.0,
        "recent_at": None,
    }
    return BatchState(**values | fields)  # type: ignore[arg-type]


def moved(was: Status, became: Status | None, end: End | None = None, seq: int = 1) -> Move:
    return Move(check_of(BATCH, seq), was, became, end or End())


def tally(*moves: Move) -> Tally:
    return tallies(moves)[BATCH]


def test_changes_are_summed_by_batch() -> None:
    other = ids.batch_id(new_id())
    sums = tallies(
        [moved("queued", "running"), moved("running", "queued", seq=2), Move(check_of(other, 7), "queued", "running")]
    )
    assert sums.keys() == {BATCH, other}
    assert {name: number for name, number in sums[BATCH].lines.items() if number} == {}
    assert sums[other].lines == {"queued": -1, "running": 1}


@given(st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from([*STATES, None]))))
def test_no_change_adds_or_takes_a_line(changes: list[tuple[Status, Status | None]]) -> None:
    for sums in tallies(moved(was, became) for was, became in changes).values():
        assert sum(sums.lines.values()) == 0


def test_errors_and_words_come_with_their_state_and_go_with_it() -> None:
    failed, done = End(code="blocked"), End(counts={"python": 3, "nothing": 0})
    came = tally(moved("running", "failed", failed), moved("queued", "done", done))
    assert (came.errors, came.words, came.ended) == ({"blocked": 1}, {"python": 3, "nothing": 0}, 2)
    went = tally(moved("failed", "queued", failed), moved("done", None, done), moved("failed", "cancelled", failed))
    assert (went.errors, went.words, went.ended) == ({"blocked": -2}, {"python": -3, "nothing": 0}, 0)
    assert went.lines["cancelled"] == 2, "a deleted check's line counts as cancelled"
    stale = tally(moved("queued", "cancelled", failed), moved("cancelled", "queued", failed))
    assert not any(stale.errors.values()), "the error of an earlier run was taken off when that was asked for"


def test_an_end_is_what_an_outcome_says() -> None:
    check = factories.claimed()
    assert End.of(factories.failed(check, "blocked")) == End(code="blocked")
    counted = Counted(counts={"a": 1}, total=1, rule_version=1)
    assert End.of(factories.counted(check, counted=counted)) == End(counts={"a": 1})


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_batch_is_finished_when_nothing_is_open(status: str) -> None:
    last = tally(moved("running", "done"))
    finished = state(status=status, running=1).after(last, NOW)
    assert (finished.status, finished.finished_at, finished.done, finished.running) == ("finished", NOW, 1, 0)
    assert state(status=status, running=1, queued=1).after(last, NOW).status == status


def test_a_finished_batch_runs_again_when_something_is_open_again() -> None:
    before = state(status="finished", failed=1, finished_at=NOW - timedelta(hours=1), recent=9.0, recent_at=NOW)
    after = before.after(tally(moved("failed", "queued", End(code="blocked"))), NOW)
    assert (after.status, after.finished_at, after.running_since, after.recent) == ("running", None, NOW, 0.0)
    assert (after.queued, after.failed) == (1, 0)


@pytest.mark.parametrize("status", ["cancelled", "deleted"])
def test_what_was_given_up_stays_so(status: str) -> None:
    at = NOW - timedelta(hours=1)
    before = state(status=status, cancelled=1, finished_at=at)
    assert before.after(tally(moved("cancelled", "queued")), NOW).status == status
    after = state(status=status, running=1, finished_at=at).after(tally(moved("running", "done")), NOW)
    assert (after.status, after.finished_at, after.done) == (status, at, 1)


def test_what_ended_recently_fades() -> None:
    two = tally(moved("running", "done"), moved("running", "failed", seq=2))
    first = state(running=9).after(two, NOW)
    assert (first.recent, first.recent_at) == (2.0, NOW)
    later = NOW + timedelta(seconds=RECENT_S)
    assert first.after(two, later).recent == pytest.approx(2 + 2 / math.e)
    assert first.after(two, NOW - timedelta(seconds=5)).recent == pytest.approx(4), "a clock set back lets nothing grow"
    assert first.after(tally(moved("running", "queued")), later).recent_at == NOW


@given(
    st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from([*STATES, None])), max_size=8),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["running", "paused", "finished"]),
)
def test_a_batch_that_can_go_on_is_finished_exactly_when_nothing_is_open(
    changes: list[tuple[Status, Status | None]], queued: int, running: int, status: str
) -> None:
    if (status == "finished") != (queued + running == 0):
        status = "finished" if queued + running == 0 else "running"
    finished_at = NOW if status == "finished" else None
    added = tallies(moved(was, became) for was, became in changes).get(BATCH, Tally())
    after = state(status=status, queued=queued, running=running, finished_at=finished_at).after(added, NOW)
    assert (after.status == "finished") == (after.queued + after.running <= 0)
    assert (after.finished_at is not None) == (after.status == "finished")


def test_a_batch_is_told_by_its_checks() -> None:
    assert isinstance(BATCH, UUID)
    assert tallies([moved("queued", "running", seq=2**31 - 1)]).keys() == {BATCH}
