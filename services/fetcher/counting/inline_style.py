"""Reads the two declarations of a style attribute that can take an element's text away."""

from __future__ import annotations

import re
from typing import Final

_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_QUOTED_OR_URL: Final = re.compile(
    r"""  "(?:[^"\\\n]|\\.)*"? | '(?:[^'\\\n]|\\.)*'? | \burl\([^)'"]*\)? """, re.DOTALL | re.VERBOSE | re.IGNORECASE
)
_DECLARATION: Final = re.compile(
    r"(?:^|;)\s*+(display|visibility)\s*+:\s*+([a-z-](?:[a-z -]{0,59}[a-z-])?)\s*+(!\s*+important)?\s*+(?=;|\Z)",
    re.IGNORECASE,
)
_WIDE_KEYWORDS: Final = frozenset({"inherit", "initial", "unset", "revert", "revert-layer"})
_VISIBILITY: Final = frozenset({"visible", "hidden", "collapse"})
_DISPLAY_WORD: Final = re.compile(
    r"none|contents|block|inline(?:-(?:block|table|flex|grid))?|run-in|flow(?:-root)?|flex|grid|math|list-item|"
    r"table(?:-(?:row|cell|caption|column|(?:row|column|header|footer)-group))?|ruby(?:-(?:base|text)(?:-container)?)?|"
    r"-webkit-(?:inline-)?(?:box|flex)"
)
"""The keywords of CSS Display 3 §2, and the prefixed ones that all browsers know (Compatibility Standard §3.3)."""


def hides(style: str) -> bool:
    """Tell whether a style attribute says `display: none` or `visibility: hidden`.

    As in a browser the last declaration of a property wins, an important one before others, and one whose value is
    not a value of that property does not count (CSS Cascade §6; CSS Style Attributes §3). Escapes are not undone.
    """
    winners: dict[str, tuple[bool, str]] = {}
    plain = _QUOTED_OR_URL.sub("''", _COMMENT.sub(" ", style))
    for name, value, important in _DECLARATION.findall(plain):
        name, value = name.lower(), value.lower()  # noqa: PLW2901 - CSS keywords have no case
        won_important, _ = winners.get(name, (False, ""))
        if _is_value(name, value) and (important or not won_important):
            winners[name] = (bool(important), value)
    return winners.get("display", (False, ""))[1] == "none" or winners.get("visibility", (False, ""))[1] == "hidden"


def _is_value(name: str, value: str) -> bool:
    if value in _WIDE_KEYWORDS:
        return True
    if name == "visibility":
        return value in _VISIBILITY
    words = value.split()
    return all(map(_DISPLAY_WORD.fullmatch, words)) and (len(words) == 1 or "none" not in words)
