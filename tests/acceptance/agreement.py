"""How well two readings of one page agree, token by token.

A token is what a person would count: a run of word characters; in scripts that are written without spaces, where a run
may be a whole sentence, each character; and each other sign by itself. Case and compatibility forms are folded as they
are for counting.

Two figures, since neither says it all. F1 over the multiset of tokens says whether the same words stand on both sides
as often: it does not mind that one side reads a footnote elsewhere. F1 over the multiset of neighbouring pairs says
whether they stand in the same order, too, and takes linear time (a longest common subsequence is quadratic, and a page
has up to 20,000 tokens); one token that differs costs two pairs, so it is the stricter of the two.
"""

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.wording import fold, tidy

# Thai to Lao, Myanmar, Khmer, kana and Han: one character is one token.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"(?:(?![{_SPACELESS}])\w)+|\S")


@dataclass(frozen=True)
class Agreement:
    """How two readings of a page compare.

    Attributes:
        words: F1 of their tokens, from 0 to 1; two empty readings agree.
        pairs: F1 of their neighbouring pairs of tokens.
        tokens: how many the second reading has.
        missing: tokens that only the second reading has, with how many more, the most frequent first.
        extra: tokens that only the first has.
    """

    words: float
    pairs: float
    tokens: int
    missing: list[tuple[str, int]]
    extra: list[tuple[str, int]]


def tokens_of(text: str) -> list[str]:
    """Cut a text into tokens, folded as for counting."""
    return _TOKEN.findall(fold(tidy(text), case_sensitive=False))


def agreement(ours: str, theirs: str) -> Agreement:
    """Compare two readings of one page."""
    mine, other = tokens_of(ours), tokens_of(theirs)
    return Agreement(
        words=f1(mine, other),
        pairs=f1(list(pairwise(mine)), list(pairwise(other))),
        tokens=len(other),
        missing=(Counter(other) - Counter(mine)).most_common(),
        extra=(Counter(mine) - Counter(other)).most_common(),
    )


def f1(mine: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """The harmonic mean of precision and recall over multisets; 1 if both are empty."""
    if not mine and not other:
        return 1.0
    return 2 * (Counter(mine) & Counter(other)).total() / (len(mine) + len(other))
