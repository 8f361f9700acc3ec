"""From bytes to characters: what is declared is believed where nothing that the upload itself shows speaks against it.

A byte order mark decides; then each line that is valid UTF-8 is read as such; then the declared charset; then
windows-1252. Lines are judged one by one, since files are glued together of several.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any, Final

import webencodings

from services.gateway.problems import Problem

_lookup: Callable[[str], Any] = webencodings.lookup  # the package has no types

_WINDOWS_1252: Final = "".join(
    bytes([byte]).decode("cp1252") if byte not in b"\x81\x8d\x8f\x90\x9d" else chr(byte) for byte in range(256)
)
"""WHATWG's index: where Python's codec has holes, it has the control characters of these numbers."""

_STREAMED: Final = frozenset({"utf-16le", "utf-16be", "iso-2022-jp"})
"""Their lines can't be told apart, or not be read one by one, before they are decoded."""

_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be"))
_LONGEST_MARK: Final = 3


def encoding_of(charset: str) -> str:
    """The encoding that a label stands for (WHATWG Encoding §4.2), in lower case.

    Raises:
        Problem: `unsupported_media_type`: none; or one that is a danger to read (§14.1).
    """
    found = _lookup(charset.strip(" \t\"'")) if charset.isascii() else None
    if found is None or found.name == "replacement":
        raise Problem("unsupported_media_type", f"The charset {charset[:100]!r} is not one that is read here.")
    return str(found.name)


class Transcoder:
    """Makes UTF-8 of a body in one of the encodings whose bytes can't be cut at line ends; leaves others as they are.

    Args:
        declared: encoding of the body, if it was said; a byte order mark overrules it.

    Attributes:
        encoding: that of the body, where it is one of those.
    """

    def __init__(self, declared: str | None) -> None:
        self._declared = declared
        self.encoding: str | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._head = b""
        self._begun = False

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """What can be read with `data`; of the beginning nothing, until it is seen whether it is a mark."""
        if not self._begun:
            data = self._head + data
            if len(data) < _LONGEST_MARK and not last:
                self._head = data
                return b""
            data = self._begin(data)
        return data if self._decoder is None else self._decoder.decode(data, last).encode()

    def _begin(self, data: bytes) -> bytes:
        self._begun = True
        encoding = self._declared
        for mark, marked in _MARKS:
            if data.startswith(mark):
                data, encoding = data.removeprefix(mark), marked
                break
        if encoding in _STREAMED:
            self.encoding = encoding
            self._decoder = _codec(encoding).incrementaldecoder("replace")
        return data


def other_encoding(declared: str | None) -> str:
    """The encoding of the lines that are not valid UTF-8, as `line_decoder` reads them."""
    return "windows-1252" if declared is None or declared in {"utf-8", *_STREAMED} else declared


def line_decoder(declared: str | None) -> Callable[[bytes], str]:
    """A function that decodes one line; what nothing can be made of is U+FFFD."""
    other = other_encoding(declared)
    if other == "windows-1252":
        return _as_windows_1252
    codec = _codec(other)

    def decode(line: bytes) -> str:
        return str(codec.decode(line, "replace")[0])

    return decode


def _as_windows_1252(line: bytes) -> str:
    return codecs.charmap_decode(line, "strict", _WINDOWS_1252)[0]


def _codec(encoding: str) -> codecs.CodecInfo:
    info: codecs.CodecInfo = _lookup(encoding).codec_info
    return codecs.lookup("gb18030") if encoding == "gbk" else info  # the standard reads both alike (§10.1.1)
