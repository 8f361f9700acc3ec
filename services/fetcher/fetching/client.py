"""The HTTP client: aiohttp's, with the rules of this house built in.

It keeps nothing between requests but open connections: no cookies (those of one chain of redirects are kept by the
fetch), no credentials, no proxies from the environment.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import socket
import ssl
import time
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientResponse
from aiohttp.connector import AddrInfoType, Connection

from .addresses import AllowList
from .connection import Conversation
from .decoding import ACCEPT_ENCODING
from .hop import CURRENT_HOP
from .resolver import MAX_PER_FAMILY, ThreadPerLookupResolver

_ACCEPT: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,text/*;q=0.8,*/*;q=0.5"

_KEEPALIVE_S: Final = 4.0
"""Many servers hang up after 5 s of silence. A request sent at that moment fails, and is not repeated."""

_READ_BUFFER_BYTES: Final = 64 * 1024
_MAX_HEADER_BYTES: Final = 32 * 1024
"""Some sites' security policies and cookies are over aiohttp's 8 KiB."""


class ForbiddenAddressError(OSError):
    """A connection to an address that may not be reached was asked for."""


class _SocketMaker:
    """Makes every socket of the client, and so is the one place where an address can be refused.

    A check in the resolver would not do: IP literals are never resolved.
    """

    def __init__(self, allow: AllowList) -> None:
        self._allow = allow

    def __call__(self, addr_info: AddrInfoType) -> socket.socket:
        family, kind, proto, _, sockaddr = addr_info
        ip, port = str(sockaddr[0]), int(sockaddr[1])
        hop = CURRENT_HOP.get()
        if not self._allow.allowed(ip, port):
            if hop is not None:
                hop.forbidden.append(ip)
            raise ForbiddenAddressError(errno.EACCES, "address may not be reached")
        if hop is not None and hop.connecting is None:
            hop.connecting = time.perf_counter()
        try:
            made = socket.socket(family, kind, proto)
        except OSError:
            if hop is not None:
                hop.exhausted = True
            raise
        if hop is not None:
            hop.attempted += 1
            hop.address = ip
        return made


class _TlsContext(ssl.SSLContext):
    """Notes when a handshake begins: asyncio and uvloop both begin one with this call."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        hop = CURRENT_HOP.get()
        if hop is not None:
            hop.handshaking = time.perf_counter()
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class _Response(ClientResponse):
    """Notes which connection the answer comes over, new or kept alive."""

    async def start(self, connection: Connection) -> ClientResponse:
        hop = CURRENT_HOP.get()
        if hop is not None:
            hop.sent = time.perf_counter()
            if connection.transport is not None and (peer := connection.transport.get_extra_info("peername")):
                hop.address = str(peer[0])
            if connection.protocol is not None:  # an idle protocol is a falsy one
                hop.lost = _loss_of(connection.protocol)
        return await super().start(connection)


def _loss_of(protocol: ResponseHandler) -> asyncio.Future[None] | None:
    """Return what will tell whether the connection ended in order or broke; None if it has ended."""
    lost = protocol.closed
    if lost is not None:
        # Nobody may ever look at it, and asyncio would complain. A kept-alive connection has one for all.
        lost.remove_done_callback(_look_at)
        lost.add_done_callback(_look_at)
    return lost


def _look_at(lost: asyncio.Future[None]) -> None:
    if not lost.cancelled():
        lost.exception()


def _conversation(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return Conversation(loop)


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Trust the system's certificate authorities, or those in one PEM file alone."""
    context = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    return context


def _connector(allow: AllowList, tls: ssl.SSLContext, resolver: AbstractResolver) -> aiohttp.TCPConnector:
    connector = aiohttp.TCPConnector(
        limit=0,
        keepalive_timeout=_KEEPALIVE_S,
        ssl=tls,
        resolver=resolver,
        socket_factory=_SocketMaker(allow),
        # When none of a name's addresses could be used, aiohttp leaves so many of each family out and begins again
        # with the others. By default it is one, and a hundred addresses made five thousand connections.
        interleave=MAX_PER_FAMILY,
    )
    # There is no public way to put a class of one's own there.
    connector._factory = functools.partial(_conversation, asyncio.get_running_loop())
    return connector


def open_session(
    *,
    allow: AllowList,
    user_agent: str,
    tls: ssl.SSLContext | None = None,
    resolver: AbstractResolver | None = None,
) -> aiohttp.ClientSession:
    """Make the session that `fetch` works with; whoever opens it closes it.

    How many requests run at once is for the caller to bound.

    Args:
        allow: what may be reached besides public addresses.
        user_agent: sent with every request; should name a way to reach the operator.
        tls: made by `tls_context`, the default if None.
        resolver: the system's, in threads, if None.
    """
    session = aiohttp.ClientSession(
        connector=_connector(allow, tls or tls_context(), resolver or ThreadPerLookupResolver()),
        headers={"User-Agent": user_agent, "Accept": _ACCEPT, "Accept-Encoding": ACCEPT_ENCODING},
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=_Response,
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_READ_BUFFER_BYTES,
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
    )
    # By default aiohttp sends a GET again by itself when a kept-alive connection breaks: a visit that no
    # attempt would know of. There is no public switch.
    session._retry_connection = False
    return session
