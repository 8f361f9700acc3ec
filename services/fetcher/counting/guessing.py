"""The last resort for pages that say nothing of their encoding and are not UTF-8: what do the bytes look like?

Each encoding that pages were ever sent in is tried on a sample, and what comes out is held against the languages that
were written in it: in the right one, it is the usual letters, and capitals only where words begin.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from services.fetcher.counting.alphabets import ALPHABETS, FULL_WIDTH, HANGUL, KANA, TYPOGRAPHY
from services.fetcher.counting.encodings import REPLACEMENT, decode_as

FALLBACK: Final = "windows-1252"

_MIN_EVIDENCE_BYTES: Final = 4
"""Below that many bytes outside ASCII, any guess is as good as another, and Western is the most likely."""
_MARGIN: Final = 0.08
"""By so much another encoding has to fit better than windows-1252, in which most such pages are."""
_MAX_SAMPLE_BYTES: Final = 3_000
_STRETCH: Final = re.compile(rb"[\x80-\xff][^\x00-\x20<>]*+")
"""From a byte outside ASCII to one that no encoding has inside a character."""
_LETTER_BEFORE: Final = re.compile(rb"[A-Za-z]\Z")
_ASCII: Final = bytes(range(128))
_HIGH: Final = 0x80
_FIRST_GREEK: Final = "\u0370"

_BROKEN: Final = -3.0
_STRANGE: Final = -1.0

Pairs = Counter[tuple[int, int]]
"""How often which byte follows which."""


def guess(body: bytes) -> str:
    """Guess an encoding, as a WHATWG name; windows-1252 where nothing else fits better."""
    sample = _sample(body)
    if len(sample.translate(None, _ASCII)) < _MIN_EVIDENCE_BYTES:
        return FALLBACK
    scores = dict(_scores(sample))
    scores[FALLBACK] += _MARGIN
    return max(scores, key=lambda encoding: scores[encoding])  # the first of those that fit alike


def _sample(body: bytes) -> bytes:
    """The stretches of a body that say anything, up to a bound: where in it they stand does not matter."""
    found: list[bytes] = []
    room = _MAX_SAMPLE_BYTES
    for stretch in _STRETCH.finditer(body):
        before = _LETTER_BEFORE.search(body, max(0, stretch.start() - 1), stretch.start())
        found.append(((before[0] if before else b"") + stretch[0])[:room])
        room -= len(found[-1])
        if room <= 0:
            break
    return b" ".join(found)


def _scores(sample: bytes) -> Iterator[tuple[str, float]]:
    """How well each encoding fits: about 1 where all is as usual, negative where it is strange."""
    pairs = Counter(zip(b" " + sample, sample, strict=False))
    for encoding, alphabets in ALPHABETS:
        yield encoding, max(_single_byte_score(pairs, encoding, alphabet) for alphabet in alphabets)
    for encoding, value in _EAST_ASIAN.items():
        yield encoding, _east_asian_score(decode_as(sample, encoding), value)


def _single_byte_score(pairs: Pairs, encoding: str, alphabet: str) -> float:
    values, capitals, small = _values(encoding, alphabet)
    is_latin = alphabet[0] < _FIRST_GREEK
    total = 0.0
    count = 0
    for (before, byte), times in pairs.items():
        if byte >= _HIGH:
            count += times
            value = values[byte]
            if before in small and byte in capitals:
                value = min(value, _STRANGE)
            elif is_latin and before in small and before >= _HIGH and value > 0:
                value /= 2  # letters with accents are rarely neighbours
            total += times * value
        if not is_latin and (before >= _HIGH) != (byte >= _HIGH) and _are_letters(before, byte, small | capitals):
            total += times * _STRANGE  # one word in two scripts
    return total / max(count, 1)


def _are_letters(one: int, other: int, letters: frozenset[int]) -> bool:
    return one in letters and other in letters


@cache
def _values(encoding: str, alphabet: str) -> tuple[list[float], frozenset[int], frozenset[int]]:
    """What each byte is worth, and which bytes are capitals and small letters."""
    rank = {letter: 1 - at / len(alphabet) for at, letter in enumerate(alphabet)}
    chars = [decode_as(bytes((byte,)), encoding) for byte in range(256)]
    values = [_value(char, rank) for char in chars]
    capitals = frozenset(byte for byte, char in enumerate(chars) if char.isupper())
    small = frozenset(byte for byte, char in enumerate(chars) if char.isalpha() and not char.isupper())
    return values, capitals, small


def _value(char: str, rank: dict[str, float]) -> float:
    if char == REPLACEMENT or "\x80" <= char <= "\x9f":
        return _BROKEN
    if char in rank:
        return rank[char]
    if char.lower() in rank:
        return rank[char.lower()] / 2
    return 0.0 if char in TYPOGRAPHY else _STRANGE


def _east_asian_score(text: str, value: Callable[[str], float]) -> float:
    chars = Counter(char for char in text if char >= "\x80")
    total = sum(times * (0.0 if char in FULL_WIDTH else value(char)) for char, times in chars.items())
    return total / max(chars.total(), 1)


def _in_rows(codec: str, first: int, last: int) -> Callable[[str], bool]:
    """Whether a character is in these rows of a national standard, where its usual ones stand."""

    def is_usual(char: str) -> bool:
        code = char.encode(codec, "ignore")
        return len(code) == 2 and first <= code[0] <= last

    return is_usual


_usual_simplified: Final = _in_rows("gb2312", 0xB0, 0xD7)
_usual_traditional: Final = _in_rows("big5", 0xA4, 0xC6)
_usual_japanese: Final = _in_rows("euc_jp", 0xB0, 0xCF)
_usual_korean: Final = _in_rows("euc_kr", 0xB0, 0xC8)


def _japanese(char: str) -> float:
    if char in KANA:
        return 1.0
    return 0.6 if _usual_japanese(char) else _unusual(char)


def _korean(char: str) -> float:
    return 1.0 if char in HANGUL and _usual_korean(char) else _unusual(char)


def _simplified(char: str) -> float:
    return 0.8 if _usual_simplified(char) else _unusual(char)


def _traditional(char: str) -> float:
    return 0.8 if _usual_traditional(char) else _unusual(char)


def _unusual(char: str) -> float:
    return _BROKEN if char == REPLACEMENT or "\x80" <= char <= "\x9f" or "\ue000" <= char <= "\uf8ff" else _STRANGE


_EAST_ASIAN: Final[dict[str, Callable[[str], float]]] = {
    "shift_jis": _japanese,
    "euc-jp": _japanese,
    "gb18030": _simplified,
    "big5": _traditional,
    "euc-kr": _korean,
}
