from typing import Any

import pytest

from services.gateway.batches.asking import batches_asked, export_asked, lines_asked
from services.gateway.batches.retrying import filter_to_retry
from services.gateway.filters import CheckFilter
from services.gateway.problems import Problem


def pointers(asking: Any, *given: Any) -> list[str]:
    with pytest.raises(Problem) as caught:
        asking(*given)
    assert caught.value.code == "invalid_request"
    return [error.pointer for error in caught.value.errors]


def test_pages_of_lists() -> None:
    assert batches_asked([]).limit == 50
    assert batches_asked([("status", "paused"), ("label", "x"), ("limit", "1")]).status == "paused"
    assert pointers(batches_asked, [("status", "done"), ("limit", "0"), ("x", "")]) == ["/status", "/limit", "/x"]
    assert lines_asked([("state", "duplicate")]).state == "duplicate"
    assert pointers(lines_asked, [("state", "finished"), ("state", "done"), ("limit", "501")]) == ["/state", "/limit"]


def test_formats_of_exports() -> None:
    assert export_asked([]) == "csv"
    assert export_asked([("format", "ndjson")]) == "ndjson"
    assert pointers(export_asked, [("format", "xlsx")]) == ["/format"]


def test_what_is_retried() -> None:
    assert filter_to_retry([], {}) == CheckFilter(status="failed")
    expected = CheckFilter(status="cancelled", host="example.org", http_status=404)
    assert filter_to_retry([("status", "cancelled"), ("host", "Example.org"), ("http_status", "404")], {}) == expected
    assert filter_to_retry([], {"status": "cancelled", "host": "example.org", "http_status": 404}) == expected
    assert filter_to_retry([("host", "example.org")], {"status": "cancelled", "http_status": 404}) == expected
    assert filter_to_retry([("host", "a")], {"host": "b"}) == CheckFilter(status="failed", host="b")


@pytest.mark.parametrize(
    ("query", "body", "wrong"),
    [
        ([("status", "done")], {}, ["/status"]),
        ([], {"status": "queued"}, ["/status"]),
        ([("limit", "5")], {}, ["/limit"]),
        ([("label", "a"), ("label", "a")], {}, ["/label"]),
        ([], {"label": None}, ["/label"]),
        ([], {"label": 7}, ["/label"]),
        ([], {"http_status": True}, ["/http_status"]),
        ([], {"http_status": "abc"}, ["/http_status"]),
        ([], {"words": ["a"]}, ["/words"]),
        ([("a/b~", "x"), ("a/b~", "y")], {}, ["/a~1b~0"]),
        ([("label", "a")], {"label": 7, "status": [], "x": 1}, ["/label", "/status", "/x"]),
    ],
)
def test_what_can_not_be_retried(query: list[tuple[str, str]], body: dict[str, Any], wrong: list[str]) -> None:
    assert set(pointers(filter_to_retry, query, body)) == set(wrong)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("http_status", True, "Must be a whole number from 100 to 999."),
        ("http_status", 404.5, "Must be a whole number from 100 to 999."),
        ("http_status", None, "Must be a whole number from 100 to 999."),
        ("http_status", {}, "Must be a whole number from 100 to 999."),
        ("status", 7, "Must be a string."),
        ("created_from", None, "Must be a string."),
        ("limit", 7, "Unknown field; known are: "),
    ],
)
def test_what_is_wrong_with_a_value_of_another_type(field: str, value: Any, message: str) -> None:
    with pytest.raises(Problem) as caught:
        filter_to_retry([], {field: value})
    (error,) = caught.value.errors
    assert (caught.value.kind.status, error.pointer) == (422, f"/{field}")
    assert error.message.startswith(message)
