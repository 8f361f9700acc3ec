from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.gateway.views import ErrorView, SnippetView, attempt_view, check_view
from shared.ids import time_of

ID = UUID("01a1fdbd-8d7a-7129-ade8-71f848e070aa")
STARTED = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def a_row(**changes: Any) -> dict[str, Any]:
    """A row of a check that nobody has looked at yet."""
    asked = {
        "id": ID,
        "url": "http://example.org/",
        "words": ["python", "open source"],
        "scope": "text",
        "whole_word": True,
        "case_sensitive": False,
        "bulk": False,
        "line": None,
        "status": "queued",
        "attempts": 0,
    }
    unknown = (
        *("label", "next_attempt_at", "started_at", "finished_at", "counts", "total", "rule_version", "snippets"),
        *("error_code", "error_detail", "http_status", "final_url", "redirects", "address", "title", "content_type"),
        *("charset", "bytes", "timings_ms"),
    )
    return asked | dict.fromkeys(unknown) | changes


def test_what_is_not_known_is_null() -> None:
    view = check_view(a_row())
    assert view.created_at == time_of(ID)
    assert view.redirects == []
    assert (view.counts, view.total, view.snippets, view.error, view.timings_ms, view.duration_ms) == (None,) * 6
    assert not view.is_final


def test_words_stand_in_the_order_asked_for() -> None:
    # As jsonb gives them back: the shorter key first.
    view = check_view(
        a_row(
            status="done",
            words=["zebra", "a", "python"],
            counts='{"a": 0, "zebra": 1, "python": 2}',
            total=3,
            snippets='{"zebra": [{"before": "", "match": "Zebra", "after": "!"}], "python": []}',
        )
    )
    assert view.counts is not None
    assert list(view.counts.items()) == [("zebra", 1), ("a", 0), ("python", 2)]
    assert view.snippets == {"zebra": [SnippetView(before="", match="Zebra", after="!")], "python": []}
    assert view.is_final


def test_phases_stand_in_the_order_in_which_they_happen() -> None:
    view = check_view(a_row(timings_ms='{"dns": 1, "new": 9, "parse": 2, "connect": 3, "first_byte": 0}'))
    assert view.timings_ms is not None
    assert list(view.timings_ms) == ["dns", "connect", "tls", "first_byte", "download", "parse", "count", "new"]
    assert [view.timings_ms[phase] for phase in ("first_byte", "tls")] == [0, None]


def test_duration_is_from_start_to_finish() -> None:
    view = check_view(a_row(started_at=STARTED, finished_at=STARTED + timedelta(milliseconds=182.4)))
    assert view.duration_ms == 182
    assert check_view(a_row(started_at=STARTED)).duration_ms is None


def test_an_error_has_a_sentence_with_what_was_seen_and_a_hint() -> None:
    view = check_view(a_row(status="failed", error_code="dns_not_found", error_detail="NXDOMAIN"))
    assert view.error == ErrorView(
        "dns_not_found",
        "There is no host of this name. (NXDOMAIN)",
        "Look for a typing error in the host name.",
    )


def test_an_error_of_a_newer_release_can_be_shown() -> None:
    error = check_view(a_row(status="failed", error_code="never_heard_of")).error
    assert error is not None
    assert error.code == "never_heard_of"
    assert error.message
    assert error.hint


def test_a_long_detail_is_cut() -> None:
    error = check_view(a_row(status="failed", error_code="internal", error_detail="x" * 10_000)).error
    assert error is not None
    assert len(error.message) < 400
    assert error.message.endswith("…)")


def test_an_attempt_that_nobody_has_heard_of() -> None:
    unknown = dict.fromkeys(("started_at", "http_status", "fetcher"))
    view = attempt_view(unknown | {"run": 2, "attempt": 5, "finished_at": STARTED, "error_code": "lost"})
    assert (view.run, view.attempt, view.started_at, view.finished_at) == (2, 5, None, STARTED)
    assert view.error is not None
    assert view.error.code == "lost"
    assert view.error.message
    assert view.error.hint


def test_an_attempt_that_counted_has_no_error() -> None:
    row = {"run": 1, "attempt": 1, "started_at": STARTED, "finished_at": STARTED, "http_status": 200, "fetcher": "f"}
    assert attempt_view(row | {"error_code": None}).error is None
