"""Encodings as browsers read them: WHATWG's Encoding Standard, on top of Python's codecs.

Labels mean what the standard says (`iso-8859-1` is windows-1252, `gb2312` is gb18030); webencodings knows them. Where
Python's codec of that encoding differs from the standard's index, the difference is mended here. Undecodable bytes
become U+FFFD, never an error.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final

import webencodings

REPLACEMENT: Final = "\ufffd"

_lookup: Callable[[str], Any] = webencodings.lookup  # the package has no types

# Codecs to use instead of webencodings' choice: the standard reads gbk as gb18030 (§10.1.1), and half-width katakana
# in iso-2022-jp (§12.2.1), which only Python's extended codec has.
_CODECS: Final = {"gbk": "gb18030", "iso-2022-jp": "iso2022_jp_ext"}

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
    "iso-2022-jp": _JIS_PUNCTUATION,
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
    codec = codecs.lookup(_CODECS[encoding]) if encoding in _CODECS else _lookup(encoding).codec_info
    text: str = codec.decode(body, _error_handler(encoding))[0]
    return text.translate(_MENDED[encoding]) if encoding in _MENDED and not text.isascii() else text


@cache
def _error_handler(encoding: str) -> str:
    """Register what is done with bytes that Python's codec has no character for, and return its name."""
    if encoding.startswith("windows-"):
        rescue = partial(_single_byte, encoding)
    elif encoding in {"big5", "euc-jp", "euc-kr", "gbk", "gb18030", "shift_jis"}:
        rescue = partial(_two_bytes, encoding)
    else:
        return "replace"
    name = f"wordwatch-{encoding}"
    codecs.register_error(name, rescue)
    return name


def _single_byte(encoding: str, error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte = error.object[error.start]
    if byte < 0xA0:  # the standard's indexes fill the gaps in this range with the C1 controls
        char = chr(byte)
    elif encoding == "windows-1255" and byte == 0xCA:
        char = "\u05ba"
    else:
        char = REPLACEMENT
    return char, error.start + 1


def _two_bytes(encoding: str, error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    pair = error.object[error.start : error.start + 2]
    if len(pair) < 2 or not 0x81 <= pair[0] <= 0xFE:
        return REPLACEMENT, error.start + 1
    char = _rescued(encoding, pair)
    if char is None and pair[1] < 0x80:  # "prepend byte": an ASCII byte after a broken lead is itself
        return REPLACEMENT, error.start + 1
    return char or REPLACEMENT, error.start + 2


def _rescued(encoding: str, pair: bytes) -> str | None:
    """Look a pair up where Python has the rest of the standard's index: NEC's and IBM's kanji, the euro sign."""
    if encoding == "euc-jp" and pair[0] >= 0xA1 and pair[1] >= 0xA1:
        lead, trail = divmod((pair[0] - 0xA1) * 94 + pair[1] - 0xA1, 188)  # the pointer, as Shift_JIS writes it
        pair = bytes((lead + (0x81 if lead < 0x1F else 0xC1), trail + (0x40 if trail < 0x3F else 0x41)))
        codec = "cp932"
    elif encoding == "big5":
        codec = "cp950"
    else:
        return None
    try:
        char = pair.decode(codec)
    except UnicodeDecodeError:
        return None
    return char if len(char) == 1 else None
