"""Finds a word in a prepared text: left to right, without overlaps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from services.fetcher.counting.edges import continues_left, continues_right
from services.fetcher.counting.prepared import Prepared

_PLAIN_WORD: Final = re.compile(r"[0-9A-Za-z_]+")


def occurrences(haystack: Prepared, query: str, *, whole_word: bool) -> Iterator[tuple[int, int]]:
    """Yield start and end of each occurrence, as offsets in `haystack.text`.

    A candidate that is refused consumes nothing: the next one may begin inside it.

    Args:
        haystack: the page.
        query: the word, prepared for the same scope; not empty.
        whole_word: refuse candidates that are only a part of a word.
    """
    text, length = haystack.text, len(query)
    at = text.find(query)
    while at >= 0:
        if not whole_word or _is_whole(haystack, at, at + length):
            yield at, at + length
            at += length
        else:
            at = _next_start(haystack, at)
        at = text.find(query, at)


def _is_whole(haystack: Prepared, start: int, end: int) -> bool:
    written = haystack.written
    before, first, last, after = haystack.around(start, end)
    if before >= 0 and continues_left(written, before, first):
        return False
    return after >= len(written) or not continues_right(written, last, after)


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
