from datetime import UTC, datetime

import pytest

from services.gateway.batches.views import BatchView
from services.gateway.progress import BAR_WIDTH, COUNTED, lines_by_state, segments
from shared.ids import batch_id, new_id


def batch(**lines: int) -> BatchView:
    counts = {state.counter: lines.get(state.name, 0) for state in COUNTED}
    return BatchView(
        id=batch_id(new_id()),
        label=None,
        status="running",
        reason=None,
        total=sum(counts.values()),
        percent=0.0,
        rate_per_s=None,
        eta_s=None,
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
        finished_at=None,
        errors_by_code={},
        word_totals={},
        **counts,
    )


def test_every_line_is_in_one_of_the_states() -> None:
    of_each = batch(queued=1, running=2, done=3, failed=4, cancelled=5, duplicate=6, invalid=7)
    assert lines_by_state(of_each) == {
        "queued": 1,
        "running": 2,
        "done": 3,
        "failed": 4,
        "cancelled": 5,
        "duplicate": 6,
        "invalid": 7,
    }


def test_parts_are_as_wide_as_they_are_many() -> None:
    assert segments(batch(done=50, failed=25, queued=25)) == [("done", 0, 500), ("failed", 500, 250)]


@pytest.mark.parametrize("lines", [{}, {"queued": 7}])
def test_nothing_is_drawn_of_what_has_not_begun(lines: dict[str, int]) -> None:
    assert segments(batch(**lines)) == []


@pytest.mark.parametrize(
    "lines",
    [
        {"done": 1},
        {"done": 999_999, "failed": 1},
        {"done": 999_999, "queued": 1},
        {"done": 1, "queued": 999_999},
        {"done": 333, "failed": 333, "invalid": 333},
        {"running": 1, "done": 1, "failed": 1, "cancelled": 1, "duplicate": 1, "invalid": 999_994},
        {"running": 1, "done": 1, "failed": 1, "cancelled": 1, "duplicate": 1, "invalid": 1, "queued": 999_994},
    ],
)
def test_all_that_is_there_can_be_seen_and_what_is_queued_is_the_rest(lines: dict[str, int]) -> None:
    parts = segments(batch(**lines))
    assert {name for name, _, _ in parts} == lines.keys() - {"queued"}
    end = 0
    for _, x, width in parts:
        assert x == end
        assert width >= 5
        end = x + width
    assert end <= BAR_WIDTH - 5 if "queued" in lines else end == BAR_WIDTH
