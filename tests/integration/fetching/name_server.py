"""A name server that answers as it is told to: DNS messages over UDP and TCP, on one port of loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, cast

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset

_PLAIN_UDP_BYTES = 512  # RFC 1035 §4.2.1
_Sender = tuple[Any, ...]


@dataclass(frozen=True)
class Says:
    """What is answered to one lookup of a name.

    Attributes:
        addresses: of both families; each query gets those of its own.
        aliases: CNAMEs that lead from the name to the one that has the addresses.
        rcode: of the answer (RFC 1035 §4.1.1).
        manner: `silent` sends nothing, `garbage` no message, `other id` one that is somebody else's answer,
            `truncated` the answer over TCP alone.
        ttl_s: of all records.
        for_aaaa: instead of all that, where IPv6 is asked for.
    """

    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    manner: Literal["plain", "truncated", "garbage", "other id", "silent"] = "plain"
    ttl_s: int = 0
    for_aaaa: Says | None = None


def says(*addresses: str, aliases: tuple[str, ...] = ()) -> Says:
    return Says(addresses, aliases)


@dataclass
class NameServer:
    """A running server.

    Attributes:
        names: what each name is answered, one after the other; the last answer stays. Other names do not exist.
        queries: so far, by name and type.
    """

    names: dict[str, list[Says]] = field(default_factory=dict)
    queries: Counter[tuple[str, str]] = field(default_factory=Counter)
    port: int = 0

    def answer(self, wire: bytes, *, over_udp: bool) -> bytes | None:
        """Return the answer to a query, or None for silence."""
        query = dns.message.from_wire(wire)
        name = str(query.question[0].name).lower().rstrip(".")
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        turns = self.names.get(name, [Says(rcode=dns.rcode.NXDOMAIN)])
        turn = turns[min(self.queries[name, kind], len(turns) - 1)]
        turn = turn.for_aaaa or turn if kind == "AAAA" else turn
        if over_udp or turn.manner != "truncated":
            self.queries[name, kind] += 1
        if turn.manner == "silent":
            return None
        if turn.manner == "garbage":
            return b"\xff" * 40
        response = _response(query, name, kind, turn)
        if turn.manner == "other id":
            response.id ^= 1
        room = max(query.payload, _PLAIN_UDP_BYTES) if over_udp else 65_535
        whole = response.to_wire(max_size=65_535, want_shuffle=False)
        if (turn.manner == "truncated" and over_udp) or len(whole) > room:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()
        return whole


def _response(query: dns.message.Message, name: str, kind: str, turn: Says) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(turn.rcode)
    chain = [name, *turn.aliases]
    for alias, target in pairwise(chain):
        response.answer.append(dns.rrset.from_text(f"{alias}.", turn.ttl_s, "IN", "CNAME", f"{target}."))
    own = [address for address in turn.addresses if (":" in address) == (kind == "AAAA")]
    if own and kind in {"A", "AAAA"}:
        response.answer.append(dns.rrset.from_text(f"{chain[-1]}.", turn.ttl_s, "IN", kind, *own))
    return response


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: _Sender) -> None:
        answer = self._server.answer(data, over_udp=True)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def name_server(names: dict[str, list[Says]] | None = None, *, port: int = 0) -> AsyncIterator[NameServer]:
    """Run a server until the block ends, on a free port unless one is given."""
    server = NameServer(names or {})

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:  # the system's resolver asks for both families over one connection
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = server.answer(await reader.readexactly(length), over_udp=False)
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await writer.drain()
        writer.close()

    streams, datagrams = _sockets(port)
    server.port = streams.getsockname()[1]
    tcp = await asyncio.start_server(over_tcp, sock=streams)
    udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Udp(server), sock=datagrams)
    try:
        yield server
    finally:
        udp.close()
        tcp.close()
        await tcp.wait_closed()


def _sockets(port: int, tries: int = 20) -> tuple[socket.socket, socket.socket]:
    """Make a TCP and a UDP socket on the same port of loopback."""
    while True:
        streams, datagrams = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        try:
            streams.bind(("127.0.0.1", port))
            datagrams.bind(streams.getsockname())
        except OSError:
            streams.close()
            datagrams.close()
            tries -= 1
            if port or not tries:
                raise
        else:
            streams.setblocking(False)
            datagrams.setblocking(False)
            return streams, datagrams


class DnsLookup:
    """Asks one name server, and answers as `socket.getaddrinfo` does.

    It stands in where the system can't be told to ask another server than its own.
    """

    def __init__(self, port: int, *, timeout_s: float = 2.0) -> None:
        self._port = port
        self._timeout_s = timeout_s

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for kind, family in (("AAAA", socket.AF_INET6), ("A", socket.AF_INET)):
            for address in self._ask(host, kind):
                where = (address, port, 0, 0) if family == socket.AF_INET6 else (address, port)
                found.append((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where))
        if not found:
            raise socket.gaierror(socket.EAI_NODATA, "the name has no address")
        return found

    def _ask(self, host: str, kind: str) -> list[str]:
        query = dns.message.make_query(host, kind)
        try:
            answer, _ = dns.query.udp_with_fallback(
                query, "127.0.0.1", timeout=self._timeout_s, port=self._port, ignore_errors=True
            )
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer: {error}") from error
        if answer.rcode() == dns.rcode.NXDOMAIN:
            raise socket.gaierror(socket.EAI_NONAME, "the name does not exist")
        if answer.rcode() != dns.rcode.NOERROR:
            raise socket.gaierror(socket.EAI_AGAIN, dns.rcode.to_text(answer.rcode()))
        if len(answer.answer) > 8:
            raise socket.gaierror(socket.EAI_FAIL, "too many aliases")
        return [str(record) for rrset in answer.answer for record in rrset if rrset.rdtype == query.question[0].rdtype]
