"""Cuts a body into its physical lines, however long they are and however the body comes in."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final, NamedTuple

from services.gateway.uploads.charsets import Transcoder, encoding_of, line_decoder, other_encoding
from services.gateway.uploads.records import MAX_RECORD_BYTES, SHOWN_CHARS, beginning

_BLOCK_BYTES: Final = 64 * 2**10
_KEPT_BYTES: Final = 5 * SHOWN_CHARS  # of a line that is too long: more than is shown of it
_MARK: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One physical line.

    Attributes:
        number: from 1.
        text: without what ends it, nor a byte order mark in front (of a file that was glued on).
        too_long: its size in bytes if it has more than are read, else 0; then only its beginning is here.
    """

    number: int
    text: str
    too_long: int

    @property
    def is_blank(self) -> bool:
        """Whether it says nothing."""
        return not self.text or self.text.isspace()

    @property
    def complaint(self) -> str:
        """What to say about a line that is too long."""
        return f"The line has {self.too_long:,} bytes; {MAX_RECORD_BYTES:,} are the most."


class Lines:
    """The lines of one body. CR, LF, and CR LF end one, each where it stands.

    Args:
        charset: as declared, if it was.

    Raises:
        Problem: `unsupported_media_type`: nobody knows that charset.
    """

    def __init__(self, charset: str | None = None) -> None:
        declared = encoding_of(charset) if charset else None
        self._transcoder = Transcoder(declared)
        self._decode_other = line_decoder(declared)
        self._other = other_encoding(declared)
        self._has_others = False
        self._number = 0
        self._open: list[bytes] = []  # pieces of the line that has not ended yet
        self._open_bytes = 0
        self._after_cr = False

    @property
    def encodings(self) -> tuple[str, ...]:
        """Those that the lines so far were read in (WHATWG's names, in lower case)."""
        if self._transcoder.encoding is not None:
            return (self._transcoder.encoding,)
        return ("utf-8", self._other) if self._has_others else ("utf-8",)

    def feed(self, data: bytes) -> Iterator[Line]:
        """The lines that end in `data`."""
        for start in range(0, len(data), _BLOCK_BYTES):
            yield from self._cut(self._transcoder.feed(data[start : start + _BLOCK_BYTES]))

    def finish(self) -> Iterator[Line]:
        """The last line, if nothing ends it but the body."""
        yield from self._cut(self._transcoder.feed(b"", last=True))
        if self._open_bytes:
            yield self._line(b"")

    def _cut(self, data: bytes) -> Iterator[Line]:
        if not data:
            return
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
        self._after_cr = data[-1:] == b"\r"
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *ended, rest = data.split(b"\n")
        for piece in ended:
            if piece or self._open:
                yield self._line(piece)
            else:  # blank ones may come by the million
                self._number += 1
                yield Line(self._number, "", 0)
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        self._open_bytes += len(piece)
        self._open.append(piece)
        if self._open_bytes > MAX_RECORD_BYTES:
            self._open = [b"".join(self._open)[:_KEPT_BYTES]]

    def _line(self, end: bytes) -> Line:
        self._number += 1
        if not self._open and len(end) <= MAX_RECORD_BYTES:
            return Line(self._number, self._decode(end), 0)
        self._keep(end)
        raw, size = b"".join(self._open), self._open_bytes
        self._open, self._open_bytes = [], 0
        if size > MAX_RECORD_BYTES:
            return Line(self._number, beginning(self._decode_cut(raw)), size)
        return Line(self._number, self._decode(raw), 0)

    def _decode(self, raw: bytes) -> str:
        if raw[:3] == _MARK:
            raw = raw[3:]
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._has_others = True
            return self._decode_other(raw)

    def _decode_cut(self, raw: bytes) -> str:
        """The beginning of a line, whose last character may be in two."""
        try:
            return codecs.getincrementaldecoder("utf-8")().decode(raw.removeprefix(_MARK))
        except UnicodeDecodeError:
            return self._decode_other(raw)
