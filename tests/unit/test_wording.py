import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wording import attaches, fold, is_empty_query, prepare_query, tidy


@pytest.mark.parametrize(
    ("word", "prepared"),
    [
        ("Python", "python"),
        (" Open\u00a0 \u00adSource\n", "open source"),
        ("L’Été", "l'été"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("ΣΟΦΟΣ", "σοφοσ"),
        ("Ｐｙ", "py"),
        ("ﬁle", "file"),
        ("re\u0301sume\u0301", "résumé"),
        ("…", "..."),
        ("ｻｰﾊﾞ", "サーバ"),
        ("㎏ ™ ½", "kg tm 1⁄2"),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ud800"),
    ],
)
def test_query_of_text_is_prepared(word: str, prepared: str) -> None:
    assert prepare_query(word, "text", case_sensitive=False) == prepared


def test_case_is_kept_when_it_matters() -> None:
    assert prepare_query("Ｐy Straße", "text", case_sensitive=True) == "Py Straße"
    assert prepare_query("Ｐy", "source", case_sensitive=True) == "Ｐy"


def test_query_of_source_has_only_its_case_folded() -> None:
    assert prepare_query(" ﬁ\u00ad ’ß", "source", case_sensitive=False) == " fi\u00ad ’ss"


@pytest.mark.parametrize("word", ["", "\u200b", " ", "\u00a0\u2060\t", "\ufe0f"])
def test_nothing_left_of_a_query_of_text(word: str) -> None:
    assert is_empty_query(word, "text")
    assert is_empty_query(word, "source") == (word == "")


@given(st.text(max_size=40), st.booleans())
def test_folding_is_compatibility_caseless_comparison(text: str, case_sensitive: bool) -> None:
    expected = unicodedata.normalize("NFKC", text)
    if not case_sensitive:
        expected = unicodedata.normalize("NFKC", expected.casefold())

    assert fold(text, case_sensitive=case_sensitive) == expected.replace("’", "'")


@given(st.text("a \t\n\u00a0\u3000\u2028\u00ad\u200b\ufeffé", max_size=20))
def test_tidy_text_has_nothing_left_to_tidy(text: str) -> None:
    tidied = tidy(text)

    assert tidied == tidy(tidied)
    assert "  " in text or tidied == tidy(text, is_collapsed=True)
    assert tidied.strip(" ").split(" ") == "".join(
        c for c in text if c not in "\u00ad\u200b\ufeff"
    ).split() or not tidied.strip(" ")


def test_a_text_can_be_cut_before_every_character_that_does_not_attach() -> None:
    for code_point in (*range(0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE0200)):
        char = chr(code_point)
        if not attaches(char):
            assert not attaches(fold(char, case_sensitive=False)[0])
