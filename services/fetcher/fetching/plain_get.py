"""One request that takes any answer for one: what comes is handed on as far as it goes, and judged elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from shared.errors import FetchError
from shared.urls import Address

from .answers import coding_of
from .decoding import ContentDecoder
from .download import decoded, ends_with_connection
from .errors_map import CLIENT_FAILURES, to_fetch_error
from .fetch import FetchLimits
from .hop import CURRENT_HOP, Hop

_ROOM_BYTES: Final = 256 * 1024
"""More than comes in one piece: the end of what is wanted is to be found before the decoder finds it too much."""
_DRAIN_BYTES: Final = 64 * 1024
_DRAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """An answer with any status.

    Attributes:
        status: of HTTP, 200 at least.
        headers: looked up without regard to case.
        body: its beginning, free of Content-Encoding as far as that could be undone; empty unless the status is 2xx.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


async def get(session: aiohttp.ClientSession, address: Address, limits: FetchLimits, hop: Hop) -> PlainAnswer:
    """Make one GET, without following redirects.

    Args:
        session: made by `client.open_session`.
        address: what to ask for.
        limits: no more than `max_bytes` of the body are read, and none are an error; `deadline_s` is not looked at.
        hop: new; filled in on the way.

    Raises:
        FetchError: there is no answer, or its body breaks off; a status below 200 is none.
    """
    token = CURRENT_HOP.set(hop)
    try:
        return await _exchange(session, address, limits, hop)
    except CLIENT_FAILURES as error:
        raise to_fetch_error(error, hop, None) from error
    finally:
        CURRENT_HOP.reset(token)


async def _exchange(session: aiohttp.ClientSession, address: Address, limits: FetchLimits, hop: Hop) -> PlainAnswer:
    response = await session.get(
        URL(address.url, encoded=True),
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(connect=limits.connect_timeout_s, sock_read=limits.read_timeout_s),
    )
    try:
        hop.answered = time.perf_counter()
        if response.status < 200:
            raise FetchError("http_error", detail=f"the answer breaks the rules of HTTP: status {response.status}")
        if 200 <= response.status <= 299:
            body = await _beginning(response, limits.max_bytes)
            if ends_with_connection(response) and hop.broke_off():
                raise FetchError("body_incomplete", http_status=response.status, detail="the connection broke off")
        else:
            body = b""
            await _drain(response)
        return PlainAnswer(response.status, response.headers, body)
    finally:
        if response.status < 200:  # 101: this connection now speaks something else
            response.close()
        # Read to its end, the connection is kept for the page; otherwise this closes it.
        response.release()


async def _beginning(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read the body until there is enough of it, it ends, or its encoding breaks."""
    body = bytearray()
    with suppress(FetchError):  # what came before it stands
        decoder = ContentDecoder(coding_of(response.headers), max_bytes + _ROOM_BYTES)
        async with aclosing(decoded(response, decoder)) as parts:
            async for part in parts:
                body += part
                if len(body) >= max_bytes:
                    break
    return bytes(body[:max_bytes])


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read past a short body that nobody wants: a new connection would cost the server more."""
    left = _DRAIN_BYTES
    try:
        async with asyncio.timeout(_DRAIN_S):
            while left > 0 and (data := await response.content.readany()):
                left -= len(data)
    except (TimeoutError, *CLIENT_FAILURES):
        pass
