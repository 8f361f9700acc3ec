"""Pages that are made to be hard to read: they must cost their own check at most."""

from __future__ import annotations

from typing import Final

from deploy.lab.hazard import ONE_PYTHON, Group, Hazard
from deploy.lab.visit import Visit
from deploy.lab.wire import answer, page

_START: Final = page().encode()


def _stress(at: str, does: str, piece: bytes, times: int) -> Hazard:
    def make(_: Visit) -> bytes:
        return answer(_START + piece * times)

    return Hazard(f"/stress/{at}", does, ONE_PYTHON, make, heavy=True)


def _open_formats(_: Visit) -> bytes:
    """So many elements left open that the parser has to open all of them anew in each of so many paragraphs."""
    opened = b"".join(b"<b a=%d>" % number for number in range(3_000))
    return answer(_START + opened + b"<p>x" * 6_000)


def _large_attribute(_: Visit) -> bytes:
    return answer(_START + b'<p title="' + b"a" * 5_000_000 + b'">')


def _many_attributes(_: Visit) -> bytes:
    return answer(_START + b"<p " + b" ".join(b"a%d" % number for number in range(200_000)) + b">")


STRESS: Final = Group(
    "Pages that are hard to read",
    (
        _stress("nested", "100,000 elements within each other", b"<span>", 100_000),
        _stress("blocks", "15,000 blocks within each other", b"<div>", 15_000),
        _stress("tables", "20,000 tables within each other", b"<table><tr><td>", 20_000),
        _stress("tags", "a million tags", b"<i></i>", 500_000),
        _stress("line", "9 MB on one line", b"snake ", 1_500_000),
        Hazard("/stress/attribute", "an attribute of 5 MB", ONE_PYTHON, _large_attribute, heavy=True),
        _stress("references", "a million character references", b"&amp;", 1_000_000),
        _stress("comment", "a comment that never ends", b"<!-- a ", 100_000),
        _stress("ligatures", "letters that grow 18-fold when prepared", "ﷺ ".encode(), 100_000),
        Hazard("/stress/open-formats", "60 kB that make a tree of gigabytes", "too_complex", _open_formats, heavy=True),
        Hazard("/stress/attributes", "200,000 attributes of one tag", "too_complex", _many_attributes, heavy=True),
    ),
)
