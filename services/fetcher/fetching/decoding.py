"""Undoing Content-Encoding with a bound on what comes out (RFC 9110 §8.4, RFC 9659 for zstd).

aiohttp could do it, but takes a gzip stream that was cut short for a whole one; a count of half a page must
not pass for the count of the page.
"""

from __future__ import annotations

import sys
import zlib
from typing import Final, Protocol, cast

import brotli  # type: ignore[import-untyped]
from isal import igzip_lib, isal_zlib

from shared.errors import FetchError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPT_ENCODING: Final = "gzip, deflate, br, zstd"

_BOMB_RATIO: Final = 100
"""A page over the size limit that grew this much was made to grow; ordinary ones stay under twenty."""

_SLICE_BYTES: Final = 4096
"""Decoded at a time, so that at the size limit it is known how few bytes had grown to so many."""

_MAX_CODINGS: Final = 4
_NO_CODING: Final = frozenset({"", "identity", "none", "utf-8", "utf8"})
"""What servers write there although nothing is encoded; browsers look past it too."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
# isal's stub declares its exception class as an instance.
_ISAL_ERROR: Final = cast("type[Exception]", igzip_lib.IsalError)
_BROKEN: Final[tuple[type[Exception], ...]] = (_ISAL_ERROR, zlib.error, brotli.error, zstd.ZstdError, EOFError)


class _Stage(Protocol):
    """One coding."""

    done: bool

    def decode(self, data: bytes, limit: int) -> bytes:
        """Decode all of `data`, but stop after about `limit` bytes of output."""


class ContentDecoder:
    """Decodes one body piece by piece and counts.

    Attributes:
        received: bytes as they came over the wire.
        decoded: bytes that came out.
    """

    def __init__(self, content_encoding: str, max_bytes: int) -> None:
        """Prepare for one body.

        Args:
            content_encoding: the header's value, "" if there was none.
            max_bytes: bound on the bytes received and on the bytes decoded.

        Raises:
            FetchError: `decompression_failed` for a coding that nobody asked for.
        """
        self.received = 0
        self.decoded = 0
        self._max_bytes = max_bytes
        self._stages = _stages(content_encoding)

    def feed(self, data: bytes) -> bytes:
        """Decode the next piece.

        It is done in one go: up to 10 MiB that keeps the event loop for some 10 ms at worst.

        Raises:
            FetchError: `too_large`, or `decompression_failed` for what is broken or a bomb.
        """
        if not self._stages:
            return self._count(data, len(data))
        slices = (data[start : start + _SLICE_BYTES] for start in range(0, len(data), _SLICE_BYTES))
        return b"".join([self._count(self._decode(piece), len(piece)) for piece in slices])

    def _decode(self, data: bytes) -> bytes:
        room = self._max_bytes - self.decoded
        for stage in self._stages:
            try:
                data = stage.decode(data, room + 1)
            except _BROKEN as error:
                raise FetchError("decompression_failed", detail=str(error)) from error
            if len(data) > room:
                break
        return data

    def _count(self, data: bytes, received: int) -> bytes:
        self.received += received
        self.decoded += len(data)
        if max(self.decoded, self.received) <= self._max_bytes:
            return data
        if self.decoded > _BOMB_RATIO * self.received:
            raise FetchError("decompression_failed", detail=f"{self.received} bytes grew to {self.decoded} or more")
        raise FetchError("too_large", detail=f"more than {self._max_bytes} bytes")

    @property
    def complete(self) -> bool:
        """Whether the compressed stream came to its end. Nothing at all is complete."""
        return not self.received or all(stage.done for stage in self._stages)

    def finish(self) -> None:
        """Check that the compressed stream came to its end.

        Raises:
            FetchError: `decompression_failed` if it stops in the middle.
        """
        if not self.complete:
            raise FetchError("decompression_failed", detail="the compressed stream has no end")


def _stages(content_encoding: str) -> list[_Stage]:
    codings = [part.strip().lower() for part in content_encoding.split(",")]
    codings = [coding for coding in codings if coding not in _NO_CODING]
    if len(codings) > _MAX_CODINGS:
        raise FetchError("decompression_failed", detail=f"{len(codings)} codings on top of each other")
    return [_stage(coding) for coding in reversed(codings)]


def _stage(coding: str) -> _Stage:
    if coding in {"gzip", "x-gzip"}:
        return _Gzip()
    if coding == "deflate":
        return _Deflate()
    if coding == "br":
        return _Brotli()
    if coding == "zstd":
        return _Zstd()
    raise FetchError("decompression_failed", detail=f"unknown coding {coding[:50]!r}")


class _Gzip:
    """Any number of members; what follows the last is padding and ignored, as browsers do."""

    def __init__(self) -> None:
        self.done = False
        self._member = isal_zlib.decompressobj(wbits=31)
        self._between = b""
        self._padding = False

    def decode(self, data: bytes, limit: int) -> bytes:
        out = b""
        while data and len(out) < limit and not self._padding:
            if self.done:
                data, self._between = self._between + data, b""
                if data == _GZIP_MAGIC[:1]:  # whether this is another member, the next piece will tell
                    self._between = data
                    break
                self._padding = not data.startswith(_GZIP_MAGIC)
                if self._padding:
                    break
                self._member = isal_zlib.decompressobj(wbits=31)
            out += self._member.decompress(data, limit - len(out))
            self.done = self._member.eof
            data = self._member.unused_data if self.done else b""
        return out


class _Deflate:
    """With the zlib wrapper that the RFC asks for, or without, as some servers send it."""

    def __init__(self) -> None:
        self.done = False
        self._head = b""
        self._stream: isal_zlib.Decompress | None = None

    def decode(self, data: bytes, limit: int) -> bytes:
        if self.done:
            return b""
        if self._stream is None:
            data, self._head = self._head + data, b""
            if len(data) < 2:
                self._head = data
                return b""
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0  # RFC 1950 §2.2
            self._stream = isal_zlib.decompressobj(wbits=15 if wrapped else -15)
        out: bytes = self._stream.decompress(data, limit)
        self.done = self._stream.eof
        return out


class _Brotli:
    def __init__(self) -> None:
        self.done = False
        self._stream = brotli.Decompressor()

    def decode(self, data: bytes, limit: int) -> bytes:
        parts = [self._stream.process(data, output_buffer_limit=limit)]
        size = len(parts[0])
        while size < limit and not self._stream.can_accept_more_data():
            parts.append(self._stream.process(b"", output_buffer_limit=limit - size))
            size += len(parts[-1])
        self.done = self._stream.is_finished()
        return b"".join(parts)


class _Zstd:
    def __init__(self) -> None:
        self.done = False
        self._frame = self._new_frame()

    @staticmethod
    def _new_frame() -> zstd.ZstdDecompressor:
        # RFC 9659: no HTTP sender may need a window over 8 MiB; more would be memory for the asking.
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 23})

    def decode(self, data: bytes, limit: int) -> bytes:
        out = b""
        while data and len(out) < limit:
            if self.done:
                self._frame = self._new_frame()
            out += self._frame.decompress(data, max_length=limit - len(out))
            self.done = self._frame.eof
            data = self._frame.unused_data if self.done else b""
        return out
