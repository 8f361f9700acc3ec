from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.fetcher.fetching.answers import coding_of, content_type_of, redirect_target, require_page, retry_after_s
from shared.errors import FetchError

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 226, 299])
def test_a_page_may_come(status: int) -> None:
    require_page(status, {}, NOW)


@pytest.mark.parametrize(
    ("status", "headers", "target"),
    [
        (301, {"location": "/a"}, "/a"),
        (308, {"Location": "/a"}, "/a"),
        (302, {}, None),
        (302, {"Location": ""}, None),
        (300, {"Location": "/a"}, None),
        (304, {"Location": "/a"}, None),
        (201, {"Location": "/a"}, None),
    ],
)
def test_redirect_target(status: int, headers: dict[str, str], target: str | None) -> None:
    assert redirect_target(status, CIMultiDict(headers)) == target


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": " 120 "}, 120),
        ({"Retry-After": "9" * 5000}, 999_999_999),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "１２"}, None),
        ({"Retry-After": "later"}, None),
        ({"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30),
        ({"Retry-After": "Thursday, 01-Jan-26 12:00:30 GMT"}, 30),
        ({"Retry-After": "Thu Jan  1 12:00:30 2026"}, 30),
        ({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0),
        ({"Retry-After": "Thu, 01 Jan 2026 14:00:30 +0200"}, 30),
        ({"Retry-After": "Wed, 01 Jan 2020 00:01:00 GMT", "Date": "Wed, 01 Jan 2020 00:00:00 GMT"}, 60),
        ({"Retry-After": "Thu, 01 Jan 2026 12:00:30 GMT", "Date": "yesterday"}, 30),
        ({"Retry-After": "Thu, 99 Jan 2026 12:00:30 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], pause_s: float | None) -> None:
    assert retry_after_s(CIMultiDict(headers), NOW) == pause_s


@given(st.text(), st.text())
def test_no_retry_after_breaks_the_reader(value: str, date: str) -> None:
    pause_s = retry_after_s({"Retry-After": value, "Date": date}, NOW)
    assert pause_s is None or pause_s >= 0


@given(st.integers(100, 999))
def test_every_status_has_a_meaning(status: int) -> None:
    try:
        require_page(status, {}, NOW)
    except FetchError as error:
        assert error.http_status == status  # noqa: PT017 - either is right
    else:
        assert 200 <= status <= 299


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ([], None),
        ([("Content-Type", "text/html")], "text/html"),
        ([("Content-Type", "text/html"), ("content-type", "image/png")], "image/png"),
        ([("Content-Type", "text/html"), ("content-type", "junk")], "text/html"),
        ([("Content-Type", "")], ""),
    ],
)
def test_content_type(headers: list[tuple[str, str]], content_type: str | None) -> None:
    assert content_type_of(CIMultiDict(headers)) == content_type


@pytest.mark.parametrize(
    ("headers", "coding"),
    [
        ([], ""),
        ([("Content-Encoding", "gzip")], "gzip"),
        ([("Content-Encoding", "gzip"), ("content-encoding", "br")], "gzip,br"),
        ([("Transfer-Encoding", "chunked"), ("Content-Encoding", "br")], "br"),
        ([("Transfer-Encoding", "Identity, chunked")], ""),
    ],
)
def test_coding(headers: list[tuple[str, str]], coding: str) -> None:
    assert coding_of(CIMultiDict(headers)) == coding


@pytest.mark.parametrize("value", ["gzip", "gzip, chunked", "\udcff"])
def test_a_transfer_encoding_that_nobody_asked_for(value: str) -> None:
    with pytest.raises(FetchError, match="decompression_failed"):
        coding_of(CIMultiDict({"Transfer-Encoding": value}))
