"""How a word and a text are made comparable before one is looked for in the other.

Both sides of a search go through the same steps, so that what looks the same to a reader is the same:

1. what takes no room is removed: soft hyphens, zero-width characters, joiners, direction and variation marks;
2. a run of white space of any kind is one space;
3. compatibility composition (NFKC), full case folding unless the case matters, and NFKC again (Unicode
   Standard §3.13, "compatibility caseless match"); and ’ is '.

The gateway prepares words to refuse those of which nothing is left, the fetcher prepares words and pages.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from unicodedata import category, is_normalized, normalize

if TYPE_CHECKING:
    from shared.messages import Scope

IGNORED: Final = (
    "\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0100-\U000e01ef"
)
"""Characters that take no room, as the inside of a regular expression's `[…]`.

Soft hyphen, combining grapheme joiner, zero-width space and joiners, word joiner, byte order mark, invisible
operators, direction controls, and variation selectors (PropList.txt, DerivedCoreProperties.txt: the
Default_Ignorable_Code_Points that are not letters).
"""

WHITE_SPACE: Final = "\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space property (PropList.txt), as the inside of a regular expression's `[…]`."""

LONGEST_MARK_RUN: Final = 30
"""Marks in a row that are normalised together (UAX #15, Stream-Safe Text Format).

Python sorts a run of marks in quadratic time: 80,000 in a row, which a hostile page can hold, take 6 s.
"""

_MANY_CHANGES: Final = 16
"""From here on, one pass of `normalize` over the text is quicker than one of `str.replace` for each character."""

_LITTLE: Final = 2_048
"""Up to that many characters outside ASCII it is quicker to look at each kind of them than to normalise a page."""

_ASCII: Final = bytes(range(128))
_IGNORED_RUN: Final = re.compile(f"[{IGNORED}]+")
_WIDE_SPACE: Final = re.compile(f"[{WHITE_SPACE.replace(' ', '')}]")
_SPACE_RUN: Final = re.compile(" {2,}")


def rare_characters(text: str) -> str:
    """Return what of `text` is not ASCII, in order: most pages have little, so it is quick to look through."""
    if text.isascii():
        return ""
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")


def tidy(text: str, *, is_collapsed: bool = False) -> str:
    """Remove what takes no room and make each run of white space one space (steps 1 and 2).

    Args:
        text: what a person or a page says.
        is_collapsed: whether no two spaces stand side by side in it, for certain: to look takes longer than all else.
    """
    rare, given = rare_characters(text), text
    if rare and _IGNORED_RUN.search(rare):
        text = _IGNORED_RUN.sub("", text)
    for space in {*"\t\n\v\f\r", *_WIDE_SPACE.findall(rare)}:
        text = text.replace(space, " ")
    if is_collapsed and text is given:  # as it is when nothing was replaced
        return text
    return _SPACE_RUN.sub(" ", text) if "  " in text else text


def merges(text: str, *, case_sensitive: bool) -> bool:
    """Tell whether `fold` may do more to a text than change each character by itself."""
    rare = rare_characters(text)
    if len(rare) <= _LITTLE and not any(map(attaches, set(rare))):
        return False
    if is_normalized("NFKC", text):
        return not case_sensitive and not is_normalized("NFKC", text.casefold())
    return any(map(attaches, set(rare)))


def fold(text: str, *, case_sensitive: bool) -> str:
    """Bring tidied text to the form that is compared (step 3)."""
    if text.isascii():
        return text if case_sensitive else text.casefold()
    if is_normalized("NFKC", text):
        return _fold_composed(text, case_sensitive=case_sensitive)
    pieces = map(_compose, _cut_mark_runs(text))
    return "".join(_fold_composed(piece, case_sensitive=case_sensitive) for piece in pieces)


def _fold_composed(text: str, *, case_sensitive: bool) -> str:
    if not case_sensitive:
        text = text.casefold()
        if not is_normalized("NFKC", text):
            text = _compose(text)
    return text.replace("’", "'")


def _compose(text: str) -> str:
    """Normalise to NFKC, without a pass over the whole text where only a few characters change."""
    chars = set(rare_characters(text))
    changing = [char for char in chars if not is_normalized("NFKC", char)]
    if len(changing) > _MANY_CHANGES or any(map(attaches, chars)):
        return normalize("NFKC", text)
    for char in changing:  # nothing merges, so each stands for itself: an ellipsis, a trade mark sign
        text = text.replace(char, normalize("NFKC", char))
    return text


def _cut_mark_runs(text: str) -> list[str]:
    rare = rare_characters(text)
    marks = "".join(filter(attaches, set(rare)))
    run = re.compile(f"[{re.escape(marks)}]{{{LONGEST_MARK_RUN}}}") if marks else None
    if run is None or not run.search(rare):
        return [text]
    ends = [match.end() for match in run.finditer(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)])]


@lru_cache(maxsize=16_384)
def attaches(char: str) -> bool:
    """Tell whether normalisation may merge or swap a character with the one before it.

    True of marks, of the vowels and final consonants of decomposed Hangul, and of what decomposes to them.
    Everywhere else a text may be cut, and its pieces normalised one by one (UAX #15 §9).
    """
    first = normalize("NFKD", char)[0]
    return category(first)[0] == "M" or "\u1160" <= first <= "\u11ff"


def prepare_query(word: str, scope: Scope, *, case_sensitive: bool) -> str:
    """Prepare a word or phrase as the page is prepared.

    Args:
        word: as the person wrote it.
        scope: in `source` only the case is folded.
        case_sensitive: whether the case matters.

    Returns:
        What is looked for; `""` when nothing is left, which can't be counted. White space at the ends of a
        phrase is left out in `text`: on a page, the ends of a line do not show it.
    """
    if scope == "source":
        return word if case_sensitive else word.casefold()
    # U+0000 is not a character of text: HTML turns it into U+FFFD, and here it parts blocks.
    return fold(tidy(word).strip(" ").replace("\0", "\ufffd"), case_sensitive=case_sensitive)


def is_empty_query(word: str, scope: Scope) -> bool:
    """Tell whether nothing is left of a word when it has been prepared, so that it must be refused."""
    return not prepare_query(word, scope, case_sensitive=True)
