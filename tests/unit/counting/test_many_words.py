"""Many words in one pass: exactly what a pass for each of them finds, whatever the page and the words are made for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.fetcher.counting import Question, count_page
from services.fetcher.counting.matching import find_all, occurrences
from services.fetcher.counting.prepared import Prepared
from services.fetcher.counting.snippets import PER_WORD, Span
from services.fetcher.counting.wordlist import FEW, LONGEST_KEY_CHARS, STRIDE_CHARS, WordList, symbols
from shared.messages import Scope
from tests.unit.counting import reference

# Few characters of each kind, so that words overlap, hold each other, and begin and end in each other.
ALPHABETS = (
    "ab",
    "aA_ -\0",
    "aeéÉe\u0301\u0327\u0338 ",
    "sSßẞfiﬁﬀİıΣςσ ",
    "가각서ᄀ\u1161\u11a8 a",
    "ไทยก日本Aa",
    "丁一七\u4f00\u4f01\u014e",  # of some of them the low bytes are the same
    "a…™²½ \u00ad\u200b\u00a0\t'’",
    "𝐀a🎉\U0001f689 \ud83c",
)
FILLER = tuple(f"qz{number}" for number in range(FEW + 1))  # so many that there is one pass
scopes: st.SearchStrategy[Scope] = st.sampled_from(["text", "source"])


@st.composite
def text_and_words(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text, and pieces of it, of its beginnings and of its endings, besides other words of its letters."""
    letters = draw(st.sampled_from(ALPHABETS))
    text = draw(st.text(letters, max_size=60)) * draw(st.sampled_from([1, 1, 3]))
    words = draw(st.lists(st.text(letters, min_size=1, max_size=5), max_size=8))
    for _ in range(draw(st.integers(0, 8))):
        start = draw(st.integers(0, max(0, len(text) - 1)))
        words.append(text[start : start + draw(st.integers(1, 2 * LONGEST_KEY_CHARS))] or "a")
    return text, words


def one_by_one(haystack: Prepared, words: WordList, *, whole_word: bool) -> Iterator[list[Span]]:
    for query in words.queries:
        yield list(occurrences(haystack, query, whole_word=whole_word))


def together(
    haystack: Prepared, words: WordList, *, whole_word: bool, stride_chars: int = STRIDE_CHARS
) -> list[tuple[int, list[Span]]]:
    assert not words.are_few
    found = find_all(haystack, words, whole_word=whole_word, stride_chars=stride_chars)
    return [(this.count, this.spans) for this in found]


@settings(max_examples=400, deadline=None)
@given(text_and_words(), scopes, st.booleans(), st.booleans(), st.integers(1, 80))
@example(("a" * 200, ["a" * n for n in range(1, 60)]), "text", False, True, 60)  # given up on the way
@example(("a-a-ab a-a", ["a-a", "a", "a-ab"]), "text", True, True, 3)
@example(("\u4e00", ["\u4f00"]), "text", True, True, 80)
def test_the_same_places_as_one_by_one(
    case: tuple[str, list[str]], scope: Scope, whole_word: bool, case_sensitive: bool, stride_chars: int
) -> None:
    text, asked = case
    words = WordList((*asked, "a"), scope, case_sensitive=case_sensitive, few=0)
    expected = one_by_one(Prepared(text, scope, case_sensitive=case_sensitive), words, whole_word=whole_word)
    haystack = Prepared(text, scope, case_sensitive=case_sensitive)
    found = together(haystack, words, whole_word=whole_word, stride_chars=stride_chars)

    assert list(found) == [(len(spans), spans[:PER_WORD]) for spans in expected]


@settings(max_examples=200, deadline=None)
@given(text_and_words().filter(lambda case: "\0" not in case[0]), scopes, st.booleans(), st.booleans())
def test_the_same_places_as_by_the_letter_of_the_rule(
    case: tuple[str, list[str]], scope: Scope, whole_word: bool, case_sensitive: bool
) -> None:
    text, asked = case
    words = WordList(tuple(asked), scope, case_sensitive=case_sensitive, few=0)
    haystack = Prepared(text, scope, case_sensitive=case_sensitive)
    found = find_all(haystack, words, whole_word=whole_word)

    for word in asked:
        spans = reference.spans(text, word, scope, whole_word=whole_word, case_sensitive=case_sensitive)
        place = words.by_word[word]
        assert (place is None) == (not reference.query_of(word, scope, case_sensitive=case_sensitive))
        if place is not None:
            assert found[place].count == len(spans)
            assert [haystack.span(*span) for span in found[place].spans] == spans[:PER_WORD]


