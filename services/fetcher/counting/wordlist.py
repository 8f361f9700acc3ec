"""The words of a question, made ready for a search: for all of them at once if they are many."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import ahocorasick

from shared.messages import Scope
from shared.wording import prepare_query

FEW: Final = 24
"""Up to so many words, one pass for each of them is quicker than one pass for all."""

LONGEST_KEY_CHARS: Final = 32
"""Longer words are recognised by their end, and then looked at whole.

That is a bound for what is tried at each character of a page: an automaton without a shortcut to the next key goes back
through all endings of what it has read. It bounds the memory, too: about 60 bytes for each character of each key.
"""

STRIDE_CHARS: Final = 16_384
"""So much is searched at a time: other threads get their turn in between, and memory does not grow with the page."""

_LISTS_KEPT: Final = 4


class Wanted(NamedTuple):
    """One thing to look for: its place in the list, its length, and itself."""

    place: int
    length: int
    query: str


class _Automaton(Protocol):
    def iter(self, text: str, /) -> Iterator[tuple[int, tuple[Wanted, ...]]]: ...


class WordList:
    """The words of a question. It is never changed once it is made: threads may share it.

    Attributes:
        queries: what is looked for, without repeats; what can't be counted (see `prepare_query`) is left out.
        by_word: for each word, as it was asked for, its place in `queries`; None where that can't be counted.
    """

    def __init__(self, words: tuple[str, ...], scope: Scope, *, case_sensitive: bool, few: int = FEW) -> None:
        """Prepare the words, and what finds them all at once if there are more than `few`."""
        prepared = {word: prepare_query(word, scope, case_sensitive=case_sensitive) for word in words}
        self.queries = tuple(dict.fromkeys(filter(None, prepared.values())))
        places = {query: place for place, query in enumerate(self.queries)}
        self.by_word = {word: places.get(query) for word, query in prepared.items()}
        self._automaton = _automaton(self.queries) if len(self.queries) > few else None

    @property
    def are_few(self) -> bool:
        """Whether there are so few that each is better searched for by itself."""
        return self._automaton is None

    def candidates(self, text: str, stride_chars: int = STRIDE_CHARS) -> Iterator[tuple[int, tuple[Wanted, ...]]]:
        """Yield where in a prepared text something may end that is wanted, and what; not for a list of few.

        Candidates come in the order of the text, but around the edges of strides again, and some are not what they
        seem: compare them. All that is there is among them.
        """
        for begin in range(0, len(text), stride_chars):
            since = max(0, begin - LONGEST_KEY_CHARS + 1)
            stride = symbols(text[since : begin + stride_chars])
            for last, wanted in self._automaton.iter(stride) if self._automaton else ():
                yield since + last + 1, wanted


@lru_cache(maxsize=_LISTS_KEPT)
def word_list(words: tuple[str, ...], scope: Scope, *, case_sensitive: bool) -> WordList:
    """Make a list ready, or return it as it was made for one of the last pages: those of a batch share their words."""
    return WordList(words, scope, case_sensitive=case_sensitive)


def symbols(text: str) -> str:
    """Return a text of the same length with at most 256 different characters, equal where the texts are.

    The automaton goes through the characters that may come next one by one, and a thousand Chinese words begin with
    almost as many of them. Different characters may become the same.
    """
    if text.isascii():
        return text
    return text.encode("utf-32-le", "surrogatepass")[::4].decode("latin-1")


def _automaton(queries: tuple[str, ...]) -> _Automaton:
    by_key: dict[str, list[Wanted]] = {}
    for place, query in enumerate(queries):
        by_key.setdefault(symbols(query[-LONGEST_KEY_CHARS:]), []).append(Wanted(place, len(query), query))
    automaton = ahocorasick.Automaton()
    for key, wanted in by_key.items():
        automaton.add_word(key, tuple(wanted))
    automaton.make_automaton()
    made: _Automaton = automaton
    return made
