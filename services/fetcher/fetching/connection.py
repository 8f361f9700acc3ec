"""One connection to a server: what aiohttp reads from it, within bounds of its own.

aiohttp bounds each header, and leaves three things open: how much comes before the answer and around its body, what
is sent without having been asked for, and that an answer means the same however it was cut into packets.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from aiohttp.streams import StreamReader

MAX_HEAD_BYTES: Final = 256 * 1024
"""Of all header lines of an answer, interim answers included; Chromium has the same limit."""

MAX_INTERIM_ANSWERS: Final = 32
"""Answers with a status below 200 that may come before the one that counts (RFC 9110 §15.2 has no limit)."""

MAX_FRAMING_BYTES: Final = 16 * 1024 * 1024
"""Of chunk sizes, their extensions and trailers. Ten megabytes in chunks of four bytes stay under it."""

_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
_END_BYTES: Final = 3


class EndlessFraming(ClientPayloadError):
    """The body came with far more around it than in it."""


class Conversation(ResponseHandler):
    """Reads the answers of one connection, one request at a time."""

    _in_head = True
    _last = b""
    _head_bytes = 0
    _body_wire_bytes = 0
    _interim_answers = 0
    _body: StreamReader | None = None
    _refused: EndlessFraming | None = None

    def set_response_params(self, **params: Any) -> None:
        """Begin with the next request."""
        self._in_head, self._last, self._body = True, b"", None
        self._head_bytes = self._body_wire_bytes = self._interim_answers = 0
        early, self._tail = self._tail, b""
        super().set_response_params(**params)
        if early:
            # The server spoke first. Read now, what is no HTTP would close the connection before there is a request,
            # and look like a connection that was lost.
            self._loop.call_soon(self.data_received, early)

    def data_received(self, data: bytes) -> None:
        """Pass on what came.

        Heads are passed on by themselves. What follows one in the same packet could else take it with it: aiohttp
        forgets an answer when the bytes after it break a rule.
        """
        if data and self._body is not None and self._body.is_eof():
            self._hang_up()  # nobody asked for more
            return
        while data and self._in_head and self._parser is not None:
            cut = self._end_of_head(data)
            self._head_bytes += cut
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(f"more than {MAX_HEAD_BYTES} bytes of headers")
                return
            head, data = data[:cut], data[cut:]
            super().data_received(head)
            if self.transport is None or self.transport.is_closing():
                return
        if data or not self._in_head:
            self._body_wire_bytes += len(data)
            super().data_received(data)
            self._bound_framing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what is being read, which aiohttp forgets after chunks that break the rules."""
        super().connection_lost(exc)
        body = self._body
        if body is None or body.is_eof():
            return
        if self._refused is not None:  # aiohttp found a reason of its own, which is not to hide ours
            body.set_exception(self._refused)
        elif body.exception() is None:
            body.set_exception(ClientPayloadError("the connection is closed, the body is not complete"))

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take an answer from the parser: interim ones, and then one that counts."""
        message, body = data
        if self._body is not None:  # an answer to no question, which must not be taken for one to the next
            self._hang_up()
            return
        if message.code < 200 and message.code != 101:
            self._interim_answers += 1
            if self._interim_answers > MAX_INTERIM_ANSWERS:
                self._refuse(f"more than {MAX_INTERIM_ANSWERS} interim answers")
                return
        else:
            self._in_head, self._body = False, body
            if message.code == 101:  # from now on this connection speaks something else
                self.force_close()
        super().feed_data(data, size)

    def _end_of_head(self, data: bytes) -> int:
        """Return how much of `data` belongs to the head that is being read."""
        seen = self._last + data
        found = _END_OF_HEAD.search(seen)
        if found is None:
            self._last = seen[-_END_BYTES:]
            return len(data)
        cut = found.end() - len(self._last)
        self._last = b""
        return cut

    def _bound_framing(self) -> None:
        body = self._body
        if body is None or body.is_eof():
            return
        if self._body_wire_bytes - body.total_bytes > MAX_FRAMING_BYTES:
            self._refused = EndlessFraming(f"more than {MAX_FRAMING_BYTES} bytes of framing around the body")
            body.set_exception(self._refused)
            self._hang_up()

    def _refuse(self, reason: str) -> None:
        self._hang_up()
        self.set_exception(HttpProcessingError(code=502, message=reason))

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()
