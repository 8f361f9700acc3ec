"""From what aiohttp raises to what it means for the check."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from shared.errors import FetchError

from .connection import EndlessFraming
from .hop import Hop

_NO_SUCH_NAME: Final = frozenset(
    {socket.EAI_NONAME, socket.EAI_ADDRFAMILY, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
)

_OWN_SHORTAGE: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN}
)
"""Files, memory, threads or ports of this machine: nothing that the other side could help."""

# OpenSSL's X509_V_ERR_* (x509_vfy.h): the ssl module has no names for them.
_EXPIRED: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})  # host name, IP address

_Rule = Callable[[BaseException, Hop], str]


def _dns(error: BaseException, _: Hop) -> str:
    cause = cast("aiohttp.ClientConnectorDNSError", error).os_error
    if isinstance(cause, socket.gaierror):  # its numbers are not those of errno
        return "dns_not_found" if cause.errno in _NO_SUCH_NAME else "dns_failed"
    return "internal" if cause.errno in _OWN_SHORTAGE else "dns_failed"


def _certificate(error: BaseException, _: Hop) -> str:
    cause = cast("aiohttp.ClientConnectorCertificateError", error).certificate_error
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return "tls_failed"
    if cause.verify_code == _EXPIRED:
        return "tls_expired"
    return "tls_hostname" if cause.verify_code in _OTHER_NAME else "tls_failed"


def _connect(error: BaseException, hop: Hop) -> str:
    cause = cast("aiohttp.ClientConnectorError", error).os_error
    if hop.exhausted or cause.errno in _OWN_SHORTAGE:
        return "internal"
    # With several addresses, one that may be reached and fails counts more than those that may not.
    return "forbidden_address" if hop.forbidden and not hop.attempted else "connect_failed"


def _no_connection_in_time(_: BaseException, hop: Hop) -> str:
    return "dns_failed" if hop.connecting is None else "connect_timeout"


def _connection_lost(_: BaseException, hop: Hop) -> str:
    return "connect_failed" if hop.answered is None else "body_incomplete"


def _not_http(_: BaseException, hop: Hop) -> str:
    return "http_error" if hop.answered is None else "body_incomplete"


# The first row that fits counts, so subclasses stand above their bases.
_TABLE: Final[tuple[tuple[type[BaseException], str | _Rule], ...]] = (
    (aiohttp.ClientConnectorDNSError, _dns),
    (aiohttp.ClientConnectorCertificateError, _certificate),
    (aiohttp.ClientConnectorSSLError, "tls_failed"),
    (aiohttp.ClientConnectorError, _connect),
    (aiohttp.ConnectionTimeoutError, _no_connection_in_time),
    (aiohttp.ServerTimeoutError, "read_timeout"),
    (EndlessFraming, "too_large"),
    (aiohttp.ClientPayloadError, "body_incomplete"),
    (aiohttp.ClientConnectionError, _connection_lost),
    (aiohttp.ClientResponseError, _not_http),
    (HttpProcessingError, _not_http),
    (aiohttp.InvalidURL, "invalid_url"),
    (OSError, _connection_lost),
)

CLIENT_FAILURES: Final = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What a request may raise; anything else is a mistake of ours and goes through."""


def _said(error: BaseException) -> str:
    """What went wrong, in the words of the system or of OpenSSL where those are known, and without aiohttp's around.

    Those would mislead: whatever is no HTTP, aiohttp calls a 400, which nobody has sent.
    """
    cause: object = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, aiohttp.ClientResponseError | HttpProcessingError):
        return f"the answer breaks the rules of HTTP: {_one_line(cause.message)}"
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "the server hung up without an answer"
    if isinstance(cause, aiohttp.ClientPayloadError) and not isinstance(cause, EndlessFraming):
        return "the connection ended before the body was whole"
    said = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
    return _one_line(str(said)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.replace("^", " ").split())  # the parser points at the place, on a line of its own


def to_fetch_error(error: BaseException, hop: Hop, http_status: int | None) -> FetchError:
    """Name what went wrong.

    Args:
        error: one of `CLIENT_FAILURES`.
        hop: how far the request had come.
        http_status: of the answer, if its head was there.
    """
    code: str | _Rule = next((code for kind, code in _TABLE if isinstance(error, kind)), "internal")
    if not isinstance(code, str):
        code = code(error, hop)
    detail = _said(error)[:300]
    if code == "forbidden_address":
        detail = f"{', '.join(hop.forbidden)[:200]} may not be reached"
    return FetchError(code, detail=detail, http_status=http_status)
