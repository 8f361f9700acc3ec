"""The answers of the API, to the byte: each release must still give what the files beside this one hold.

A new member of an answer is added to them; one that is there never changes its name, type or meaning.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.gateway.problems import PROBLEMS, Problem
from services.gateway.requests import check_request
from services.gateway.stats import ChecksStats, DueStats, FetcherStats, HostStats, QueueStats, Stats, TopicStats
from services.gateway.views import AttemptList, CheckList, attempt_view, check_view
from shared.errors import ERRORS

FOLDER = Path(__file__).parent / "api"
ID = UUID("01a1fdbd-8d7a-7129-ade8-71f848e070aa")
STARTED = datetime(2026, 11, 21, 10, 53, 40, 650_000, tzinfo=UTC)

ASKED: dict[str, Any] = {
    "id": ID,
    "url": "http://example.org/about",
    "words": ["python", "open source"],
    "scope": "text",
    "whole_word": True,
    "case_sensitive": False,
    "bulk": False,
    "line": None,
    "label": None,
    "attempts": 0,
}
UNKNOWN = dict.fromkeys(
    (
        *("next_attempt_at", "started_at", "finished_at", "counts", "total", "rule_version", "snippets", "error_code"),
        *("error_detail", "http_status", "final_url", "redirects", "address", "title", "content_type", "charset"),
        *("bytes", "timings_ms"),
    )
)
ENDED = {"started_at": STARTED, "finished_at": STARTED + timedelta(milliseconds=182), "attempts": 1}
ROWS: dict[str, dict[str, Any]] = {
    "queued": ASKED | UNKNOWN | {"status": "queued"},
    "retried": ASKED | UNKNOWN | {"status": "queued", "attempts": 1, "next_attempt_at": STARTED},
    "failed": ASKED | UNKNOWN | ENDED | {"status": "failed", "error_code": "http_error", "http_status": 404},
    "done": ASKED
    | ENDED
    | {
        "status": "done",
        "label": "team page",
        "counts": '{"python": 12, "open source": 3}',
        "total": 15,
        "rule_version": 1,
        "snippets": '{"python": [{"before": "we write ", "match": "Python", "after": " since 2009"}]}',
        "error_code": None,
        "error_detail": None,
        "http_status": 200,
        "final_url": "https://example.org/about/",
        "redirects": '["https://example.org/about/"]',
        "address": "93.184.216.34",
        "title": "About",
        "content_type": "text/html",
        "charset": "utf-8",
        "bytes": 48211,
        "next_attempt_at": None,
        "timings_ms": '{"dns": 3, "tls": 31, "count": 1, "parse": 1, "connect": 20, "download": 20, "first_byte": 90}',
    },
}
STATS = Stats(
    checks=ChecksStats(
        total=3,
        by_status={"queued": 1, "running": 0, "done": 2, "failed": 0, "cancelled": 0},
        finished_last_minute=2,
    ),
    due=DueStats(count=1, oldest_s=0.5),
    queues=QueueStats(topics={"commands": TopicStats(waiting=0, in_flight=1)}, unreached=["127.0.0.1:4150"]),
    rate_per_s=2,
    fetchers=[FetcherStats(id="f", version="0.1.0", capacity=64, in_flight=1, finished_last_s=2, seen_s_ago=0.1)],
    hosts=[
        HostStats(host="example.org", queued=1, leased=0, oldest_due_s=0.5, paused_until=None),
        HostStats(host="example.net", queued=1, leased=1, oldest_due_s=None, paused_until=STARTED),
    ],
)


ATTEMPTS: list[dict[str, Any]] = [
    {"run": 1, "attempt": 1, "started_at": None, "http_status": None, "error_code": "lost", "fetcher": None},
    {"run": 1, "attempt": 2, "started_at": STARTED, "http_status": 404, "error_code": "http_error", "fetcher": "f"},
    {"run": 2, "attempt": 3, "started_at": STARTED, "http_status": 200, "error_code": None, "fetcher": "f"},
]


def _golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def _sent(value: object) -> Any:
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize("name", ROWS)
def test_a_check(name: str) -> None:
    sent, golden = _sent(check_view(ROWS[name])), _golden(f"check-{name}")
    assert sent == golden
    assert list(sent) == list(golden)  # people read it


def test_a_list_of_checks() -> None:
    page = CheckList(items=[check_view(ROWS["done"])], next_cursor="c")
    assert _sent(page) == {"items": [_golden("check-done")], "next_cursor": "c"}


def test_the_attempts_of_a_check() -> None:
    rows = [row | {"finished_at": STARTED + timedelta(milliseconds=182)} for row in ATTEMPTS]
    sent, golden = _sent(AttemptList(items=[attempt_view(row) for row in rows])), _golden("attempts")
    assert sent == golden
    assert [list(item) for item in sent["items"]] == [list(item) for item in golden["items"]]


def test_stats() -> None:
    assert _sent(STATS) == _golden("stats")


def test_a_problem() -> None:
    with pytest.raises(Problem) as caught:
        check_request({"words": [""], "extra": 1})
    assert json.loads(caught.value.to_json()) == _golden("problem")


def test_every_code_keeps_its_status() -> None:
    assert {code: kind.status for code, kind in PROBLEMS.items()} == _golden("problem-statuses")


def test_every_reason_for_no_count_keeps_its_code() -> None:
    assert sorted(ERRORS) == _golden("error-codes")
