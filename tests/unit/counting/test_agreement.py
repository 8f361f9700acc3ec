import pytest

from tests.acceptance.agreement import agreement, tokens_of


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Straße, ＰＹthon's\u00a0π", ["strasse", ",", "python", "'", "s", "π"]),
        ("py\u00adthon 3.11_x", ["python", "3", ".", "11_x"]),
        ("東京タワーtower", ["東", "京", "タ", "ワ", "ー", "tower"]),
        ("ไทย서버는", ["ไ", "ท", "ย", "서버는"]),
        (" \n", []),
    ],
)
def test_a_token_is_a_run_of_word_characters_or_one_sign(text: str, tokens: list[str]) -> None:
    assert tokens_of(text) == tokens


def test_pages_of_the_same_words_agree_whatever_stands_between_them() -> None:
    same = agreement("One\ntwo  three", "one two\tTHREE")

    assert (same.words, same.pairs, same.tokens, same.missing, same.extra) == (1, 1, 3, [], [])
    assert agreement("", " ").words == 1


def test_what_only_one_side_has_is_named_with_how_often() -> None:
    found = agreement("a a a b", "a c c d")

    assert found.words == 0.25
    assert found.missing == [("c", 2), ("d", 1)]
    assert found.extra == [("a", 2), ("b", 1)]


def test_words_run_together_and_words_left_out_lower_the_figure() -> None:
    assert agreement("onetwo three", "one two three").words == 0.4
    assert agreement("one", "one two three").words == 0.5
    assert agreement("", "one").words == 0


def test_another_order_shows_in_the_pairs_alone() -> None:
    found = agreement("three one two", "one two three")

    assert (found.words, found.pairs) == (1, 0.5)
