"""Bodies that come compressed (Content-Encoding, RFC 9110 §8.4), unpacked no further than they may be.

aiohttp would unpack them as they come, also what nobody wants any more: while it throws the rest of a "bomb" away, its
event loop does nothing else, for seconds.
"""

from __future__ import annotations

import zlib
from types import MappingProxyType
from typing import Final

from services.gateway.problems import Problem

_NONE: Final = frozenset({"", "identity"})
_WINDOWS: Final = MappingProxyType({"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)})
"""For zlib; "deflate" is the zlib format, and was sent without its header by many (RFC 9110 §8.4.1.2)."""


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
    raise Problem("bad_request", f"The body is broken: it is no {coding}, or not all of it, or more.")


def too_large(max_bytes: int) -> Problem:
    """The answer to a body of more than `max_bytes`."""
    return Problem("body_too_large", f"The body may have {max_bytes:,} bytes at most, decompressed.")
