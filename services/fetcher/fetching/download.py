"""Reading the body of an answer, decoded, within bounds, and without holding up the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

import aiohttp

from shared.errors import FetchError

from .answers import coding_of
from .decoding import ContentDecoder
from .errors_map import CLIENT_FAILURES
from .hop import Hop

_TURN_S: Final = 0.005
"""Decoding lets others run after so long. A body that is made for it keeps a decoder busy for a second."""

_GLANCE_S: Final = 2.0
"""For the body of an error, of which nobody needs more than a look."""


async def whole(response: aiohttp.ClientResponse, hop: Hop, max_bytes: int, progress: Callable[[int], None]) -> bytes:
    """Read the whole body.

    Args:
        response: its head is there.
        hop: whose connection this is.
        max_bytes: bound on the body, on the wire and decoded.
        progress: called with the number of decoded bytes so far.

    Raises:
        FetchError: `too_large`, `decompression_failed`, `body_incomplete`.
        aiohttp.ClientError: the connection broke.
    """
    if (response.content_length or 0) > max_bytes:
        raise FetchError("too_large", http_status=response.status, detail=f"{response.content_length} bytes announced")
    decoder = ContentDecoder(coding_of(response.headers), max_bytes)
    parts: list[bytes] = []
    async for part in decoded(response, decoder):
        parts.append(part)
        progress(decoder.decoded)
    if ends_with_connection(response) and (hop.broke_off() or not decoder.complete):
        raise FetchError("body_incomplete", http_status=response.status, detail="the connection ended too soon")
    decoder.finish()
    return b"".join(parts)


async def beginning(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read a body of at most `max_bytes`, or what can be had of it within two seconds; nothing goes wrong in here."""
    parts: list[bytes] = []
    try:
        decoder = ContentDecoder(coding_of(response.headers), max_bytes)
        async with asyncio.timeout(_GLANCE_S):
            async for part in decoded(response, decoder):
                parts.append(part)
    except (FetchError, TimeoutError, *CLIENT_FAILURES):
        pass
    return b"".join(parts)


async def decoded(response: aiohttp.ClientResponse, decoder: ContentDecoder) -> AsyncGenerator[bytes]:
    """Yield the body as it comes; whoever leaves before its end closes this, too."""
    turned_s = time.perf_counter()
    async for data in response.content.iter_any():
        for part in decoder.feed(data):
            if part:
                yield part
            if time.perf_counter() - turned_s > _TURN_S:
                await asyncio.sleep(0)
                turned_s = time.perf_counter()


def ends_with_connection(response: aiohttp.ClientResponse) -> bool:
    """Tell whether the end of the connection is all that marks the end of the body (RFC 9112 §6.3).

    aiohttp takes a reset there for the end.
    """
    return response.content_length is None and "Transfer-Encoding" not in response.headers
