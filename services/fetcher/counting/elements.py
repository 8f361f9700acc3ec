"""What each element does to the text around it, after the HTML Standard's rendering section (§15.3).

Elements that are not in these tables, known or not, are inline: they join what stands before, in and after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final


class Role(Enum):
    """What the walk does at a node."""

    TEXT = auto()
    """Reads it: no element, but text itself."""
    DROPPED = auto()
    """Leaves it out, as though it were not there."""
    BREAK = auto()
    """White space."""
    BLOCK = auto()
    """Its edges are boundaries."""
    PRE = auto()
    """A block whose white space is kept."""
    ASIDE = auto()
    """Its text is read by itself, beside the line that it belongs to."""
    SVG = auto()
    """Its children are SVG."""
    SVG_HTML = auto()
    """A block of HTML inside SVG."""
    MATH = auto()
    """Its children are MathML."""
    MATH_HTML = auto()
    """Its children are HTML inside MathML."""


_DROPPED: Final = (
    "head script style template noscript noframes rp datalist select textarea "
    # What stands in these is for browsers that don't know them.
    "iframe object video audio canvas "
    # No browser ever shows the content of these either.
    "title noembed progress meter -comment"
)
_BLOCKS: Final = (
    # §15.3.2 The page, §15.3.3 Flow content
    "html body address blockquote center dialog div figure figcaption footer form header hr legend main p search "
    # §15.3.6 Sections and headings
    "article aside h1 h2 h3 h4 h5 h6 hgroup nav section "
    # §15.3.7 Lists
    "dir dd dl dt menu ol ul li "
    # §15.3.8 Tables
    "table caption colgroup col thead tbody tfoot tr td th "
    # §15.3.12 The fieldset and legend elements, §15.5 Widgets, §15.6 Frames
    "fieldset details summary optgroup option frameset frame"
)
_TEXT: Final = "-text"  # as Lexbor calls it
_PRE: Final = "pre listing xmp plaintext"


Roles = Mapping[str | None, Role]


def _table(**roles: str) -> Roles:
    return MappingProxyType({name: Role[role] for role, names in roles.items() for name in names.split()})


HTML: Final = _table(
    TEXT=_TEXT, DROPPED=_DROPPED, BREAK="br", BLOCK=_BLOCKS, PRE=_PRE, ASIDE="rt", SVG="svg", MATH="math"
)
"""Roles by tag name, of HTML elements."""

SVG: Final = _table(
    TEXT=_TEXT, DROPPED="title desc metadata script style", BLOCK="text", SVG="svg", SVG_HTML="foreignObject"
)
"""Roles by tag name, of elements inside `svg`."""

MATHML: Final = _table(TEXT=_TEXT, BLOCK="mtable mtr mlabeledtr mtd", SVG="svg", MATH_HTML="mi mo mn ms mtext")
"""Roles by tag name, of elements inside `math`."""