@pytest.mark.parametrize("letter", ["x", "é", "日", "𝐱", "ﬁ "])
@pytest.mark.parametrize("whole_word", [True, False])
def test_words_across_the_edges_of_strides_are_found_once(letter: str, whole_word: bool) -> None:
    long = f"fig {'kiwi ' * 30}fig"  # longer than what of it is looked for first
    text = " ".join(f"{letter * n} fig {long}" for n in range(1, 400, 7))
    words = WordList((long, long[1:], "fig", "kiwi fig", letter), "text", case_sensitive=False, few=0)
    haystack = Prepared(text, "text", case_sensitive=False)
    spans = [(len(spans), spans[:PER_WORD]) for spans in one_by_one(haystack, words, whole_word=whole_word)]

    assert len(haystack.text) > STRIDE_CHARS
    assert together(haystack, words, whole_word=whole_word) == spans
    assert spans[0][0] == 57


@given(st.text() | st.text("\ud800\U0010ffff\0aé日"), st.text(max_size=3))
def test_symbols_are_as_long_as_the_text_and_equal_where_it_is(text: str, more: str) -> None:
    assert len(symbols(text)) == len(text)
    assert symbols(text + more) == symbols(text) + symbols(more)
    assert symbols(text) <= "\xff" * (len(text) + 1)


def test_case_variants_keep_their_lines_and_repeats_are_merged() -> None:
    question = Question(words=("Fig", "fig", "FIG", "fig", "ﬁg", *FILLER))
    page = count_page("<p>fig Fig ﬁg figs".encode(), "text/html; charset=utf-8", question)

    assert list(page.counts) == ["Fig", "fig", "FIG", "ﬁg", *FILLER]
    assert [page.counts[word] for word in ("Fig", "fig", "FIG", "ﬁg")] == [3, 3, 3, 3]
    assert page.total == 12
    assert [snippet.match for snippet in page.snippets["Fig"]] == ["fig", "Fig", "ﬁg"]


def test_a_word_of_nothing_is_counted_as_none_among_many() -> None:
    page = count_page(b"fig", "text/plain", Question(words=("\u200b", "fig", *FILLER)))

    assert (page.counts["\u200b"], page.counts["fig"]) == (0, 1)


def test_the_same_list_for_text_and_source() -> None:
    words = ("Fig", "ﬁg", *FILLER)
    body = "Fig fig ﬁg".encode()
    for scope, case_sensitive, counts in (("text", False, (3, 3)), ("source", False, (3, 3)), ("source", True, (1, 1))):
        question = Question(words=words, scope=scope, case_sensitive=case_sensitive)  # type: ignore[arg-type]
        page = count_page(body, "text/plain; charset=utf-8", question)
        assert (page.counts["Fig"], page.counts["ﬁg"]) == counts


def cpu_s(count: Callable[[], object]) -> float:
    """The least of three: what else the machine does must not decide."""
    took = []
    for _ in range(3):
        began = time.thread_time()
        count()
        took.append(time.thread_time() - began)
    return min(took)


def test_a_thousand_words_take_hardly_longer_than_one() -> None:
    body = ("<p>" + "the quick brown fox jumps over the lazy dog. " * 12).encode() * 600
    words = tuple(f"{syllable}{number}" for syllable in ("ov", "laz", "qui", "tho") for number in range(250))
    assert count_page(body, "text/html", Question(words=(*words, "lazy"))).total == 7_200

    one = cpu_s(lambda: count_page(body, "text/html", Question(words=words[:1])))
    thousand = cpu_s(lambda: count_page(body, "text/html", Question(words=words)))

    assert thousand < 8 * one  # about 2; one pass for each word takes over 30 times as long
