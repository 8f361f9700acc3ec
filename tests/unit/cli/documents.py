"""What the API answers, for tests of what is made of it."""

from typing import Any

ID = "01a1fef1-51c7-71fa-a09a-68f6349cca43"


def check(**different: Any) -> dict[str, Any]:
    """A check that is done."""
    return {
        "id": ID,
        "url": "http://example.org/about",
        "words": ["python", "open source"],
        "scope": "text",
        "whole_word": True,
        "case_sensitive": False,
        "label": "team page",
        "batch_id": None,
        "line": None,
        "status": "done",
        "counts": {"python": 1234, "open source": 0},
        "total": 1234,
        "rule_version": 1,
        "snippets": {"python": [{"before": "we write ", "match": "Python", "after": " since"}]},
        "error": None,
        "http_status": 200,
        "final_url": "http://example.org/about",
        "redirects": [],
        "address": "93.184.216.34",
        "title": "About",
        "content_type": "text/html",
        "charset": "utf-8",
        "bytes": 48211,
        "attempts": 1,
        "next_attempt_at": None,
        "created_at": "2026-11-21T16:29:50.407000Z",
        "started_at": "2026-11-21T16:29:50.632472Z",
        "finished_at": "2026-11-21T16:29:50.635640Z",
        "duration_ms": 3,
        "timings_ms": None,
    } | different


def failed_check(**different: Any) -> dict[str, Any]:
    """A check without a count."""
    error = {"code": "http_error", "message": "The server answered.", "hint": "Look for a typing error."}
    none = dict.fromkeys(("counts", "total", "snippets", "title", "content_type", "charset", "bytes"))
    return check(status="failed", http_status=404, error=error, **none) | different


def batch(**different: Any) -> dict[str, Any]:
    """A batch that is finished, all of it done."""
    return {
        "id": ID,
        "label": None,
        "status": "finished",
        "reason": None,
        "total": 1000,
        "queued": 0,
        "running": 0,
        "done": 991,
        "failed": 0,
        "cancelled": 0,
        "duplicates": 9,
        "invalid": 0,
        "percent": 100.0,
        "rate_per_s": None,
        "eta_s": None,
        "created_at": "2026-11-21T16:29:50.407000Z",
        "finished_at": "2026-11-21T16:30:50.407000Z",
        "errors_by_code": {},
        "word_totals": {"python": 8812},
    } | different


def stats(**different: Any) -> dict[str, Any]:
    """A stack at work."""
    return {
        "checks": {"total": 9, "by_status": {"done": 8, "failed": 1}, "finished_last_minute": 3},
        "due": {"count": 2, "oldest_s": 61.5},
        "queues": {"topics": {"commands": {"waiting": 0, "in_flight": 1}}, "unreached": []},
        "rate_per_s": 3,
        "fetchers": [
            {"id": "f-1", "version": "0.1.0", "capacity": 64, "in_flight": 5, "finished_last_s": 3, "seen_s_ago": 1.2}
        ],
        "hosts": [{"host": "example.org", "queued": 7, "leased": 1, "oldest_due_s": None, "paused_until": None}],
    } | different
