"""Shows matches as they stand on the page, within a bound on what a result may carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from services.fetcher.counting.prepared import Prepared
from shared.messages import Snippet

PER_WORD: Final = 3
MAX_CONTEXT_CHARS: Final = 40
MAX_TOTAL_BYTES: Final = 65_536
"""All snippets of a page together, in bytes of the JSON that carries them."""

BLOCK_EDGE: Final = "\0"

Span = tuple[int, int]
"""Start and end of an occurrence, as offsets in a prepared text."""


def show(haystack: Prepared, found: Mapping[str, Sequence[Span]]) -> dict[str, list[Snippet]]:
    """Make the snippets of each word.

    Every word gets its first snippet before any gets its second, so that a frequent word does not use up the space.

    Args:
        haystack: the page.
        found: for each word its first occurrences, as offsets in `haystack.text`.

    Returns:
        For each word that has any at most `PER_WORD` snippets, in the order of the page.
    """
    shown: dict[str, list[Snippet]] = {}
    left_bytes = MAX_TOTAL_BYTES
    for turn in range(PER_WORD):
        for word, spans in found.items():
            if turn >= len(spans):
                continue
            snippet = _snippet(haystack.written, *haystack.span(*spans[turn]))
            size_bytes = len(msgspec.json.encode(snippet))
            if size_bytes > left_bytes:
                continue
            left_bytes -= size_bytes
            shown.setdefault(word, []).append(snippet)
    return shown


def _snippet(written: str, start: int, end: int) -> Snippet:
    before = written[max(0, start - MAX_CONTEXT_CHARS) : start]
    after = written[end : end + MAX_CONTEXT_CHARS]
    if BLOCK_EDGE in before:
        before = before[before.rfind(BLOCK_EDGE) + 1 :].lstrip(" ")
    if BLOCK_EDGE in after:
        after = after.partition(BLOCK_EDGE)[0].rstrip(" ")
    return Snippet(before=before, match=written[start:end], after=after)
