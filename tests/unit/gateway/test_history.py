from datetime import UTC, datetime, timedelta

from services.gateway.history import WINDOWS, Span, summed_up

BEGIN = datetime(2026, 11, 22, 9, 58, tzinfo=UTC)


def test_rows_begin_at_round_times_and_lose_nothing() -> None:
    spans = tuple(
        Span(at=BEGIN + timedelta(minutes=n), done=n, failed=1, cancelled=2 * n, queued=100 + n) for n in range(14)
    )
    assert summed_up(spans, minutes=10) == [
        Span(at=BEGIN.replace(minute=50), done=1, failed=2, cancelled=2, queued=101),
        Span(at=BEGIN.replace(hour=10, minute=0), done=65, failed=10, cancelled=130, queued=111),
        Span(at=BEGIN.replace(hour=10, minute=10), done=25, failed=2, cancelled=50, queued=113),
    ]
    assert summed_up((), minutes=10) == []


def test_a_window_is_made_of_whole_spans_and_rows() -> None:
    for window in WINDOWS:
        assert window.spans * window.span_min == window.hours * 60
        assert window.row_min % window.span_min == 0
        assert 60 % window.row_min == 0
        assert window.labelled_min % window.span_min == 0
        assert window.hours <= 24, "tallies are kept by the minute for a day"
