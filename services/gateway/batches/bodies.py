"""Bodies that are read as they come: bounded in size and in how slow they may be, and never whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from services.gateway import codings
from services.gateway.problems import Problem
from shared.web.serving import awaiting_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slow a body may come. Only what is spent waiting for it counts, not what is spent on what came.

    Attributes:
        read_s: the longest pause.
        stall_s: within this time `stall_bytes` have to come.
        stall_bytes: see there.
    """

    read_s: float = 30.0
    stall_s: float = 60.0
    stall_bytes: int = 4 * 2**10


PACE: Final = Pace()


async def pieces(request: web.Request, *, max_bytes: int, pace: Pace = PACE) -> AsyncIterator[bytes]:
    """The body, unpacked, in pieces of some 64 KiB.

    Raises:
        Problem: `request_timeout`: it comes too slowly; `body_too_large`, as it comes or when it is unpacked;
            `unsupported_media_type`: it is compressed in an unknown way; `bad_request`: it is not what it says it is.
    """
    coding = codings.check(",".join(request.headers.getall(hdrs.CONTENT_ENCODING, ())))
    if (request.content_length or 0) > max_bytes:
        raise codings.too_large(max_bytes)
    unpacker = codings.Unpacker(coding, max_bytes=max_bytes)
    clock = _PaceClock(pace)
    while data := await clock.read(request):
        for piece in unpacker.unpack(data):
            yield piece
    unpacker.finish()


class _PaceClock:
    """Reads, and counts how long that takes."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waited_s = 0.0
        self._bytes = 0

    async def read(self, request: web.Request) -> bytes:
        """What has come; b"" at the end."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            with awaiting_body(request):
                async with asyncio.timeout(self._pace.read_s):
                    data = await request.content.readany()
        except TimeoutError:
            raise Problem("request_timeout", f"Nothing of the body came for {self._pace.read_s:g} s.") from None
        self._waited_s += loop.time() - began_s
        self._bytes += len(data)
        if self._waited_s >= self._pace.stall_s:
            if data and self._bytes < self._pace.stall_bytes:
                raise Problem(
                    "request_timeout",
                    f"Of the body came less than {self._pace.stall_bytes:,} bytes in {self._pace.stall_s:g} s.",
                )
            self._waited_s, self._bytes = 0.0, 0
        return data
