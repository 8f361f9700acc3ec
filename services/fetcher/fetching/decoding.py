"""Undoing Content-Encoding with a bound on what comes out (RFC 9110 §8.4, RFC 9659 for zstd).

aiohttp could do it, but takes a gzip stream that was cut short for a whole one; a count of half a page must
not pass for the count of the page.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
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

_INPUT_BYTES: Final = 4096
"""Decoded at a time, so that at the size limit it is known how few bytes had grown to so many."""

_OUTPUT_BYTES: Final = 64 * 1024
"""Of a coding, about so many bytes at a time, so that no step takes long, whatever the codings make of it."""

_MAX_CODINGS: Final = 4
_MAX_MEMBERS: Final = 10_000
"""Of one gzip or zstd stream. Ten megabytes in the blocks of `bgzip` are 160; each costs a decoder of its own."""

_NO_CODING: Final = frozenset({"", "identity", "none", "utf-8", "utf8"})
"""What servers write there although nothing is encoded; browsers look past it too."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
# isal's stub declares its exception class as an instance.
_ISAL_ERROR: Final = cast("type[Exception]", igzip_lib.IsalError)
_BROKEN: Final[tuple[type[Exception], ...]] = (_ISAL_ERROR, zlib.error, brotli.error, zstd.ZstdError, EOFError)


class _Stage(Protocol):
    """One coding."""

    done: bool

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Decode all of `data`, a step at a time; a step may yield nothing, and about `_OUTPUT_BYTES` at most."""


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

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode the next piece in steps of a millisecond or two; whoever iterates may let others run between them.

        Yields:
            What a step gave, which may be nothing. All steps have to be taken.

        Raises:
            FetchError: `too_large`, or `decompression_failed` for what is broken or a bomb.
        """
        if not self._stages:
            self.received += len(data)
            yield self._count(data)
            return
        for start in range(0, len(data), _INPUT_BYTES):
            piece = data[start : start + _INPUT_BYTES]
            self.received += len(piece)
            self._check()
            try:
                for decoded in _through(self._stages, piece):
                    yield self._count(decoded)
            except _BROKEN as error:
                raise FetchError("decompression_failed", detail=str(error)) from error

    def _count(self, data: bytes) -> bytes:
        self.decoded += len(data)
        self._check()
        return data

    def _check(self) -> None:
        if max(self.decoded, self.received) <= self._max_bytes:
            return
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


def _through(stages: Sequence[_Stage], data: bytes) -> Iterator[bytes]:
    """Decode `data` by one stage after the other, never holding more than a step's output of each."""
    if not stages:
        yield data
        return
    for start in range(0, len(data), _INPUT_BYTES):
        for decoded in stages[0].decode(data[start : start + _INPUT_BYTES]):
            yield from _through(stages[1:], decoded)
            yield b""  # also where a stage makes nothing of a lot


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
    raise FetchError("decompression_failed", detail=f"unknown coding {coding[:50]!a}")


class _Members:
    """How many streams there were in a row."""

    def __init__(self) -> None:
        self._count = 0

    def another(self) -> None:
        self._count += 1
        if self._count > _MAX_MEMBERS:
            raise FetchError("decompression_failed", detail=f"more than {_MAX_MEMBERS} compressed streams in a row")


def _inflate(stream: isal_zlib.Decompress, data: bytes) -> Iterator[bytes]:
    """Decode `data` until it is used up or the stream ends."""
    while True:
        out: bytes = stream.decompress(data, _OUTPUT_BYTES)
        yield out
        data = stream.unconsumed_tail
        if stream.eof or (not data and len(out) < _OUTPUT_BYTES):
            return


class _Gzip:
    """Any number of members; what follows the last is padding and ignored, as browsers do."""

    def __init__(self) -> None:
        self.done = False
        self._member = isal_zlib.decompressobj(wbits=31)
        self._members = _Members()
        self._between = b""
        self._padding = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data and not self._padding:
            if self.done:
                data, self._between = self._between + data, b""
                if data == _GZIP_MAGIC[:1]:  # whether this is another member, the next piece will tell
                    self._between = data
                    return
                self._padding = not data.startswith(_GZIP_MAGIC)
                if self._padding:
                    return
                self._members.another()
                self._member = isal_zlib.decompressobj(wbits=31)
                self.done = False
            yield from _inflate(self._member, data)
            self.done = self._member.eof
            data = self._member.unused_data if self.done else b""


class _Deflate:
    """With the zlib wrapper that the RFC asks for, or without, as some servers send it."""

    def __init__(self) -> None:
        self.done = False
        self._head = b""
        self._stream: isal_zlib.Decompress | None = None

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self.done:
            return
        if self._stream is None:
            data, self._head = self._head + data, b""
            if len(data) < 2:
                self._head = data
                return
            wrapped = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0  # RFC 1950 §2.2
            self._stream = isal_zlib.decompressobj(wbits=15 if wrapped else -15)
        yield from _inflate(self._stream, data)
        self.done = self._stream.eof


class _Brotli:
    def __init__(self) -> None:
        self.done = False
        self._stream = brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        process: Callable[..., bytes] = self._stream.process
        more = True
        while more:  # anything after the end is an error, in whichever piece it comes
            out = process(data, output_buffer_limit=_OUTPUT_BYTES)
            yield out
            data = b""
            self.done = self._stream.is_finished()
            more = not self.done and (len(out) >= _OUTPUT_BYTES or not self._stream.can_accept_more_data())


class _Zstd:
    def __init__(self) -> None:
        self.done = False
        self._frame = self._new_frame()
        self._frames = _Members()

    @staticmethod
    def _new_frame() -> zstd.ZstdDecompressor:
        # RFC 9659: no HTTP sender may need a window over 8 MiB; more would be memory for the asking.
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 23})

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self.done:
                self._frames.another()
                self._frame = self._new_frame()
                self.done = False
            yield self._frame.decompress(data, max_length=_OUTPUT_BYTES)
            while not self._frame.eof and not self._frame.needs_input:
                yield self._frame.decompress(b"", max_length=_OUTPUT_BYTES)
            self.done = self._frame.eof
            data = self._frame.unused_data if self.done else b""
