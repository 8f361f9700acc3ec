"""ISO-2022-JP as browsers read it (Encoding Standard §12.2): Python's codecs know other escapes, and mend otherwise."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Final

_REPLACEMENT: Final = "\ufffd"
_ASCII: Final = "".join(_REPLACEMENT if byte > 0x7F or byte in {0x0E, 0x0F} else chr(byte) for byte in range(256))
_ROMAN: Final = _ASCII.replace("\\", "¥").replace("~", "‾")
_KATAKANA: Final = "".join(chr(0xFF40 + byte) if 0x21 <= byte <= 0x5F else _REPLACEMENT for byte in range(256))
_SINGLE_BYTES: Final = {b"(B": _ASCII, b"(J": _ROMAN, b"(I": _KATAKANA}
_TWO_BYTES: Final = {b"$@", b"$B"}

_PAIRS: Final = re.compile(rb"(?P<pairs>(?:[\x21-\x7e]{2})+)|[\x21-\x7e]?[^\x21-\x7e]|[\x21-\x7e]", re.DOTALL)
_AS_EUC: Final = bytes(byte | 0x80 for byte in range(256))


def decode(body: bytes, decode_euc_jp: Callable[[bytes], str]) -> str:
    """Decode ISO-2022-JP: each escape says how the bytes up to the next are read.

    Args:
        body: the bytes.
        decode_euc_jp: decodes EUC-JP, which has the same two bytes for each kanji, but for their upper bit.
    """
    return "".join(_pieces(body, decode_euc_jp))


def _pieces(body: bytes, decode_euc_jp: Callable[[bytes], str]) -> Iterator[str]:
    state = b"(B"
    escaped = False  # an escape right after another is an error: it could hide something from a filter
    for number, piece in enumerate(body.split(b"\x1b")):
        rest = piece
        if number:
            if piece[:2] in _TWO_BYTES or piece[:2] in _SINGLE_BYTES:
                if escaped:
                    yield _REPLACEMENT
                state, rest, escaped = piece[:2], piece[2:], True
            else:
                yield _REPLACEMENT
                escaped = False
        if not rest:
            continue
        escaped = False
        if state in _SINGLE_BYTES:
            yield codecs.charmap_decode(rest, "strict", _SINGLE_BYTES[state])[0]
        else:
            yield from (
                decode_euc_jp(found[0].translate(_AS_EUC)) if found["pairs"] else _REPLACEMENT
                for found in _PAIRS.finditer(rest)
            )
