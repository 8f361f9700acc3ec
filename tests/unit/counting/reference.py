"""Counting by the letter of the rule: one character at a time, slow, and with as little cleverness as possible.

It shares nothing with the code under test but the way back from matches: none of its tables, none of its shortcuts.
"""

import unicodedata
from collections.abc import Iterator

SPACES = {chr(c) for c in [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F]} | {
    "\u205f",
    "\u3000",
}
SPACELESS_NAMES = (
    "CJK UNIFIED",
    "CJK COMPATIBILITY",
    "IDEOGRAPHIC ITERATION",
    "HIRAGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
)

Unit = tuple[str, int, int]
"""A character of the prepared text, and from where to where what it was made of stands in the text as written."""


def takes_no_room(char: str) -> bool:
    name = unicodedata.name(char, "")
    return (
        name in {"SOFT HYPHEN", "COMBINING GRAPHEME JOINER", "WORD JOINER"}
        or name.startswith(("ZERO WIDTH", "VARIATION SELECTOR", "INVISIBLE"))
        or name in {"LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK", "RIGHT-TO-LEFT OVERRIDE", "POP DIRECTIONAL ISOLATE"}
    )


def fold(text: str, *, case_sensitive: bool) -> str:
    text = unicodedata.normalize("NFKC", text)
    if not case_sensitive:
        text = unicodedata.normalize("NFKC", text.casefold())
    return text.replace("’", "'")


def tidied(written: str) -> Iterator[Unit]:
    waiting: Unit | None = None
    for at, char in enumerate(written):
        if takes_no_room(char):
            continue
        if char in SPACES:
            waiting = (" ", waiting[1] if waiting else at, at + 1)
            continue
        if waiting:
            yield waiting
        waiting = None
        yield char, at, at + 1
    if waiting:
        yield waiting


def prepared(written: str, scope: str, *, case_sensitive: bool) -> list[Unit]:
    if scope == "source":
        singles = [(char, at, at + 1) for at, char in enumerate(written)]
        return [(new, a, b) for c, a, b in singles for new in (c if case_sensitive else c.casefold())]
    groups: list[list[Unit]] = []
    for unit in tidied(written):
        first = unicodedata.normalize("NFKD", unit[0])[0]
        joins = unicodedata.category(first).startswith("M") or "HANGUL J" in unicodedata.name(first, "")
        joins = joins and "CHOSEONG" not in unicodedata.name(first, "")
        if joins and groups:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    return [unit for group in groups for unit in folded_group(group, case_sensitive=case_sensitive)]


def folded_group(group: list[Unit], *, case_sensitive: bool) -> list[Unit]:
    together = fold("".join(char for char, _, _ in group), case_sensitive=case_sensitive)
    singly = [(new, a, b) for char, a, b in group for new in fold(char, case_sensitive=case_sensitive)]
    if together == "".join(new for new, _, _ in singly):
        return singly
    return [(new, group[0][1], group[-1][2]) for new in together]


def query_of(word: str, scope: str, *, case_sensitive: bool) -> str:
    if scope == "text":
        word = "".join(char for char, _, _ in tidied(word)).strip(" ")
        return fold(word, case_sensitive=case_sensitive)
    return word if case_sensitive else word.casefold()


def side(written: str, at: int) -> str:
    """One of `none`, `edged`, `spaceless`, `hangul`: what the character at this place is to its neighbours."""
    char = written[at]
    category = unicodedata.category(char)
    name = unicodedata.name(char, "")
    if category[0] not in "LM" and category != "Nd" and char != "_":
        return "none"
    if name.startswith(SPACELESS_NAMES) or "KATAKANA-HIRAGANA" in name:
        return "spaceless"
    if name.startswith(("HANGUL", "HALFWIDTH HANGUL")):
        return "hangul"
    if category[0] == "M" and at > 0 and side(written, at - 1) != "none":
        return side(written, at - 1)
    return "edged"


def is_whole(written: str, units: list[Unit], start: int, end: int) -> bool:
    first, last = units[start], units[end - 1]
    if start > 0:
        before = side(written, units[start - 1][2] - 1)
        if before == side(written, first[1]) and before in {"edged", "hangul"}:
            return False
    if end < len(units):
        inside = units[end][1:] == last[1:]
        after = side(written, units[end][2] - 1 if inside else units[end][1])
        return not after == side(written, last[2] - 1) == "edged"
    return True


def spans(written: str, word: str, scope: str, *, whole_word: bool, case_sensitive: bool) -> list[tuple[int, int]]:
    """Where a word stands in a text without blocks, as offsets in the text as written."""
    units = prepared(written, scope, case_sensitive=case_sensitive)
    query = query_of(word, scope, case_sensitive=case_sensitive)
    found = []
    at = 0
    while query and at + len(query) <= len(units):
        end = at + len(query)
        same = "".join(char for char, _, _ in units[at:end]) == query
        if same and (not whole_word or is_whole(written, units, at, end)):
            found.append((units[at][1], units[end - 1][2]))
            at = end
        else:
            at += 1
    return found
