import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.gateway.batches.export import CsvWriter, NdjsonWriter
from services.gateway.batches.views import batch_view, line_view
from shared.ids import batch_id, check_of, new_id

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BATCH: dict[str, Any] = {
    "id": batch_id(new_id()),
    "label": None,
    "status": "running",
    "reason": None,
    **dict.fromkeys(("total", "queued", "running", "done", "failed", "cancelled", "duplicates", "invalid"), 0),
    "finished_at": None,
    "running_since": NOW - timedelta(hours=1),
    "recent": 0.0,
    "recent_at": None,
    "now": NOW,
    "received": 0,
    "received_invalid": 0,
    "errors_by_code": "{}",
    "word_totals": "{}",
}


@pytest.mark.parametrize(
    ("counts", "percent"),
    [
        ({"total": 1_000, "queued": 10, "running": 4, "done": 986}, 98.6),
        ({"total": 100_000, "queued": 1, "done": 99_999}, 99.9),
        ({"total": 3, "queued": 1, "done": 1, "invalid": 1}, 66.6),
        ({"total": 3, "cancelled": 1, "duplicates": 1, "invalid": 1}, 100.0),
        ({"total": 0, "status": "cancelled"}, 100.0),
        ({"total": 0, "status": "receiving"}, 0.0),
        ({"status": "receiving", "received": 4, "received_invalid": 4}, 99.9),
        ({"status": "receiving", "received": 4, "received_invalid": 1}, 25.0),
    ],
)
def test_percent_is_never_100_too_early(counts: dict[str, Any], percent: float) -> None:
    assert batch_view(BATCH | counts).percent == percent


def test_of_an_upload_under_way_the_chunks_tell() -> None:
    view = batch_view(BATCH | {"status": "receiving", "received": 7, "received_invalid": 2})
    assert (view.total, view.queued, view.invalid, view.rate_per_s) == (7, 5, 2, None)


@pytest.mark.parametrize(
    ("recent", "since_s", "ago_s", "rate", "eta_s"),
    [
        (0.0, 3600, None, None, None),  # nothing has ended
        (300.0, 3600, 0, 10.0, 10),
        (300.0, 3600, 30, 3.679, 28),
        (300.0, 3600, 600, None, None),  # so long ago that it says nothing
        (10.0, 1, 0, 10.168, 10),  # a young batch
    ],
)
def test_the_pace_is_that_of_late(
    recent: float, since_s: int, ago_s: int | None, rate: float | None, eta_s: int | None
) -> None:
    at = None if ago_s is None else NOW - timedelta(seconds=ago_s)
    since = NOW - timedelta(seconds=since_s)
    row = BATCH | {"recent": recent, "recent_at": at, "running_since": since, "total": 100, "queued": 90, "running": 10}
    view = batch_view(row)
    assert (view.rate_per_s, view.eta_s) == (rate, eta_s)
    assert batch_view(row | {"status": "paused"}).rate_per_s is None


LINE: dict[str, Any] = {
    "batch_id": BATCH["id"],
    "seq": 7,
    "file": None,
    "line": 8,
    "text": "a",
    "reason": None,
    "first_line": None,
    "first_file": None,
    "state": "done",
    "check_seq": 7,
    "error_code": None,
    **dict.fromkeys(("url", "label", "http_status", "final_url", "title", "bytes", "attempts", "finished_at")),
    "words": ["b", "a"],
    "counts": '{"a": 1, "b": 2}',
    "total": 3,
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"state": "invalid", "reason": "It is wrong.", "check_seq": None}, "It is wrong."),
        ({"state": "duplicate", "first_line": 3}, "Asks for the same as line 3."),
        ({"state": "duplicate", "first_line": 3, "first_file": "x.csv"}, "Asks for the same as line 3 of x.csv."),
        ({"state": "failed", "error_code": "empty_body"}, None),
    ],
)
def test_a_line_says_why_there_is_no_count(changed: dict[str, Any], reason: str | None) -> None:
    view = line_view(LINE | changed)
    if view.state == "failed":
        assert view.reason is not None
    else:
        assert view.reason == reason
    assert view.check_id == (None if view.state == "invalid" else check_of(BATCH["id"], 7))


def rows_of(written: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written.decode(), newline="")))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_text_from_outside_is_a_formula(text: str) -> None:
    row = LINE | dict.fromkeys(("text", "label", "title", "url", "final_url", "file"), text)
    ((*cells,),) = rows_of(CsvWriter(["a"]).rows([row]))
    assert text not in cells
    assert cells.count(f"'{text}") == 6
    assert json.loads(NdjsonWriter().rows([row]))["text"] == text


def test_csv_has_a_column_for_each_word_and_all_counts() -> None:
    writer = CsvWriter(["b", "=c"])
    (names,), (cells, none) = rows_of(writer.head()), rows_of(writer.rows([LINE, LINE | {"counts": None}]))
    assert names[-3:] == ["count: b", "count: =c", "counts"]
    assert cells[-3:] == ["2", "", '{"b":2,"a":1}']  # in the order that was asked for
    assert none[-3:] == ["", "", ""]  # no count is never 0
    assert len(rows_of(CsvWriter([str(n) for n in range(1_000)]).head())[0]) == len(names) - 2 + 100


def test_ndjson_has_a_line_for_each() -> None:
    lines = NdjsonWriter().rows([LINE | {"text": 'a\n"b"'}, LINE]).splitlines()
    assert [json.loads(line)["text"] for line in lines] == ['a\n"b"', "a"]
    assert json.loads(lines[0])["counts"] == {"b": 2, "a": 1}
