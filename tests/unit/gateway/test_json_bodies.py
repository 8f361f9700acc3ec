import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from services.gateway.json_bodies import parse_object
from services.gateway.problems import Problem

VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), VALUES, max_size=3))
def test_what_json_can_say_comes_through(value: dict[str, Any]) -> None:
    assert parse_object(json.encode(value)) == json.decode(json.encode(value))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'a': 1}", b"[" * 50_000, b'"\xff"', b"\xef\xbb\xbf{}", b"{}x", b"NaN", b'{"a": "\\ud800"}', b"{,}"],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        parse_object(body)
    assert caught.value.code == "invalid_json"
    for internal in ("msgspec", "codec", "JSON is malformed"):
        assert internal not in caught.value.detail


@pytest.mark.parametrize(("opening", "inner", "closing"), [(b"[", b"", b"]"), (b'{"b":', b"1", b"}")])
def test_there_is_no_depth_between_what_is_read_and_what_is_refused(
    opening: bytes, inner: bytes, closing: bytes
) -> None:
    refused = []
    for depth in range(800, 1_001):
        try:
            parse_object(b'{"a":' + opening * depth + inner + closing * depth + b"}")
        except Problem as problem:
            refused.append((depth, problem.code))
    assert refused == [(depth, "invalid_json") for depth in range(1_001 - len(refused), 1_001)]
    assert refused


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1", b"true"])
def test_json_that_is_no_object(body: bytes) -> None:
    with pytest.raises(Problem, match="object") as caught:
        parse_object(body)
    assert (caught.value.code, caught.value.errors[0].pointer) == ("invalid_request", "")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5_000, "9" * 5_000 + "e1"])
def test_a_number_that_nothing_holds_is_called_so(number: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_object(f'{{"url": {number}}}'.encode())
    assert (caught.value.code, caught.value.kind.status) == ("invalid_request", 422)
    assert "out of range" in caught.value.errors[0].message


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ('{"url": "a", "url": "b"}', ["/url"]),
        ('{"url": "a", "url": "a"}', ["/url"]),
        ('{"url": "a", "\\u0075rl": "b"}', ["/url"]),
        ('{"b": 1, "a/~": 1, "b": 2, "a/~": 1, "b": 3}', ["/b", "/a~1~0"]),
        ('{"": 1, "": 2}', ["/"]),
        ('{"a": {"x": 1, "x": 2}}', [""]),
        ('{"a": [{"x": 1, "x": 2}, {}], "b": {"x": 1}}', [""]),
        ('{"a": {"x": 1, "x": 2}, "a": 1}', ["/a"]),
    ],
)
def test_a_name_that_stands_twice_is_pointed_at(body: str, pointers: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        parse_object(body.encode())
    assert caught.value.code == "invalid_request"
    assert [error.pointer for error in caught.value.errors] == pointers


def test_the_same_name_in_different_objects_is_no_repetition() -> None:
    assert parse_object(b'{"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 1}]}')["a"] == {"a": {"a": 1}}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [' + b"0," * 500_000 + b"0]}",
        b'{"a": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
        b"{" + b",".join(b'"%d":0' % number for number in range(90_000)) + b"}",
    ],
    ids=["long", "deep", "wide"],
)
def test_a_large_body_takes_no_time_to_speak_of(body: bytes) -> None:
    began_s = time.perf_counter()
    parse_object(body)
    assert time.perf_counter() - began_s < 2
