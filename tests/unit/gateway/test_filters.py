from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.filters import NAMES, CheckFilter, first_id
from services.gateway.problems import Problem
from services.gateway.requests import list_request
from shared.ids import time_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _filter(**query: str) -> CheckFilter:
    return list_request(query.items()).wanted


def _pointers(query: list[tuple[str, str]]) -> list[str]:
    with pytest.raises(Problem) as caught:
        list_request(query)
    assert caught.value.code == "invalid_request"
    return [error.pointer for error in caught.value.errors]


def test_everything_given() -> None:
    assert _filter(
        status="failed",
        host="Example.ORG:80",
        label="team page",
        word="open source",
        batch_id="01A1FDBD-8D7A-7129-ADE8-71F848E070AA",
        error="http_error",
        http_status="404",
        url_prefix="HTTPS://Example.org/About",
        created_from="1970-01-01T00:00:00.001Z",
        created_to="1970-01-01T01:00:00.002+01:00",
    ) == CheckFilter(
        status="failed",
        host="example.org",
        label="team page",
        word="open source",
        batch_id=UUID("01a1fdbd-8d7a-7129-ade8-71f848e070aa"),
        error="http_error",
        http_status=404,
        url_prefixes=("https://example.org/About",),
        from_id=UUID(int=1 << 80),
        below_id=UUID(int=2 << 80),
    )


def test_nothing_given_lets_everything_through() -> None:
    assert _filter().is_empty
    assert not _filter(label="").is_empty


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("status", value) for value in ("", "Done", "done,failed", "all")),
        *(("host", value) for value in ("", "*.", "*", "*org", "a.*.org", "x/y", "a@b", "a b", "http://x", "x..y")),
        *(("host", value) for value in ("*.0.0.1", "*.[::1]", "x:99999", "\0", "\ud800")),
        *(("label", value) for value in ("x" * 201, "\0", "\ud800")),
        *(("word", value) for value in ("", "x" * 201, "\0")),
        *(("batch_id", value) for value in ("", "1", "{01a1fdbd-8d7a-7129-ade8-71f848e070aa}", "x" * 36)),
        *(("error", value) for value in ("", "HTTP_ERROR", "not_found", "x")),
        *(("http_status", value) for value in ("", "20", "2000", "+20", "²00", "abc", "2e2", "099")),
        *(("url_prefix", value) for value in ("", "http://", "ftp://x", "/x", "a@b", "x" * 2049, "a b/", "..//")),
        *(("url_prefix", value) for value in ("\0", "?x", "http:///x")),
    ],
)
def test_a_value_that_means_nothing_is_named(name: str, value: str) -> None:
    assert _pointers([(name, value)]) == [f"/{name}"]


def test_every_wrong_parameter_is_named() -> None:
    wrong = [(name, "\0") for name in (*NAMES, "limit", "page")]
    assert sorted(_pointers(wrong)) == sorted(f"/{name}" for name, _ in wrong)


@pytest.mark.parametrize("name", [*NAMES, "limit", "cursor"])
def test_a_parameter_is_given_once(name: str) -> None:
    good = {"batch_id": "01a1fdbd-8d7a-7129-ade8-71f848e070aa", "status": "done", "error": "lost", "http_status": "200"}
    value = good.get(name, "2026-01-01T00:00:00Z" if name.startswith("created") else "1")
    assert _pointers([(name, value), (name, value)]) == [f"/{name}"]


@pytest.mark.parametrize(
    ("given_host", "shown"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org.", "example.org"),
        ("example.org:443", "example.org"),
        ("example.org:8080", "example.org:8080"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.1", "127.0.0.1"),
        ("[::1]:81", "[::1]:81"),
        ("*.Org", "*.org"),
        ("*.example.org:8080", "*.example.org:8080"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
    ],
)
def test_a_host_is_brought_into_the_form_of_host_keys(given_host: str, shown: str) -> None:
    assert _filter(host=given_host).host == shown


@pytest.mark.parametrize(
    ("prefix", "meant"),
    [
        ("http://example.org/a", ["http://example.org/a"]),
        ("Https://Exa", ["https://exa"]),
        ("example.org", ["http://example.org", "https://example.org"]),
        ("Example.org/A%20b?C", ["http://example.org/A%20b?C", "https://example.org/A%20b?C"]),
        ("http://example.org:80/a", ["http://example.org/a"]),
        ("example.org:80/a", ["http://example.org/a", "https://example.org:80/a"]),
        ("http://bücher.example/é", ["http://xn--bcher-kva.example/%C3%A9"]),
        ("http://example.org/?u=ftp://x", ["http://example.org/?u=ftp://x"]),
        ("example.org/?u=ftp://x", ["http://example.org/?u=ftp://x", "https://example.org/?u=ftp://x"]),
        ("http://example.org?a", ["http://example.org/?a"]),
        ("http://example.org/a_b%", ["http://example.org/a_b%"]),
    ],
)
def test_a_prefix_is_compared_with_the_normal_form(prefix: str, meant: list[str]) -> None:
    assert list(_filter(url_prefix=prefix).url_prefixes) == meant


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1500),
        ("1970-01-01T00:00:00.0001Z", 1),  # rounded up: .000 is before it
        ("1970-01-01T00:00:00.0010000Z", 1),
        ("1970-01-01T00:00:00.9990001Z", 1000),
        ("1970-01-01T00:00:60Z", 60_000),
        ("1970-01-01T05:30:00+05:30", 0),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1970-01-01T01:00:00 01:00", 0),  # a plus sign that the URL did not escape
        ("1970-01-01 00:00:01Z", 1000),
        ("1969-12-31T23:59:59Z", 0),  # no check is as old as that
        ("0001-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59.9999-23:59", 253_402_387_140_000),
    ],
)
def test_a_time_is_the_first_id_that_is_not_before_it(text: str, milliseconds: int) -> None:
    assert first_id(text).int == milliseconds << 80


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-01-01", "2026-01-01T00:00Z", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        *("2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z"),
        *("2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00+0100", "1767225600", "now"),
        *("2026-01-01T00:00:00.Z", "２026-01-01T00:00:00Z", "2026-01-01T00:00:00Z ", "2026-01-01T00:00:00,5Z"),
    ],
)
def test_what_is_no_time_with_an_offset_is_refused(text: str) -> None:
    assert _pointers([("created_from", text)]) == ["/created_from"]


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2500, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
    st.integers(1 << 80, 10**15 << 80),
)
def test_ids_are_compared_as_their_times_are(moment: datetime, offset_min: int, number: int) -> None:
    at = moment.replace(tzinfo=UTC)
    shown = (at + timedelta(minutes=offset_min)).replace(tzinfo=None).isoformat()
    text = f"{shown}{'-' if offset_min < 0 else '+'}{abs(offset_min) // 60:02}:{abs(offset_min) % 60:02}"
    bound = first_id(text)
    for check_id in (UUID(int=number % (10**13 << 80)), bound, UUID(int=bound.int - 1)):
        assert (check_id >= bound) == (time_of(check_id) >= at)


def test_lists_with_the_same_filter_have_the_same_name_and_others_not() -> None:
    filters: list[dict[str, Any]] = [{}, {"host": "a.org"}, {"label": "a.org"}, {"host": "*.a.org"}, {"word": "a.org"}]
    assert len({_filter(**each).list_name() for each in filters}) == len(filters)
    assert _filter(host="A.org:80").list_name() == _filter(host="a.org").list_name()
    one, other = "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"
    assert _filter(created_from=one).list_name() == _filter(created_from=other).list_name()
    assert _filter(created_from=one).list_name() != _filter(created_to=one).list_name()
