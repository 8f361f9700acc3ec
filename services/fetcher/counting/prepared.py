"""A text in the form that is searched, and the way back from there to the text as it was written.

Preparing a text removes, merges, splits and swaps characters, so that a match at some place in the prepared text has
to be traced back before one can look at its neighbours or show it. The way back is worked out only when it is asked
for, and for most pages nothing moved: then the two texts share their offsets.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Final

from services.fetcher.counting.edges import continues_left
from shared.messages import Scope
from shared.wording import IGNORED, LONGEST_MARK_RUN, WHITE_SPACE, attaches, fold, merges, rare_characters, tidy

_UNTIDY: Final = re.compile(f"[{WHITE_SPACE}{IGNORED}]{{2,}}|[{IGNORED}]")
_SPACES: Final = re.compile(f"[{WHITE_SPACE}](?:.*[{WHITE_SPACE}])?", re.DOTALL)

Change = tuple[int, int, str]
"""What stood from one offset to another, and what stands there now."""


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

    def shift(self, start: int, end: int) -> int | None:
        """Return by how much an unchanged stretch is displaced; None if anything changed within."""
        at = bisect_right(self._starts, start) - 1
        if self._widths[at] or (at + 1 < len(self._starts) and self._starts[at + 1] < end):
            return None
        return self._sources[at] - self._starts[at]


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


class Prepared:
    """A text to search.

    Attributes:
        written: the text as it was written.
        text: the text to search; compare it with words prepared for the same scope.
    """

    def __init__(self, written: str, scope: Scope, *, case_sensitive: bool) -> None:
        self.written = written
        self._fold: Callable[[str], str]
        if scope == "text":
            self._tidied = tidy(written)
            self._fold = partial(fold, case_sensitive=case_sensitive)
        else:
            self._tidied = written
            self._fold = str if case_sensitive else str.casefold
        self._normalises = scope == "text"
        self._case_sensitive = case_sensitive
        self.text = self._fold(self._tidied)
        self.refusals = 0

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
        shift = self._shift(start - 1, end + 1) if self.moved else 0
        if shift is not None:
            return start - 1 + shift, start + shift, end - 1 + shift, end + shift
        first, last = self._trace(start), self._trace(end - 1)
        before = self._trace(start - 1)[1] - 1 if start else -1
        if end == len(self.text):
            return before, first[0], last[1] - 1, len(self.written)
        after = self._trace(end)
        return before, first[0], last[1] - 1, after[1] - 1 if after == last else after[0]

    @cached_property
    def beginnings(self) -> bytes:
        """For each offset in `text` 1 where no word goes on that began before it, else 0."""
        offsets = (self.around(at, at + 1)[:2] for at in range(len(self.text)))
        return bytes(before < 0 or not continues_left(self.written, before, first) for before, first in offsets)

    def _shift(self, start: int, end: int) -> int | None:
        """Return by how much a stretch of `text` is displaced; None if that is not all that happened to it."""
        if start < 0 or end > len(self.text):
            return None
        shift = 0
        for origin in (self._folding, self._tidying):
            further = origin.shift(start + shift, end + shift) if origin else 0
            if further is None:
                return None
            shift += further
        return shift

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
        clusters = self._clusters(merged=merged)
        if clusters is None:
            return None
        return Origin(self._foldings(clusters))

    def _foldings(self, clusters: re.Pattern[str]) -> Iterator[Change]:
        known: dict[str, list[Change]] = {}
        for found in clusters.finditer(self._tidied):
            stretch, start = found[0], found.start()
            if stretch not in known:
                known[stretch] = list(self._changes_of(stretch))
            for begin, end, new in known[stretch]:
                yield start + begin, start + end, new

    def _changes_of(self, stretch: str) -> Iterator[Change]:
        singly = [self._fold(char) for char in stretch]
        now = self._fold(stretch)
        if now != "".join(singly):
            yield 0, len(stretch), now
            return
        for at, new in enumerate(singly):
            if len(new) != 1:
                yield at, at + 1, new

    def _clusters(self, *, merged: bool) -> re.Pattern[str] | None:
        """Return a pattern of the stretches that folding changes in more than single characters."""
        rare = set(rare_characters(self._tidied))
        joining = "".join(char for char in rare if attaches(char)) if merged else ""
        others = "".join(char for char in rare if char not in joining and len(self._fold(char)) != 1)
        patterns = []
        if joining:
            marks = re.escape(joining)
            patterns.append(f"[^{marks}]?[{marks}]{{1,{LONGEST_MARK_RUN}}}")
        if others:
            patterns.append(f"[{re.escape(others)}]")
        return re.compile("|".join(patterns), re.DOTALL) if patterns else None
