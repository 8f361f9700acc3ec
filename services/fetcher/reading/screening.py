"""Where a page is read: pure, by bounds of what its parse may take at most.

A tree can be much larger than its page. Where formatting elements (`<b>`, `<font>` …) are left open, the parser opens
all of them anew in each block that follows (HTML §13.2.4.3, "reconstruct the active formatting elements"): 12 kB of
`<b a=1><b a=2>…<p>x<p>x…` make a tree of 360 MB, 58 kB one of over 6 GB.
"""

import re
from enum import Enum
from typing import Final

CHILD_BYTES: Final = 512 * 1024
"""Attributes take up to 110 bytes of memory per byte of page, compatibility characters up to 55."""
CHILD_RARE_BYTES: Final = 256 * 1024
"""Outside ASCII. Unicode's forms of as much text are made in one call that holds all threads up: for 30 ms at worst."""
CHILD_NODES: Final = 600_000
"""About 65 MB and half a second."""
INLINE_BYTES: Final = 64 * 1024
"""Counting so small a page takes about a millisecond: less than it costs to hand it to a thread."""
INLINE_NODES: Final = 100_000

CHILD_WORK: Final = 64 * 1024 * 1024
"""Bytes of the page times words. For many words one pass over an honest page is enough, but on a page that is made for
it each word may take a pass, and each of its occurrences a microsecond: a few seconds then, of every thread's time."""
INLINE_WORK: Final = 1024 * 1024
"""The same: a few milliseconds on an honest page, and a tenth of a second at worst."""

_ASCII: Final = bytes(range(128))
_ESCAPE: Final = b"\x1b"
"""Of ISO-2022-JP: such sequences vanish, within the names of tags too, and between them bytes are no ASCII."""
_LONGEST_TAG_BYTES: Final = 32 * 1024
_ENDS_LOOKED_AT: Final = 1_000
_ALIKE: Final = 38
"""Three each of twelve formatting elements may be open that are alike in all attributes (HTML §13.2.4.3, "Noah's Ark
clause"), besides one `a` and one `nobr`."""
_STYLED: Final = re.compile(
    rb"<(?=[bBcCeEfFiIsStTuU])(?:[bB](?:[iI][gG])?|[cC][oO][dD][eE]|[eE][mM]|[fF][oO][nN][tT]|[iI]|[sS](?:[mM][aA][lL][lL]"
    rb"|[tT][rR](?:[iI][kK][eE]|[oO][nN][gG]))?|[tT][tT]|[uU])[\t\n\f\r /]"
)
"""Formatting elements that have attributes, and so may all differ. The look-ahead halves the time of a search."""


class Place(Enum):
    """Where a page is read."""

    INLINE = "inline"
    """On the event loop."""
    THREAD = "thread"
    CHILD = "child"
    """In a process of its own, with limits."""


def place_of(body: bytes, *, words: int = 1, suspect: bool) -> Place:
    """Where to read a page for so many words; `suspect` when an earlier attempt at it may have ended by it."""
    work = len(body) * words
    if suspect or len(body) > CHILD_BYTES or work > CHILD_WORK or _ESCAPE in body or _has_long_tag(body):
        return Place.CHILD
    if len(body) > CHILD_RARE_BYTES and len(body.translate(None, _ASCII)) > CHILD_RARE_BYTES:
        return Place.CHILD
    is_small = len(body) <= INLINE_BYTES and work <= INLINE_WORK
    nodes = most_nodes(body, enough=INLINE_NODES if is_small else CHILD_NODES)
    if nodes > CHILD_NODES:
        return Place.CHILD
    return Place.INLINE if is_small and nodes <= INLINE_NODES and _is_utf8(body) else Place.THREAD


def _is_utf8(body: bytes) -> bool:
    """Whether decoding takes next to nothing: a guess takes 10 ms, and a small page of broken bytes 70 ms."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def most_nodes(body: bytes, *, enough: int) -> int:
    """An upper bound of the elements in the tree of a page; not looked at closely where a rough one is enough."""
    tags = body.count(b"<")
    roughly = tags * max(tags, 4) // 4  # half of them left open, and opened anew by the other half
    if roughly <= enough:
        return roughly
    if min(roughly, tags * _ALIKE) > CHILD_NODES:
        return roughly  # whatever the tags are, it is too much: that need not be looked up in 500 KiB of them
    ascii_body = body.replace(b"\0", b"") if b"\0" in body else body  # UTF-16
    return min(roughly, tags * (_ALIKE + sum(1 for _ in _STYLED.finditer(ascii_body))))


def _has_long_tag(body: bytes) -> bool:
    """Whether there may be a tag of over 64 KiB, whose attributes are compared each with each: quadratic time."""
    starts = range(0, len(body) - _LONGEST_TAG_BYTES + 1, _LONGEST_TAG_BYTES)
    return any(not _ends_a_tag(body, start, start + _LONGEST_TAG_BYTES) for start in starts)


def _ends_a_tag(body: bytes, start: int, end: int) -> bool:
    """Whether one of the first `>` of a stretch can't be part of a quoted value: there, no tag goes on."""
    at = start - 1
    for _ in range(_ENDS_LOOKED_AT):
        at = body.find(b">", at + 1, end)
        if at < 0:
            return False
        since = max(0, at - 2 * _LONGEST_TAG_BYTES)
        if not any(_opens(body, body.rfind(quote, since, at)) for quote in (b'"', b"'")):
            return True
    return False


def _opens(body: bytes, quote: int) -> bool:
    before = body[max(0, quote - 64) : max(0, quote)].rstrip(b"\t\n\f\r \0")
    return quote >= 0 and (not before or before.endswith(b"="))
