"""A text in the form that is searched, and the way back from there to the text as it was written.

Preparing a text removes, merges, splits and swaps characters, so that a match at some place in the prepared text has
to be traced back before one can look at its neighbours or show it. The way back is worked out only when it is asked
for, and for most pages nothing moved: then the two texts share their offsets.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Final

from services.fetcher.counting.edges import Sides, continues_left
from shared.messages import Scope
from shared.wording import IGNORED, LONGEST_MARK_RUN, WHITE_SPACE, attaches, fold, merges, rare_characters, tidy

# A pattern that begins with one set of characters is searched for three times as quickly as one with a choice.
_UNTIDY: Final = re.compile(f"[{WHITE_SPACE}{IGNORED}](?:[{WHITE_SPACE}{IGNORED}]+|(?<=[{IGNORED}]))")
_SPACES: Final = re.compile(f"[{WHITE_SPACE}](?:.*[{WHITE_SPACE}])?", re.DOTALL)

Change = tuple[int, int, str]
"""What stood from one offset to another, and what stands there now."""

Stretch = tuple[int, int, int]
"""Where a stretch of a changed text starts and ends, and what to add to an offset in it to get back."""


class Origin:
    """Maps offsets in a changed text to spans of the text before the changes."""

    def __init__(self, changes: Iterator[Change]) -> None:
        """Read the changes, in order and apart from each other."""
        self._starts = [0]  # offsets in the changed text: where a stretch begins …
        self._sources = [0]  # … and where it came from
        self._widths = [0]  # length in the source of a stretch that was changed as a whole; 0: unchanged
        moved = 0
        for start, end, now in changes:
            if start == end:
                continue
            if now:
                self._add(start + moved, start, end - start)
            moved += len(now) - (end - start)
            self._add(end + moved, end, 0)

    def _add(self, start: int, source: int, width: int) -> None:
        self._starts.append(start)
        self._sources.append(source)
        self._widths.append(width)

    def span(self, offset: int) -> tuple[int, int]:
        """Return where the character at `offset` came from: start and end before the changes."""
        at = bisect_right(self._starts, offset) - 1
        source, width = self._sources[at], self._widths[at]
        if width:
            return source, source + width
        source += offset - self._starts[at]
        return source, source + 1

    def stretch(self, offset: int) -> Stretch:
        """Return the unchanged stretch around `offset`; one without room if what stands there was changed."""
        at = bisect_right(self._starts, offset) - 1
        if self._widths[at]:
            return offset, offset, 0
        end = self._starts[at + 1] if at + 1 < len(self._starts) else sys.maxsize
        return self._starts[at], end, self._sources[at] - self._starts[at]


def _tidyings(written: str) -> Iterator[Change]:
    """Yield what `tidy` changes, apart from one space for one of another kind."""
    for found in _UNTIDY.finditer(written):
        spaces = _SPACES.search(found[0])
        if spaces is None:
            yield found.start(), found.end(), ""
            continue
        start, end = found.start() + spaces.start(), found.start() + spaces.end()
        yield found.start(), start, ""
        yield start, end, " "
        yield end, found.end(), ""


def _clusters(joining: frozenset[str], others: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern of what is folded as one, but for a letter before marks: it begins with one set, see above."""
    marks, singles = re.escape("".join(joining)), re.escape("".join(others))
    if not joining:
        return re.compile(f"[{singles}]")
    after_mark = f"(?<=[{marks}])[{marks}]{{0,{LONGEST_MARK_RUN - 1}}}"
    after_single = f"|(?<=[{singles}])[{marks}]{{0,{LONGEST_MARK_RUN}}}" if others else ""
    return re.compile(f"[{marks}{singles}](?:{after_mark}{after_single})")


