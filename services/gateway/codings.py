"""Bodies that come compressed (Content-Encoding, RFC 9110 §8.4), unpacked no further than they may be.

aiohttp would unpack them as they come, also what nobody wants any more: while it throws the rest of a "bomb" away, its
event loop does nothing else, for seconds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from services.gateway.problems import Problem

_NONE: Final = frozenset({"", "identity"})
_WINDOWS: Final = MappingProxyType({"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)})
"""For zlib; "deflate" is the zlib format, and was sent without its header by many (RFC 9110 §8.4.1.2)."""
PIECE_BYTES: Final = 64 * 2**10
"""What is unpacked in one go of a body that is read piece by piece."""


def check(coding: str) -> str:
    """The coding in lower case.

    Raises:
        Problem: `unsupported_media_type`: it is none that is taken; Accept-Encoding tells which are (§12.5.3).
    """
    coding = coding.strip(" \t").lower()
    if coding not in _NONE and coding not in _WINDOWS:
        accepted = {"Accept-Encoding": "gzip, deflate"}
        raise Problem("unsupported_media_type", f"The body is encoded as {coding[:100]!r}.", headers=accepted)
    return coding


def unpack(body: bytes, coding: str, *, max_bytes: int) -> bytes:
    """The body as it was before `coding`, one that passed `check`.

    Raises:
        Problem: `body_too_large`; `bad_request`: it is not what its coding says.
    """
    if coding in _NONE:
        return body
    for window in _WINDOWS[coding]:
        unpacker = zlib.decompressobj(wbits=window)
        try:
            unpacked = unpacker.decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if len(unpacked) > max_bytes:
            raise too_large(max_bytes)
        if unpacker.eof and not unpacker.unused_data:
            return unpacked
    raise _broken(coding)


def too_large(max_bytes: int) -> Problem:
    """The answer to a body of more than `max_bytes`."""
    return Problem("body_too_large", f"The body may have {max_bytes:,} bytes at most, decompressed.")


def _broken(coding: str) -> Problem:
    return Problem("bad_request", f"The body is broken: it is no {coding}, or not all of it, or more.")


class Unpacker:
    """Unpacks a body piece by piece, no more of it at a time than was asked for.

    Args:
        coding: one that passed `check`.
        max_bytes: what all of it may have when it is unpacked.
    """

    def __init__(self, coding: str, *, max_bytes: int) -> None:
        self._coding = coding
        self._max_bytes = max_bytes
        self._windows = list(_WINDOWS.get(coding, ()))
        self._unpacker = zlib.decompressobj(wbits=self._windows.pop(0)) if self._windows else None
        self._bytes = 0
        self._head = b""
        self._is_empty = True

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """What has come, in pieces of at most `PIECE_BYTES`.

        Raises:
            Problem: `body_too_large`; `bad_request`: it is not what its coding says.
        """
        if self._unpacker is None:
            self._count(data)
            yield data
            return
        self._is_empty = self._is_empty and not data
        full = bool(data)
        while full:
            piece, unpacker = self._piece(data)
            self._count(piece)
            if piece:
                yield piece
            if unpacker.unused_data:
                raise _broken(self._coding)
            data = unpacker.unconsumed_tail
            full = bool(data) or len(piece) == PIECE_BYTES  # what did not fit may be in the unpacker alone

    def _piece(self, data: bytes) -> tuple[bytes, zlib._Decompress]:
        """Some of what has come; as long as that is nothing, the next way to read this coding may be the right one."""
        unpacker = self._unpacker or zlib.decompressobj()
        try:
            piece = unpacker.decompress(data, PIECE_BYTES)
        except zlib.error:
            if self._bytes or not self._windows:
                raise _broken(self._coding) from None
        else:
            self._head = b"" if self._bytes or piece else self._head + data
            return piece, unpacker
        self._unpacker = zlib.decompressobj(wbits=self._windows.pop(0))
        return self._piece(self._head + data)

    def finish(self) -> None:
        """To be called at the end of the body.

        Raises:
            Problem: `bad_request`: something is missing.
        """
        if self._unpacker is not None and not self._is_empty and not self._unpacker.eof:
            raise _broken(self._coding)

    def _count(self, piece: bytes) -> None:
        self._bytes += len(piece)
        if self._bytes > self._max_bytes:
            raise too_large(self._max_bytes)
