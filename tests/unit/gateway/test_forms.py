import pytest

from services.gateway.forms import check_fields, messages, parse_form
from services.gateway.problems import FieldError, Problem


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"", {}),
        (b"address=example.org", {"address": "example.org"}),
        (b"address=a+b%26c&words=%E5%85%A5", {"address": "a b&c", "words": "入"}),
        (b"address=first&address=last&words=", {"address": "last", "words": ""}),
    ],
)
def test_parse_form(body: bytes, form: dict[str, str]) -> None:
    assert parse_form(body) == form


@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xc3\xa4", b"&".join([b"a=1"] * 101)])
def test_what_is_no_form(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        parse_form(body)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("a", ["a"]),
        ("a;b", ["a", "b"]),
        (" a b ;\r\n c\rd\n;;", ["a b", "c", "d"]),
        ("a,b", ["a,b"]),
    ],
)
def test_words_are_parted_by_lines_and_semicolons(words: str, expected: list[str]) -> None:
    assert check_fields({"address": "x", "words": words})["words"] == expected


def test_what_is_left_blank_is_left_to_the_defaults() -> None:
    form = {"address": "x", "words": " ;\n", "label": " ", "scope": "", "whole_word": "", "unheard-of": "1"}
    assert check_fields(form) == {"url": "x"}


def test_choices() -> None:
    form = {"address": "x", "whole_word": "false", "case_sensitive": "true", "scope": "source", "label": " l "}
    assert check_fields(form) == {
        "url": "x",
        "whole_word": False,
        "case_sensitive": True,
        "scope": "source",
        "label": "l",
    }
    assert check_fields({"address": "x", "whole_word": "on"})["whole_word"] == "on"  # for the validation to refuse


def test_a_missing_address_is_an_empty_one() -> None:
    assert check_fields({}) == {"url": ""}


def test_messages_stand_beside_the_fields_of_the_form() -> None:
    errors = [FieldError("/url", "Bad."), FieldError("/words/1", "Empty."), FieldError("/words/2", "Too long.")]
    assert messages([*errors, FieldError("/label", "Long.")]) == {
        "address": "Bad.",
        "words": "Word 2: Empty.",
        "label": "Long.",
    }
