"""From a body to counts: the one function that the fetcher calls."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from services.fetcher.counting.decoding import decode
from services.fetcher.counting.kinds import Kind, kind_of, sniff
from services.fetcher.counting.matching import find_all
from services.fetcher.counting.prepared import Prepared
from services.fetcher.counting.snippets import Span, show
from services.fetcher.counting.visible_text import VisibleText, one_line, read_html
from services.fetcher.counting.wordlist import word_list
from shared.messages import Question, Snippet
from shared.version import RULE_VERSION

_TITLE_WITHIN_CHARS: Final = 65_536


@dataclass(frozen=True, slots=True)
class PageCount:
    """What was counted on a page.

    Attributes:
        counts: occurrences of each word, by the word as it was asked for.
        total: their sum.
        snippets: up to three matches of each word that was found, as they stand on the page.
        title: title of an HTML page on one line; None if it has none.
        charset: the encoding that was read, by its name in WHATWG's Encoding Standard.
        rule_version: the rule that was counted by.
        parse_ms: time for decoding and reading the page, in milliseconds.
        count_ms: time for preparing the text and counting, in milliseconds.
    """

    counts: dict[str, int]
    total: int
    snippets: dict[str, list[Snippet]]
    title: str | None
    charset: str
    rule_version: int
    parse_ms: float
    count_ms: float


def count_page(
    body: bytes,
    content_type: str | None,
    question: Question,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> PageCount:
    """Count the words of a question on one page.

    Args:
        body: after Content-Encoding has been undone.
        content_type: value of the Content-Type header, if there is one.
        question: the words, and how they are looked for. None of them may be empty when prepared.
        clock: seconds, for the two durations.

    Raises:
        UnsupportedType: the body is not text.
    """
    began = clock()
    kind = kind_of(content_type) or sniff(body)
    decoded = decode(body, content_type, kind)
    page = _read(decoded.text, kind, question)
    parsed = clock()
    haystack = Prepared(
        page.text, question.scope, case_sensitive=question.case_sensitive, is_collapsed=page.is_collapsed
    )
    counts, first = _count(haystack, question)
    snippets = show(haystack, first)
    return PageCount(
        counts=counts,
        total=sum(counts.values()),
        snippets=snippets,
        title=page.title,
        charset=decoded.encoding,
        rule_version=RULE_VERSION,
        parse_ms=(parsed - began) * 1000,
        count_ms=(clock() - parsed) * 1000,
    )


def _read(text: str, kind: Kind, question: Question) -> VisibleText:
    if kind is Kind.HTML and question.scope == "text":
        return read_html(text)
    if kind is Kind.HTML:
        return VisibleText(text, _title_in_source(text))
    # As a browser does with plain text (HTML §13.2.5.5); besides, U+0000 parts the blocks of a page.
    return VisibleText(text.replace("\0", "\ufffd") if question.scope == "text" else text, None)


def _title_in_source(text: str) -> str | None:
    """Find the title without parsing: scope source is for pages, too, that a parser chokes on."""
    start = text[:_TITLE_WITHIN_CHARS]
    lower = start.lower() if start.isascii() else start.translate(_ASCII_LOWER)
    opened = lower.find("<title")
    begins = lower.find(">", opened) + 1
    ends = lower.find("</title", begins)
    if opened < 0 or not begins or ends < 0:
        return None
    written = start[begins:ends]
    with suppress(ValueError):  # a reference of more digits than Python makes a number of
        written = html.unescape(written)
    return one_line(written)


_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _count(haystack: Prepared, question: Question) -> tuple[dict[str, int], dict[str, list[Span]]]:
    """Count each word, and keep its first occurrences for the snippets."""
    words = word_list(question.words, question.scope, case_sensitive=question.case_sensitive)
    found = find_all(haystack, words, whole_word=question.whole_word)
    counts = {word: 0 if at is None else found[at].count for word, at in words.by_word.items()}
    first = {word: found[at].spans for word, at in words.by_word.items() if at is not None and found[at].count}
    return counts, first
