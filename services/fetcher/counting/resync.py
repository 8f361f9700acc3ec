"""Where to go on after bytes that Python's codec of a multi-byte encoding has no character for.

The Encoding Standard says how many bytes make one U+FFFD, and it matters: what is taken along with a broken character
is lost from the text. The rule of all these decoders: an ASCII byte that breaks a character is itself ("prepend").
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

from services.fetcher.counting import big5

_REPLACEMENT: Final = "\ufffd"
_Mended = tuple[str, int]
"""What the first bytes are read as, and how many these are."""


@cache
def error_handler(encoding: str) -> str:
    """Register what is done with bytes that Python's codec of an encoding refuses, and return its name."""
    mend = _MENDERS.get(encoding)
    if mend is None:
        return "replace"

    def handle(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        text, length = mend(error.object[error.start : error.start + 4])
        return text, error.start + length

    name = f"wordwatch-{encoding}"
    codecs.register_error(name, handle)
    return name


def _two_bytes(rest: bytes) -> _Mended:
    if len(rest) < 2 or not 0x81 <= rest[0] <= 0xFE:
        return _REPLACEMENT, 1
    return _REPLACEMENT, 1 if rest[1] < 0x80 else 2


def _big5(rest: bytes) -> _Mended:
    """§11.1.1; besides what `big5` has, Windows' codec has the euro sign."""
    if char := big5.ABSENT.get(rest[:2]) or _char(rest[:2], "cp950"):
        return char, 2
    return _two_bytes(rest)


def _euc_jp(rest: bytes) -> _Mended:
    """§12.1.1; NEC's and IBM's kanji, which Python has in Shift_JIS alone, are looked up there."""
    lead, trail = rest[0], rest[1] if len(rest) > 1 else 0
    if trail >= 0xA1 and trail != 0xFF:
        if 0xA1 <= lead <= 0xFE:
            row, cell = divmod((lead - 0xA1) * 94 + trail - 0xA1, 188)  # the pointer, as Shift_JIS writes it
            pair = bytes((row + (0x81 if row < 0x1F else 0xC1), cell + (0x40 if cell < 0x3F else 0x41)))
            return _char(pair, "cp932") or _REPLACEMENT, 2
        if lead == 0x8F:
            return _REPLACEMENT, 3 if len(rest) > 2 and rest[2] >= 0x80 else 2
    return _REPLACEMENT, 2 if lead in {0x8E, 0x8F, *range(0xA1, 0xFF)} and trail >= 0x80 else 1


def _gb18030(rest: bytes) -> _Mended:
    """§10.2.1."""
    if rest[0] == 0x80:
        return "€", 1
    if rest[0] == 0xFF or len(rest) < 2 or not 0x30 <= rest[1] <= 0x39:
        return _two_bytes(rest)
    if len(rest) < 4:
        whole = len(rest) == 2 or 0x81 <= rest[2] <= 0xFE
        return _REPLACEMENT, len(rest) if whole else 1
    return _REPLACEMENT, 4 if 0x81 <= rest[2] <= 0xFE and 0x30 <= rest[3] <= 0x39 else 1


@lru_cache(maxsize=65_536)  # of all pairs; a codec's refusal costs as much as ten characters
def _char(pair: bytes, codec: str) -> str | None:
    try:
        char = pair.decode(codec)
    except UnicodeDecodeError:
        return None
    return char if len(char) == 1 else None


_MENDERS: Final[dict[str, Callable[[bytes], _Mended]]] = {
    "big5": _big5,
    "euc-jp": _euc_jp,
    "euc-kr": _two_bytes,
    "gb18030": _gb18030,
    "gbk": _gb18030,
    "shift_jis": _two_bytes,
}
