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
        grace_s: how long all of it may take, however little it is; and besides,
        least_bytes_per_s: as long as what came takes at this pace.
    """

    read_s: float = 30.0
    stall_s: float = 60.0
    stall_bytes: int = 4 * 2**10
    grace_s: float = 120.0
    least_bytes_per_s: int = 16 * 2**10


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
        self._stalled_s = 0.0  # of both, what is looked at for a stall
        self._stalled_bytes = 0

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
        if data:
            self._count(loop.time() - began_s, len(data))
        return data

    def _count(self, waited_s: float, came_bytes: int) -> None:
        """Takes what was waited, and what for.

        Raises:
            Problem: `request_timeout`: too long for that.
        """
        pace = self._pace
        self._waited_s += waited_s
        self._bytes += came_bytes
        if self._waited_s > pace.grace_s + self._bytes / pace.least_bytes_per_s:
            raise Problem(
                "request_timeout",
                f"Of the body came {self._bytes:,} bytes in {self._waited_s:.0f} s; beyond {pace.grace_s:g} s it has "
                f"to come at {pace.least_bytes_per_s:,} bytes a second.",
            )
        self._stalled_s += waited_s
        self._stalled_bytes += came_bytes
        if self._stalled_s < pace.stall_s:
            return
        if self._stalled_bytes < pace.stall_bytes:
            raise Problem(
                "request_timeout",
                f"Of the body came less than {pace.stall_bytes:,} bytes in {pace.stall_s:g} s.",
            )
        self._stalled_s, self._stalled_bytes = 0.0, 0
