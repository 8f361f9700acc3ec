from typing import Any

import pytest

from services.gateway.problems import Problem
from services.gateway.requests import DEFAULT_QUESTION
from services.gateway.uploads.formats import kind_of_name, kind_of_type
from services.gateway.uploads.options import of_form, of_json, of_query, split_words
from shared.messages import Question

ALL = [
    ("words", "a; b c ;;a"),
    ("scope", "source"),
    ("whole_word", "false"),
    ("case_sensitive", "true"),
    ("label", "spring"),
    ("words", "d"),
]
ASKED = Question(words=("a", "b c", "d"), scope="source", whole_word=False, case_sensitive=True)


def test_a_batch_that_says_nothing_is_asked_for_the_defaults() -> None:
    for options in (of_query([]), of_form([]), of_json({"items": []})[0]):
        assert (options.defaults.question, options.label) == (DEFAULT_QUESTION, None)
    assert Question(words=("python",)) == DEFAULT_QUESTION


def test_all_options_in_each_way() -> None:
    body = {"words": ["a", "b c", "a", "d"], "scope": "source", "whole_word": False, "case_sensitive": True}
    of_body, items = of_json({**body, "label": "spring", "items": [{"url": "x"}, 1]})
    for options in (of_query(ALL), of_form(ALL), of_body):
        assert (options.defaults.question, options.label) == (ASKED, "spring")
    assert items == [{"url": "x"}, 1]


def test_what_a_form_leaves_blank_is_not_said() -> None:
    blank = [(name, " ") for name, _ in ALL]
    assert of_form(blank) == of_query([])
    assert of_form([("words", "a\r\nb;c\n")]).defaults.question.words == ("a", "b", "c")
    assert split_words(" ;\n; ") == []


@pytest.mark.parametrize(
    ("pairs", "pointers"),
    [
        ([("words", "")], ["/words"]),
        ([("words", " ; ")], ["/words"]),
        ([("words", "ok;" + "x" * 201)], ["/words/1"]),
        ([("words", "\u200b")], ["/words/0"]),
        ([("scope", "page")], ["/scope"]),
        ([("scope", "text"), ("scope", "text")], ["/scope"]),
        ([("whole_word", "1"), ("case_sensitive", "")], ["/whole_word", "/case_sensitive"]),
        ([("whole_word", "True")], ["/whole_word"]),
        ([("label", "x" * 201)], ["/label"]),
        ([("word", "x"), ("items", "[]")], ["/word", "/items"]),
        ([("n/a", "y"), ("n/a", "z")], ["/n~1a", "/n~1a"]),
        ([("case_sensitive", "x"), ("scope", "y"), ("n/a", "z")], ["/scope", "/case_sensitive", "/n~1a"]),
    ],
)
def test_each_wrong_option_is_named(pairs: list[tuple[str, str]], pointers: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        of_query(pairs)
    assert caught.value.code == "invalid_request"
    assert [error.pointer for error in caught.value.errors] == pointers


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/items"]),
        ({"items": None}, ["/items"]),
        ({"items": {"url": "x"}}, ["/items"]),
        ({"items": [], "words": "a;b"}, ["/words"]),
        ({"items": [], "whole_word": "true"}, ["/whole_word"]),
        ({"item": [], "words": [1]}, ["/items", "/words/0", "/item"]),
        ({"items": [], "url": "x"}, ["/url"]),
    ],
)
def test_each_wrong_field_is_named(body: dict[str, Any], pointers: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        of_json(body)
    assert caught.value.code == "invalid_request"
    assert [error.pointer for error in caught.value.errors] == pointers


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("text/csv", "csv"),
        ("Text/CSV", "csv"),
        ("application/x-ndjson", "ndjson"),
        ("text/plain", "text"),
        ("application/json", None),
        ("application/zip", None),
        ("", None),
    ],
)
def test_kinds_by_media_type(media_type: str, kind: str | None) -> None:
    assert kind_of_type(media_type) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "csv"),
        ("x/y z.CSV", "csv"),
        ("a.txt", "text"),
        ("a.b.ndjson", "ndjson"),
        ("A.Zip", "zip"),
        ("csv", None),
        ("a.csv/b", None),
        ("a.csv.gz", None),
        ("a.", None),
        ("", None),
    ],
)
def test_kinds_by_name(name: str, kind: str | None) -> None:
    assert kind_of_name(name) == kind
