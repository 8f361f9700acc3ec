"""Finds words in a prepared text: left to right, without overlaps, each word by itself.

One word is searched for by itself. For many there is one pass over the text that finds the candidates of them all; what
is done with a candidate is the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from services.fetcher.counting.edges import Side, continues_left, continues_right
from services.fetcher.counting.prepared import Prepared
from services.fetcher.counting.snippets import PER_WORD, Span
from services.fetcher.counting.wordlist import STRIDE_CHARS, WordList

_PLAIN_WORD: Final = re.compile(r"[0-9A-Za-z_]+")
_NO_WORD: Final = Side.NO_WORD  # an enumeration is slow to look into
_WORD: Final = Side.WORD
_EDGE: Final = 1
_NO_EDGE: Final = 2
_CHARS_PER_REFUSAL: Final = 2_000
"""Searching about so many characters for one word takes as long as refusing a candidate."""
_REFUSALS_PER_CHAR: Final = 1 / 8
"""So many candidates are refused on honest pages that many short words are looked for on."""
_REFUSALS_IN_ANY_CASE: Final = 1_000


@dataclass(slots=True)
class Found:
    """What was found of one word.

    Attributes:
        count: how many occurrences.
        spans: where the first `PER_WORD` of them stand, as offsets in the prepared text.
        resume: where the next candidate may begin.
    """

    count: int = 0
    spans: list[Span] = field(default_factory=list)
    resume: int = 0


def find_all(haystack: Prepared, words: WordList, *, whole_word: bool, stride_chars: int = STRIDE_CHARS) -> list[Found]:
    """Find the occurrences of each query of a list.

    What it takes grows with the text and with what is found, and hardly with the number of queries. It is never much
    more than one pass for each of them would take, whatever the text and the words have been made for.

    Args:
        haystack: the page.
        words: what to look for, prepared for the same scope.
        whole_word: refuse candidates that are only a part of a word.
        stride_chars: how much of the text to search at a time.

    Returns:
        What was found, in the order of `words.queries`.
    """
    found = [Found() for _ in words.queries]
    if not words.are_few and _sift(haystack, words, found, whole_word=whole_word, stride_chars=stride_chars):
        return found
    for query, so_far in zip(words.queries, found, strict=True):
        _find_on(haystack, query, so_far, whole_word=whole_word)
    return found


def _sift(haystack: Prepared, words: WordList, found: list[Found], *, whole_word: bool, stride_chars: int) -> bool:
    """Take those candidates that are occurrences; False if that was given up, for too many were none."""
    text = haystack.text
    patience = _REFUSALS_IN_ANY_CASE + len(text) * (len(found) / _CHARS_PER_REFUSAL + _REFUSALS_PER_CHAR)
    for end, wanted in words.candidates(text, stride_chars):
        for place, length, query in wanted:
            so_far, start = found[place], end - length
            if (
                start < so_far.resume
                or not text.startswith(query, start)
                or (whole_word and not _is_whole(haystack, start, end))
            ):
                patience -= 1
                continue
            so_far.resume = end
            so_far.count += 1
            if so_far.count <= PER_WORD:
                so_far.spans.append((start, end))
        if patience < 0:
            return False
    return True


def _find_on(haystack: Prepared, query: str, found: Found, *, whole_word: bool) -> None:
    """Find the occurrences of one query, from where it was left."""
    spans = occurrences(haystack, query, whole_word=whole_word, start=found.resume)
    for start, end in islice(spans, PER_WORD - min(found.count, PER_WORD)):
        found.spans.append((start, end))
        found.count += 1
        found.resume = end
    if whole_word:
        found.count += sum(1 for _ in spans)
    else:
        found.count += haystack.text.count(query, found.resume)


def occurrences(haystack: Prepared, query: str, *, whole_word: bool, start: int = 0) -> Iterator[Span]:
    """Yield start and end of each occurrence, as offsets in `haystack.text`.

    A candidate that is refused consumes nothing: the next one may begin inside it.

    Args:
        haystack: the page.
        query: the word, prepared for the same scope; not empty.
        whole_word: refuse candidates that are only a part of a word.
        start: where the first may begin.
    """
    text, length = haystack.text, len(query)
    many_refused = haystack.refusals > len(text) * _REFUSALS_PER_CHAR
    is_whole = _is_whole_as_known if many_refused else _is_whole
    at = text.find(query, start)
    while at >= 0:
        if not whole_word or is_whole(haystack, at, at + length):
            yield at, at + length
            at += length
        else:
            at = _next_start(haystack, at)
        at = text.find(query, at)


def _is_whole(haystack: Prepared, start: int, end: int) -> bool:
    before, first, last, after = haystack.around(start, end)
    return _is_left_edge(haystack, before, first) and _is_right_edge(haystack, last, after)


def _is_whole_as_known(haystack: Prepared, start: int, end: int) -> bool:
    """Tell the same, remembering edges: for pages where very many candidates are refused at the same few."""
    left, right = haystack.left_edges, haystack.right_edges
    if not left[start]:
        before, first, _, _ = haystack.around(start, start + 1)
        left[start] = _EDGE if _is_left_edge(haystack, before, first) else _NO_EDGE
    if left[start] == _NO_EDGE:
        return False
    if not right[end]:
        _, _, last, after = haystack.around(end - 1, end)
        right[end] = _EDGE if _is_right_edge(haystack, last, after) else _NO_EDGE
    return right[end] == _EDGE


def _is_left_edge(haystack: Prepared, before: int, first: int) -> bool:
    if before < 0:
        return True
    written, sides = haystack.written, haystack.sides
    side = sides[written[before]]
    if side is _WORD and sides[written[first]] is _WORD:
        return False
    return side is _NO_WORD or not continues_left(written, before, first)


def _is_right_edge(haystack: Prepared, last: int, after: int) -> bool:
    written, sides = haystack.written, haystack.sides
    if after >= len(written):
        return True
    side = sides[written[after]]
    if side is _WORD and sides[written[last]] is _WORD:
        return False
    return side is _NO_WORD or not continues_right(written, last, after)


def _next_start(haystack: Prepared, refused: int) -> int:
    """Return where the next candidate may begin.

    That is the next character. Inside a run of plain letters every start has a letter before it, so the rest of the
    run is skipped: else a page of a million a's would be tried letter by letter.
    """
    haystack.refusals += 1
    if haystack.refusals > len(haystack.text):  # looked at once for all words, or a hostile page takes minutes
        begins = haystack.beginnings.find(1, refused + 1)
        return begins if begins >= 0 else len(haystack.text)
    if haystack.moved or not _PLAIN_WORD.match(haystack.written, refused, refused + 1):
        return refused + 1
    run = _PLAIN_WORD.match(haystack.written, refused + 1)
    return run.end() if run else refused + 1
