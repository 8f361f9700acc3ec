"""A connection of aiohttp's server that also has a deadline for the head of a request and for taking the answer.

aiohttp (3.14) bounds neither well: only the time between requests bounds how long a head may take, byte by byte, and a
client that does not read its answer holds it, its handler and its connection for ever. What is used of `RequestHandler`
beyond its public methods is `_waiter` (not done: it waits for a request), `_request_count` (of all parsed so far) and
`_messages` (parsed, and not begun); the tests of `shared.web` fail when these change their meaning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestPayloadError

from shared.web.refusals import Refusal, of_parser, to_bytes

if TYPE_CHECKING:
    from shared.web.door import Door

_EXPECTATION_FAILED: Final = 417

IDLE, IN_HEAD, IN_BODY = range(3)
"""What a connection does that can be closed to make room, in the order in which that is done."""


class Connection(web.RequestHandler):
    """One connection; `door` decides when it has to go."""

    __slots__ = (
        "_answered_s",
        "_body",
        "_body_since_s",
        "_door",
        "_head_bytes",
        "_head_since_s",
        "_is_broken",
        "_line_bytes",
        "_line_ended",
        "_stall_bytes",
        "_stall_since_s",
        "unread_since_s",
        "wire",
    )

    def __init__(self, manager: web.Server, *, door: Door, **options: Any) -> None:
        super().__init__(manager, **options)
        self._door = door
        self.wire: asyncio.Transport | None = None  # aiohttp forgets its own before all is sent
        self._head_since_s: float | None = None
        self._body: StreamReader | None = None
        self._body_since_s: float | None = None
        self._is_broken = False
        self._answered_s = 0.0
        self.unread_since_s: float | None = None
        self._stall_since_s: float | None = None
        self._stall_bytes = 0
        self._begin_head()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there: it has to send a request."""
        super().connection_made(transport)
        self.wire = cast(asyncio.Transport, transport)
        self._head_since_s = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client has left, or was made to."""
        self._door.left(self)
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        self._head_bytes = self._line_bytes = 0
        self._line_ended = False

    def _is_waiting(self) -> bool:
        """Whether aiohttp waits for the next request."""
        waiter = self._waiter
        return waiter is not None and not waiter.done()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and watches how long and how large a head becomes."""
        if self._head_since_s is None and self._is_waiting() and data:
            self._head_since_s = self._loop.time()
        if self._head_since_s is None:
            super().data_received(data)
            self._tell_of_broken_body()
            return
        self._head_bytes += len(data)
        if not self._line_ended:
            end = data.find(b"\n")
            self._line_ended = end >= 0
            self._line_bytes += end if self._line_ended else len(data)
        requests = self._request_count
        super().data_received(data)
        if self._request_count != requests:
            self._head_since_s = None
            self._head_bytes = 0
        elif self._head_bytes > self._door.limits.max_head_bytes:
            self._refuse(431, f"Request line and headers have more than {self._door.limits.max_head_bytes:,} bytes.")

    def _refuse(self, status: int, detail: str) -> None:
        """Answers what aiohttp has not seen as a request, and closes."""
        if self.wire is not None and not self.wire.is_closing():
            self.wire.write(to_bytes(self._door.refuse(Refusal(status, detail))))
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what the parser refused, and failures that no middleware caught; the connection is closed after it.

        Raises:
            ConnectionError: an answer has begun already.
        """
        if status >= 500:
            self.log_exception("request failed outside of its handlers", exc_info=exc)
            refusal = Refusal(status, "The log tells more.", request)
        else:
            in_line = self._line_bytes > self.max_line_size
            refusal = Refusal(*of_parser(exc, limits=self._door.limits, in_line=in_line))
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = self._door.refuse(refusal)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends the answer; one that aiohttp made before any middleware (of Expect) is put in our own words."""
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            told = "Of Expect, only 100-continue is understood." if resp.status == _EXPECTATION_FAILED else resp.reason
            resp = self._door.refuse(Refusal(resp.status, told, request))
        finished = await super().finish_response(request, resp, start_time)
        self._answered_s = self._loop.time()
        self._begin_head()
        return finished

    def _tell_of_broken_body(self) -> None:
        """Has the handler know at once that the rest of its body can't be read, and closes after its answer.

        aiohttp keeps that for an answer of its own, after that of the handler, which waits for the rest in vain.
        """
        last = self._messages[-1][0] if self._messages else None
        if last is not None and not isinstance(last, RawRequestMessage):
            self._is_broken = True
            self.close()
            if self._body is not None:
                self._body.set_exception(RequestPayloadError("broken"))

    @contextmanager
    def awaiting_body(self, body: StreamReader) -> Iterator[None]:
        """While the body is awaited the connection may have to make room for others."""
        self._body, self._body_since_s = body, self._loop.time()
        if self._is_broken:
            body.set_exception(RequestPayloadError("broken"))
        try:
            yield
        finally:
            self._body = self._body_since_s = None

    def resume_writing(self) -> None:
        """The client has taken much of its answer."""
        self._stall_since_s = None
        super().resume_writing()

    def could_go(self) -> tuple[int, float] | None:
        """How well it can be closed to make room: what it does, and since when; None when it is served."""
        if self._head_since_s is not None:
            return IN_HEAD, self._head_since_s
        if self._is_waiting():
            return IDLE, self._answered_s
        return None if self._body_since_s is None else (IN_BODY, self._body_since_s)

    def unread_bytes(self) -> int:
        """How much of its answer is still in our memory."""
        return 0 if self.wire is None else self.wire.get_write_buffer_size()

    def enforce(self, now_s: float, *, stall_s: float) -> str | None:
        """Closes the connection if one of its deadlines has passed.

        Returns:
            The deadline, or None.
        """
        if self.wire is None:
            return None
        if self._has_stalled(now_s, stall_s):
            self.wire.abort()
            return "stalled"
        if self.wire.is_closing():
            return None
        if self._head_since_s is not None and now_s - self._head_since_s >= self._door.limits.head_s:
            if self._head_bytes:
                self._refuse(408, f"Request line and headers were not complete after {self._door.limits.head_s:g} s.")
            else:
                self.force_close()
            return "no_request"
        return None

    def _has_stalled(self, now_s: float, stall_s: float) -> bool:
        unread = self.unread_bytes()
        if not unread:
            self.unread_since_s = self._stall_since_s = None
            return False
        if self.unread_since_s is None:
            self.unread_since_s = now_s
        if self._stall_since_s is None or unread <= self._stall_bytes - self._door.limits.stall_bytes:
            self._stall_since_s, self._stall_bytes = now_s, unread
        self._stall_bytes = max(self._stall_bytes, unread)  # a further answer is no progress, but counts
        return now_s - self._stall_since_s >= stall_s
