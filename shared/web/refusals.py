"""Answers that a server gives by itself, before any handler: to what is no HTTP, too large, too slow or too many."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError, InvalidURLError, LineTooLong

from shared.web.limits import Limits

_FRAMING: Final = re.compile(r"chunk|Content-Length|Transfer-Encoding", re.IGNORECASE)
_DUPLICATE: Final = re.compile(r"Duplicate '([A-Za-z-]{1,40})' header found\.")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not handed on.

    Attributes:
        status: HTTP status of the answer.
        detail: what is wrong, a sentence in our own words: what a library says is none of the client's business.
        request: what is known of the request, if anything.
    """

    status: int
    detail: str
    request: web.BaseRequest | None = None


Refuse = Callable[[Refusal], web.Response]
"""Makes the answer. It must do without signals and middlewares, which such answers never meet."""


def plain(refusal: Refusal) -> web.Response:
    """The answer as a line of text."""
    return web.Response(
        status=refusal.status, text=f"{refusal.detail}\n", headers={"X-Content-Type-Options": "nosniff"}
    )


def of_parser(error: BaseException | None, *, limits: Limits, in_line: bool) -> tuple[int, str]:
    """Status and detail for an exception of aiohttp's parser.

    Args:
        error: the exception.
        limits: those that the parser was given.
        in_line: whether the request line is what is too long.
    """
    told = error.message.partition("\n")[0] if isinstance(error, HttpProcessingError) else ""
    if isinstance(error, LineTooLong):
        status = 414 if in_line else 431
    elif told == "Too many headers received":
        status = 431
    else:
        return 400, _detail(error, told)
    if in_line:
        return status, f"The address in the request line has more than {limits.max_line_bytes:,} bytes."
    too_long = f"a header of more than {limits.max_header_bytes:,} bytes"
    return status, f"There is {too_long}, or there are more than {limits.max_headers} headers."


def _detail(error: BaseException | None, told: str) -> str:
    if duplicate := _DUPLICATE.match(told):
        return f"There is more than one {duplicate[1]} header."
    if told.startswith("Missing 'Host'"):
        return "There is no Host header (RFC 9112, section 3.2)."
    if _FRAMING.search(told):
        return "Where the body ends can't be told: its Content-Length, Transfer-Encoding or chunks are broken."
    if isinstance(error, BadStatusLine | InvalidURLError):
        return "The request line can't be read."
    return "The headers can't be read." if "header" in told.lower() else "This can't be read as HTTP/1.1."


def to_bytes(response: web.Response) -> bytes:
    """The whole answer as it goes over the wire, for a connection that is closed after it (RFC 9112 §9.6)."""
    body = response.body if isinstance(response.body, bytes) else b""
    headers = response.headers.copy()
    headers[hdrs.CONTENT_LENGTH] = str(len(body))
    headers[hdrs.CONNECTION] = "close"
    lines = [f"HTTP/1.1 {response.status} {response.reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
