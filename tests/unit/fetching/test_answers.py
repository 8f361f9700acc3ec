from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from services.fetcher.fetching.answers import redirect_target, require_page, retry_after_s
from services.fetcher.fetching.bot_walls import is_wall_head, is_wall_page
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
    ("headers", "wall"),
    [
        ({"cf-mitigated": "challenge"}, True),
        ({"CF-Mitigated": " Challenge"}, True),
        ({"x-amzn-waf-action": "captcha"}, True),
        ({"X-Vercel-Mitigated": "challenge"}, True),
        ({"Server": "cloudflare", "CF-Ray": "1"}, False),
        ({"cf-mitigated": ""}, False),
        ({}, False),
    ],
)
def test_walls_by_their_headers(headers: dict[str, str], wall: bool) -> None:
    assert is_wall_head(CIMultiDict(headers)) is wall


@pytest.mark.parametrize(
    ("body", "wall"),
    [
        (b"<title>Just a moment...</title><script>window._cf_chl_opt = {}</script>", True),
        (b'<script id="anubis_challenge" type="application/json">', True),
        (b'<iframe src="/_Incapsula_Resource?CWUDNSAI=1">', True),
        (b"<p>" + b"python " * 1000 + b'<script src="/_Incapsula_Resource?SWJIYLWA=1">', False),
        (b"<h1>Just a moment...</h1> How we got rid of Cloudflare", False),
        (b"<code>&lt;script id=&quot;anubis_challenge&quot;&gt;</code>", False),
        (b"window._cf_chl_opt" + b" " * 100_000, False),
        (b"", False),
    ],
)
def test_walls_by_their_pages(body: bytes, wall: bool) -> None:
    assert is_wall_page(body) is wall
