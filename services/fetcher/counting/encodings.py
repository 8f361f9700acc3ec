"""Encodings as browsers read them: WHATWG's Encoding Standard, on top of Python's codecs.

Labels mean what the standard says (`iso-8859-1` is windows-1252, `gb2312` is gb18030); webencodings knows them. Where
Python's codec of that encoding differs from the standard's index, the difference is mended here. Undecodable bytes
become U+FFFD, never an error.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import webencodings

from services.fetcher.counting import big5, iso_2022_jp
from services.fetcher.counting.resync import error_handler

REPLACEMENT: Final = "\ufffd"

_lookup: Callable[[str], Any] = webencodings.lookup  # the package has no types

_UNICODE: Final = frozenset({"utf-8", "utf-16le", "utf-16be"})
_MULTI_BYTE: Final = frozenset({"big5", "euc-jp", "euc-kr", "gb18030", "gbk", "shift_jis"})

_GB18030_CHANGED: Final = (0xE5E5, *range(0xE78D, 0xE797), 0xE7C7, 0x1E3F)
_GB18030_RADICALS: Final = (0xE81E, 0xE826, 0xE82B, 0xE82C, 0xE832, 0xE843, 0xE854, 0xE864)
_JIS_PUNCTUATION: Final = str.maketrans("〜‖−¢£¬", "～∥－￠￡￢")
_GB18030: Final = dict(
    zip((*_GB18030_CHANGED, *_GB18030_RADICALS), "\u3000︐︒︑︓︔︕︖︗︘︙ḿ\ue7c7龴龵龶龷龸龹龺龻", strict=True)
)

# What Python's codec decodes to another character than the standard's index.
_MENDED: Final[Mapping[str, dict[int, str] | dict[int, int]]] = {
    "koi8-u": {0x255D: "\u045e", 0x256C: "\u040e"},  # Belarusian letters, where Python has box drawing
    "shift_jis": dict.fromkeys(range(0xF8F0, 0xF8F4), REPLACEMENT),  # single bytes that the standard calls errors
    "euc-jp": _JIS_PUNCTUATION,  # as on Windows
    "big5": str.maketrans("•､‾∼♁☉¥¢£", "‧﹑¯～⊕⊙￥￠￡"),  # as on Windows
    "gbk": _GB18030,  # the standard follows GB 18030-2022, Python the edition of 2000
    "gb18030": _GB18030,
}


def encoding_of(label: str) -> str | None:
    """Return the name of the encoding that a label stands for, in lower case (§4.2 "get an encoding")."""
    try:
        found = _lookup(label)
    except UnicodeEncodeError:  # a label with a lone surrogate
        return None
    return str(found.name) if found else None


def decode_as(body: bytes, encoding: str) -> str:
    """Decode a body as browsers do.

    Args:
        body: without a byte order mark.
        encoding: a name returned by `encoding_of`.
    """
    if encoding == "replacement":  # of encodings that are a danger to read: §14.1
        return REPLACEMENT if body else ""
    if encoding == "iso-2022-jp":
        return iso_2022_jp.decode(body, lambda pairs: _multi_byte(pairs, "euc-jp"))
    if encoding == "big5":
        return big5.decode(body, lambda piece: _multi_byte(piece, "big5"))
    if encoding == "euc-jp":  # the one character of JIS X 0212 that Python takes for an ASCII one
        body = body.replace(b"\x8f\xa2\xb7", b"\xa1\xc1")
    if encoding in _MULTI_BYTE:
        return _multi_byte(body, encoding)
    if encoding in _UNICODE:
        return str(_codec(encoding).decode(body, "replace")[0])
    return codecs.charmap_decode(body, "strict", _single_bytes(encoding))[0]


def _codec(encoding: str) -> codecs.CodecInfo:
    info: codecs.CodecInfo = _lookup(encoding).codec_info
    return codecs.lookup("gb18030") if encoding == "gbk" else info  # the standard reads both alike (§10.1.1)


def _multi_byte(body: bytes, encoding: str) -> str:
    text = _codec(encoding).decode(body, error_handler(encoding))[0]
    return text.translate(_MENDED[encoding]) if encoding in _MENDED and not text.isascii() else text


@cache
def _single_bytes(encoding: str) -> str:
    """What each of the 256 bytes stands for: no byte is an error, which would cost a thousand times as much."""
    codec = _codec(encoding)
    chars = "".join(codec.decode(bytes((byte,)), "replace")[0] for byte in range(256)).translate(
        _MENDED.get(encoding, {})
    )
    if not encoding.startswith("windows-"):
        return chars
    # The standard's indexes of these fill the gaps below 0xA0 with the C1 controls.
    filled = "".join(chr(byte) if char == REPLACEMENT and byte < 0xA0 else char for byte, char in enumerate(chars))
    return filled[:0xCA] + "\u05ba" + filled[0xCB:] if encoding == "windows-1255" else filled
