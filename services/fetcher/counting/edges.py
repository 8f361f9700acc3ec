"""Where a word ends: which two characters, side by side, are parts of one word.

A word character is a letter, a mark, a decimal digit or the underscore. Most scripts put spaces between words, so
two word characters in a row belong together. Seven scripts do not: in them nothing can be said of edges. Korean puts
spaces between phrases and appends particles to words, so only the left side of a word has an edge, and only against
Hangul.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from enum import Enum
from functools import lru_cache
from typing import Final

# Word characters whose Script_Extensions (ScriptExtensions.txt, Unicode 14; open planes to their end) name Han,
# Hiragana, Katakana, Thai, Lao, Khmer or Myanmar. Extensions, not scripts, because the prolonged sound mark ー and
# the voicing marks are written in several of them. Gaps without word characters of other scripts are filled.
_SPACELESS: Final = (
    (0x0E01, 0x0EDF),
    (0x1000, 0x109D),
    (0x1780, 0x17E9),
    (0x3005, 0x302D),
    (0x3031, 0x30FF),
    (0x31F0, 0x9FFF),
    (0xA9E0, 0xA9FE),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x116D0, 0x116E3),
    (0x16FE3, 0x16FE3),
    (0x16FF0, 0x16FF1),
    (0x1AFF0, 0x1B167),
    (0x20000, 0x3FFFF),
)
_HANGUL: Final = (
    (0x1100, 0x11FF),
    (0x302E, 0x302F),
    (0x3131, 0x318E),
    (0xA960, 0xA97C),
    (0xAC00, 0xD7FB),
    (0xFFA0, 0xFFDC),
)
_LONGEST_WALK: Final = 30
"""How many marks are passed over to find their letter: real text has a few, a hostile page a million."""


class Side(Enum):
    """What a character is to the one beside it."""

    NO_WORD = "no word character"
    WORD = "word character of a script with word edges"
    SPACELESS = "word character of a script without"
    HANGUL = "Hangul"
    MARK = "mark: what its letter is"


@lru_cache(maxsize=16_384)
def side_of(char: str) -> Side:
    """Classify one character."""
    category = unicodedata.category(char)
    if category[0] not in "LM" and category != "Nd" and char != "_":
        return Side.NO_WORD
    if _within(_SPACELESS, ord(char)):
        return Side.SPACELESS
    if _within(_HANGUL, ord(char)):
        return Side.HANGUL
    return Side.MARK if category[0] == "M" else Side.WORD


class Sides(dict[str, Side]):
    """What characters are, looked up more quickly than by `side_of`; it belongs to one page, which bounds it."""

    def __missing__(self, char: str) -> Side:
        side = self[char] = side_of(char)
        return side


def _within(ranges: tuple[tuple[int, int], ...], code_point: int) -> bool:
    at = bisect_right(ranges, (code_point, 0x110000)) - 1
    return at >= 0 and code_point <= ranges[at][1]


def side_at(text: str, index: int) -> Side:
    """Classify the character at `index` of `text`, a mark as the letter that bears it."""
    side = side_of(text[index])
    if side is not Side.MARK:
        return side
    for before in range(index - 1, max(-1, index - 1 - _LONGEST_WALK), -1):
        side = side_of(text[before])
        if side is not Side.MARK:
            return Side.WORD if side is Side.NO_WORD else side
    return Side.WORD


def continues_left(text: str, before: int, first: int) -> bool:
    """Tell whether what begins at `first` is the tail of a word that the character at `before` is part of."""
    side = side_at(text, before)
    return (side is Side.WORD or side is Side.HANGUL) and side is side_at(text, first)


def continues_right(text: str, last: int, after: int) -> bool:
    """Tell whether what ends with `last` is the head of a word that the character at `after` is part of."""
    return side_at(text, after) is Side.WORD and side_at(text, last) is Side.WORD
