from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.inputs import MAX_WORDS_BYTES, Words, limit_of
from services.gateway.problems import Problem
from services.gateway.requests import (
    check_request,
    list_request,
    no_parameters,
)
from shared.messages import Question

MAX_WORDS = limit_of(Words, "max_length")

URL = {"url": "example.org"}


def _wrong(values: dict[str, Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        check_request(values)
    return caught.value


def _pointers(values: dict[str, Any]) -> list[str]:
    return [error.pointer for error in _wrong(values).errors]


def test_an_address_alone_means_the_defaults() -> None:
    asked = check_request({"url": " Example.org "})
    assert (asked.url, asked.host, asked.label) == ("http://example.org/", "example.org", None)
    assert asked.question == Question(words=("python",), scope="text", whole_word=True, case_sensitive=False)


def test_everything_given() -> None:
    asked = check_request(
        {
            "url": "https://example.org:8443/x?y",
            "words": ["b", "a", "b", "A"],
            "scope": "source",
            "whole_word": False,
            "case_sensitive": True,
            "label": "l" * 200,
        }
    )
    assert asked.host == "example.org:8443"
    assert asked.question == Question(words=("b", "a", "A"), scope="source", whole_word=False, case_sensitive=True)


@pytest.mark.parametrize(
    ("values", "pointers"),
    [
        ({}, ["/url"]),
        ({"url": None}, ["/url"]),
        ({"url": 7}, ["/url"]),
        ({"url": ""}, ["/url"]),
        ({"url": "example.org/" + "x" * 2048}, ["/url"]),
        ({"url": "http://user@example.org/"}, ["/url"]),
        (URL | {"words": None}, ["/words"]),
        (URL | {"words": []}, ["/words"]),
        (URL | {"words": "python"}, ["/words"]),
        (URL | {"words": {"0": "python"}}, ["/words"]),
        (URL | {"words": ["x"] * (MAX_WORDS + 1)}, ["/words"]),
        (URL | {"words": ["x" * 201, "y", "x" * 200]}, ["/words/0"]),
        (URL | {"words": ["", " ", "\u200b\u00ad", 1, None, ["x"]]}, [f"/words/{index}" for index in range(6)]),
        (URL | {"words": ["a\0b"]}, ["/words/0"]),
        (URL | {"words": ["a\ud800b"]}, ["/words/0"]),
        (URL | {"words": [f"{number}" + "入" * 196 for number in range(200)]}, ["/words"]),
        (URL | {"scope": "Text"}, ["/scope"]),
        (URL | {"scope": None}, ["/scope"]),
        (URL | {"scope": ["text"]}, ["/scope"]),
        (URL | {"whole_word": 1}, ["/whole_word"]),
        (URL | {"whole_word": "true"}, ["/whole_word"]),
        (URL | {"case_sensitive": None}, ["/case_sensitive"]),
        (URL | {"label": 7}, ["/label"]),
        (URL | {"label": "x" * 201}, ["/label"]),
        (URL | {"label": "a\0"}, ["/label"]),
        (URL | {"batch_id": None, "Words": []}, ["/batch_id", "/Words"]),
        (URL | {"a/b": 1, "~": 1, "": 1}, ["/a~1b", "/~0", "/"]),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], pointers: list[str]) -> None:
    assert _pointers(values) == pointers


def test_all_of_it_is_named_at_once() -> None:
    wrong = _wrong({"words": ["", "x", 3], "scope": 1, "whole_word": 0, "case_sensitive": "", "label": 1, "more": 1})
    assert [error.pointer for error in wrong.errors] == (
        ["/url", "/scope", "/words/0", "/words/2", "/whole_word", "/case_sensitive", "/label", "/more"]
    )
    assert wrong.code == "invalid_request"
    assert wrong.kind.status == 422
    assert "7 more" in wrong.detail


def test_a_wrong_scope_does_not_hide_what_is_wrong_with_the_words() -> None:
    assert _pointers(URL | {"scope": "x", "words": [""]}) == ["/scope", "/words/0"]


def test_an_address_that_cannot_be_fetched_has_a_code_of_its_own_when_nothing_else_is_wrong() -> None:
    assert _wrong({"url": "ftp://example.org"}).code == "invalid_url"
    assert _wrong({"url": "ftp://example.org", "more": 1}).code == "invalid_request"
    assert _wrong({"url": 7}).code == "invalid_request"


def test_an_answer_does_not_grow_with_nonsense() -> None:
    assert len(_wrong({f"field{number}": 1 for number in range(50_000)}).errors) == 1_000


def test_words_may_be_as_many_and_as_long_as_is_said() -> None:
    many = [f"w{number}" for number in range(MAX_WORDS)]
    assert check_request(URL | {"words": many}).question.words == tuple(many)
    large = [f"{number:03}" + "x" * 197 for number in range(MAX_WORDS_BYTES // 200)]
    assert len(check_request(URL | {"words": large}).question.words) == len(large)
    assert check_request(URL | {"words": ["x" * 200] * MAX_WORDS}).question.words == ("x" * 200,)


def test_in_the_source_a_blank_can_be_counted() -> None:
    assert check_request(URL | {"words": [" "], "scope": "source"}).question.words == (" ",)


def test_the_digest_is_the_same_for_the_same_question_however_it_is_put() -> None:
    short = check_request(URL)
    long = check_request(
        {"label": None, "words": ["python", "python"], "url": "HTTP://EXAMPLE.ORG:80/#x", "whole_word": True}
    )
    assert short.digest() == long.digest()


def test_an_empty_label_is_none() -> None:
    assert check_request(URL | {"label": ""}) == check_request(URL)


def test_the_digest_differs_with_anything_asked_for() -> None:
    others: list[dict[str, Any]] = [
        {},
        {"url": "example.org/x"},
        {"words": ["a", "b"]},
        {"words": ["b", "a"]},
        {"words": ["a b"]},
        {"scope": "source"},
        {"whole_word": False},
        {"case_sensitive": True},
        {"label": "x"},
    ]
    assert len({check_request(URL | other).digest() for other in others}) == len(others)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["url", "words", "scope", "whole_word", "case_sensitive", "label"]) | st.text()


@given(st.dictionaries(FIELDS, JSON_VALUES))
def test_any_object_is_a_request_or_a_problem_that_names_fields(values: dict[str, Any]) -> None:
    try:
        asked = check_request(values)
    except Problem as found:
        problem = found
    else:
        assert asked.url.startswith("http")
        assert 1 <= len(asked.question.words) <= MAX_WORDS
        return
    assert problem.errors
    assert problem.kind.status == 422
    assert b'"errors":[{' in problem.to_json()


@pytest.mark.parametrize(("limit", "expected"), [(None, 50), ("1", 1), ("500", 500), ("007", 7)])
def test_limit(limit: str | None, expected: int) -> None:
    query = [] if limit is None else [("limit", limit)]
    assert list_request(query).limit == expected


@pytest.mark.parametrize("limit", ["0", "501", "-1", "+5", "1.0", "", " 1", "x", "٣", "9" * 5000])
def test_no_limit(limit: str) -> None:
    with pytest.raises(Problem) as caught:
        list_request([("limit", limit)])
    assert [error.pointer for error in caught.value.errors] == ["/limit"]


def test_parameters_that_are_unknown_or_given_twice() -> None:
    with pytest.raises(Problem) as caught:
        list_request([("limit", "1"), ("page", "2"), ("limit", "2")])
    assert [error.pointer for error in caught.value.errors] == ["/limit", "/page"]
    with pytest.raises(Problem):
        no_parameters([("x", "")])
    no_parameters([])
