"""The quick matcher and the slow one that is written from the rule agree."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.fetcher.counting.matching import occurrences
from services.fetcher.counting.prepared import Prepared
from shared.messages import Scope
from shared.wording import prepare_query
from tests.unit.counting import reference

# Few characters, so that matches happen; each for a reason: case, expansion, ligature, compatibility, marks that
# compose or not, what takes no room, white space, apostrophes, digits, scripts without edges,
# Hangul whole and in parts.
ALPHABET = (
    "aAbBiIsStf_1- .'’"
    "ßẞﬁﬀ™①²½…éÉİıſΣςσǰŉΐ<"
    "\u0301\u0327\u0345\u0338\u030c"
    "\u00ad\u200b\u200d\u2060\ufeff\ufe0f\u200e"
    "\t\n\u00a0\u3000\u0085´"
    "日本々ーサﾊﾞかไทยကខ"
    "가각서ᄀ\u1161\u11a8ㄱㅏᅡ"
    "हिन्दیم𝐀🎉"
)
texts = st.text(ALPHABET, max_size=30)
scopes: st.SearchStrategy[Scope] = st.sampled_from(["text", "source"])


@st.composite
def text_and_word(draw: st.DrawFn) -> tuple[str, str]:
    """A text, and a word that is likely to be in it."""
    text = draw(texts)
    start = draw(st.integers(0, len(text)))
    piece = text[start : start + draw(st.integers(1, 4))]
    word = draw(st.sampled_from([piece, piece.swapcase(), piece.upper()]) | st.text(ALPHABET, min_size=1, max_size=3))
    return text, word


@settings(max_examples=1_500)
@given(text_and_word(), scopes, st.booleans(), st.booleans())
@example(("x①python ﬀx", "fx"), "text", True, False)
@example(("Python™ tm", "tm"), "text", True, False)
@example(("e\u0327\u0301e\u0327", "\u0229"), "text", True, False)
@example(("aaa\u00ada", "aa"), "text", False, True)
def test_same_places_are_found(case: tuple[str, str], scope: Scope, whole_word: bool, case_sensitive: bool) -> None:
    text, word = case
    haystack = Prepared(text, scope, case_sensitive=case_sensitive)
    query = prepare_query(word, scope, case_sensitive=case_sensitive)
    found = occurrences(haystack, query, whole_word=whole_word) if query else iter(())

    assert [haystack.span(*span) for span in found] == reference.spans(
        text, word, scope, whole_word=whole_word, case_sensitive=case_sensitive
    )


@settings(max_examples=300)
@given(texts, st.text(ALPHABET, min_size=1, max_size=3))
def test_source_case_sensitive_substring_is_str_count(text: str, word: str) -> None:
    haystack = Prepared(text, "source", case_sensitive=True)

    assert sum(1 for _ in occurrences(haystack, word, whole_word=False)) == text.count(word)


@settings(max_examples=300)
@given(st.text(), st.text(min_size=1, max_size=2))
def test_source_is_str_count_for_any_text(text: str, word: str) -> None:
    haystack = Prepared(text, "source", case_sensitive=True)

    assert sum(1 for _ in occurrences(haystack, word, whole_word=False)) == text.count(word)


@settings(max_examples=500)
@given(st.text() | texts, scopes, st.booleans())
def test_every_place_can_be_traced_back(text: str, scope: Scope, case_sensitive: bool) -> None:
    haystack = Prepared(text, scope, case_sensitive=case_sensitive)

    ends = [haystack.span(at, at + 1) for at in range(len(haystack.text))]

    assert all(0 <= start < end <= len(text) for start, end in ends)
    assert ends == sorted(ends)


@settings(max_examples=100)
@given(st.lists(st.sampled_from("\u0301\u0327\u0345\u0308ẽ.ΐı"), min_size=25, max_size=150).map("".join), texts)
def test_places_after_long_runs_of_marks_can_be_traced_back(marks: str, text: str) -> None:
    haystack = Prepared(f"e{marks} fig {text}", "text", case_sensitive=False)

    found = [haystack.span(*span) for span in occurrences(haystack, "fig", whole_word=True)]

    assert (len(marks) + 2, len(marks) + 5) in found
