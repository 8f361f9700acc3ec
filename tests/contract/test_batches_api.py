"""The answers of the API about batches, to the byte: as test_api.py, with the files beside those."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.gateway.batches.views import BatchList, LineList, RetriedView, batch_view, line_view
from shared.ids import batch_id

FOLDER = Path(__file__).parent / "api"
BATCH = batch_id(UUID("01a1fdbd-8d7a-7129-ade8-71f848e070aa"))
CLOSED = datetime(2026, 11, 21, 10, 53, 40, 650_000, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)

RUNNING: dict[str, Any] = {
    "id": BATCH,
    "label": "march",
    "status": "running",
    "reason": None,
    "total": 1000,
    "queued": 300,
    "running": 20,
    "done": 600,
    "failed": 30,
    "cancelled": 0,
    "duplicates": 40,
    "invalid": 10,
    "finished_at": None,
    "running_since": CLOSED,
    "recent": 300.0,
    "recent_at": CLOSED + AN_HOUR,
    "now": CLOSED + AN_HOUR,
    "received": 0,
    "received_invalid": 0,
    "errors_by_code": '{"http_error": 29, "dns_not_found": 1}',
    "word_totals": '{"python": 7200, "open source": 15}',
}
BATCHES: dict[str, dict[str, Any]] = {
    "running": RUNNING,
    "receiving": RUNNING
    | dict.fromkeys(("total", "queued", "running", "done", "failed", "cancelled", "duplicates", "invalid"), 0)
    | {"status": "receiving", "label": None, "received": 500, "received_invalid": 2, "running_since": None}
    | {"errors_by_code": "{}", "word_totals": "{}"},
    "cancelled": RUNNING
    | {"status": "cancelled", "reason": "The upload broke off.", "queued": 0, "running": 0, "cancelled": 320}
    | {"finished_at": CLOSED + AN_HOUR},
}
LINE: dict[str, Any] = {
    "batch_id": BATCH,
    "line": 7,
    "text": "https://example.org/",
    "state": "done",
    "reason": None,
    "file": None,
    "first_line": None,
    "first_file": None,
    "error_code": None,
    "check_seq": 7,
}
LINES: dict[str, dict[str, Any]] = {
    "done": LINE,
    "failed": LINE | {"state": "failed", "error_code": "dns_not_found", "file": "pages/a.csv"},
    "duplicate": LINE | {"state": "duplicate", "line": 9, "first_line": 7, "check_seq": 7},
    "invalid": LINE | {"state": "invalid", "text": "not an address", "reason": "It is no address.", "check_seq": None},
}


def _is_as_in(name: str, value: object) -> None:
    sent = json.loads(msgspec.json.encode(value))
    golden = json.loads((FOLDER / f"{name}.json").read_text())
    assert sent == golden
    assert list(sent) == list(golden)  # people read it


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch(name: str) -> None:
    _is_as_in(f"batch-{name}", batch_view(BATCHES[name]))


@pytest.mark.parametrize("name", LINES)
def test_a_line(name: str) -> None:
    _is_as_in(f"line-{name}", line_view(LINES[name]))


def test_lists_of_batches_and_lines() -> None:
    _is_as_in("batches", BatchList(items=[batch_view(RUNNING)], next_cursor="c"))
    _is_as_in("lines", LineList(items=[line_view(LINE)], next_cursor=None))


def test_a_retry_of_many() -> None:
    _is_as_in("retried", RetriedView(id=BATCH, retried=12, finished=False))