class Prepared:
    """A text to search.

    Attributes:
        written: the text as it was written.
        text: the text to search; compare it with words prepared for the same scope.
        sides: what the characters of `written` are, as far as somebody asked.
        refusals: how many candidates have been refused so far.
    """

    def __init__(self, written: str, scope: Scope, *, case_sensitive: bool, is_collapsed: bool = False) -> None:
        """Prepare it; `is_collapsed` as for `tidy`."""
        self.written = written
        self._fold: Callable[[str], str]
        if scope == "text":
            self._tidied = tidy(written, is_collapsed=is_collapsed)
            self._fold = partial(fold, case_sensitive=case_sensitive)
        else:
            self._tidied = written
            self._fold = str if case_sensitive else str.casefold
        self._normalises = scope == "text"
        self._case_sensitive = case_sensitive
        self.text = self._fold(self._tidied)
        self.sides = Sides()
        self.refusals = 0
        self._stretch: Stretch = (0, 0, 0)  # the one looked at last: candidates come in the order of the text

    @cached_property
    def moved(self) -> bool:
        """Whether offsets in `text` are not those in `written`."""
        return self._tidying is not None or self._folding is not None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Trace a stretch of `text` (not empty) back to `written`."""
        if not self.moved:
            return start, end
        return self._trace(start)[0], self._trace(end - 1)[1]

    def around(self, start: int, end: int) -> tuple[int, int, int, int]:
        """Return where in `written` the characters at and beyond the edges of a stretch of `text` stand.

        Four offsets: of the character before it (`-1` if there is none), of its first and its last character, and of
        the character after it (`len(written)` if there is none). What takes no room is passed over, and where a match
        begins or ends inside a character (the i of the ligature ﬁ), that character is its neighbour.
        """
        known_from, known_to, shift = self._stretch
        if start <= known_from or end >= known_to:
            known_from, known_to, shift = self._stretch = self._stretch_around(start)
        if known_from < start and end < known_to:
            return start - 1 + shift, start + shift, end - 1 + shift, end + shift
        first, last = self._trace(start), self._trace(end - 1)
        before = self._trace(start - 1)[1] - 1 if start else -1
        if end == len(self.text):
            return before, first[0], last[1] - 1, len(self.written)
        after = self._trace(end)
        return before, first[0], last[1] - 1, after[1] - 1 if after == last else after[0]

    @cached_property
    def left_edges(self) -> bytearray:
        """For each offset in `text` what is known of a word that begins there; 0: nothing yet."""
        return bytearray(len(self.text) + 1)

    @cached_property
    def right_edges(self) -> bytearray:
        """For each offset in `text` what is known of a word that ends there; 0: nothing yet."""
        return bytearray(len(self.text) + 1)

    @cached_property
    def beginnings(self) -> bytes:
        """For each offset in `text` 1 where no word goes on that began before it, else 0."""
        offsets = (self.around(at, at + 1)[:2] for at in range(len(self.text)))
        return bytes(before < 0 or not continues_left(self.written, before, first) for before, first in offsets)

    def _stretch_around(self, offset: int) -> Stretch:
        """Return a stretch of `text` that came as it is from `written`; it may be one without room."""
        if not self.moved:
            return -1, len(self.text) + 1, 0  # beyond either end of the text there is nothing, in both
        start, end, shift = 0, len(self.text), 0
        for origin in (self._folding, self._tidying):
            if origin:
                since, until, further = origin.stretch(offset + shift)
                start, end = max(start, since - shift), min(end, until - shift)
                shift += further
        return start, end, shift

    def _trace(self, offset: int) -> tuple[int, int]:
        start, end = self._folding.span(offset) if self._folding else (offset, offset + 1)
        if self._tidying:
            start, end = self._tidying.span(start)[0], self._tidying.span(end - 1)[1]
        return start, end

    @cached_property
    def _tidying(self) -> Origin | None:
        # Tidying removes and merges, or puts one space for one: a text that kept its length kept its offsets.
        if len(self._tidied) == len(self.written):
            return None
        return Origin(_tidyings(self.written))

    @cached_property
    def _folding(self) -> Origin | None:
        merged = self._normalises and merges(self._tidied, case_sensitive=self._case_sensitive)
        if not merged and len(self.text) == len(self._tidied):  # one character folded is one at least
            return None
        rare = set(rare_characters(self._tidied))
        joining = frozenset(filter(attaches, rare)) if merged else frozenset()
        others = frozenset(char for char in rare - joining if len(self._fold(char)) != 1)
        return Origin(self._foldings(joining, others)) if joining or others else None

    def _foldings(self, joining: frozenset[str], others: frozenset[str]) -> Iterator[Change]:
        """Yield what folding changes in more than single characters: around marks, and where `others` stand."""
        known: dict[str, list[Change]] = {}
        end = 0
        for found in _clusters(joining, others).finditer(self._tidied):
            start = found.start()
            if start > end and self._tidied[start] in joining:
                start -= 1  # the letter that bears the marks; a run that is cut has none for its second piece
            end = found.end()
            stretch = self._tidied[start:end]
            if stretch not in known:
                known[stretch] = list(self._changes_of(stretch))
            for begin, until, new in known[stretch]:
                yield start + begin, start + until, new

    def _changes_of(self, stretch: str) -> Iterator[Change]:
        singly = [self._fold(char) for char in stretch]
        now = self._fold(stretch)
        if now != "".join(singly):
            yield 0, len(stretch), now
            return
        for at, new in enumerate(singly):
            if len(new) != 1:
                yield at, at + 1, new
