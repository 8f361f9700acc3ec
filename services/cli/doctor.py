"""`wordwatch doctor`: what can be reached, and what to do about what can't."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple

from services.cli.client import Client
from services.cli.config import Server
from services.cli.outcomes import ApiError, Unreachable
from services.cli.render_state import Finding
from shared.settings import Settings
from shared.version import VERSION

CLOCK_OFF_S: Final = 5.0
"""A fetcher whose clock is off takes nothing, and times in filters mean another moment."""
PORT_WITHIN_S: Final = 3.0
ADDRESS: Final = "127.0.0.1"
# SSLRequest (PostgreSQL, "Message Formats"): any PostgreSQL answers it with one byte, S or N.
_SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
_PING: Final = b"GET /ping HTTP/1.0\r\n\r\n"
_IDENTIFY: Final = b"  V2IDENTIFY\n" + struct.pack("!i", 2) + b"{}"
_PONG: Final = (b"HTTP/1.0 200", b"HTTP/1.1 200")
_FRAME: Final = (b"\0\0",)  # the size of a short one


class Probe(NamedTuple):
    """A port of the local stack: what to say to it, and how an answer begins that shows it is the right program."""

    what: str
    port: int
    setting: str
    question: bytes
    answers: Sequence[bytes]


def probes(config: Settings) -> list[Probe]:
    """The ports that `make run` opens with these settings, besides those of our own services."""
    found = []
    if not (config.nsqlookupd or config.nsqd):
        found += [
            Probe("nsqd", config.nsqd_tcp_port, "WORDWATCH_NSQD_TCP_PORT", _IDENTIFY, _FRAME),
            Probe("nsqd's HTTP", config.nsqd_http_port, "WORDWATCH_NSQD_HTTP_PORT", _PING, _PONG),
            Probe("nsqlookupd", config.lookupd_http_port, "WORDWATCH_LOOKUPD_HTTP_PORT", _PING, _PONG),
            Probe("nsqadmin", config.nsqadmin_port, "WORDWATCH_NSQADMIN_PORT", _PING, _PONG),
        ]
    if config.database_url is None:
        found.append(Probe("PostgreSQL", config.pg_port, "WORDWATCH_PG_PORT", _SSL_REQUEST, (b"S", b"N")))
    return found


async def examine(client: Client, server: Server, config: Settings) -> list[Finding]:
    """Looks at everything, and says of each thing how it is."""
    found = [Finding("server", "well", f"{server.url} (from {server.source})")]
    gateway = await _gateway(client)
    found += gateway
    answers = gateway[0].state == "well"
    if answers:
        found += await _work(client)
    if server.is_local:
        found += of_ports(
            list(await asyncio.gather(*(ask_port(probe) for probe in probes(config)))), gateway_answers=answers
        )
    return found


async def _gateway(client: Client) -> list[Finding]:
    try:
        before = datetime.now(UTC)
        version, date = await client.version()
        after = datetime.now(UTC)
    except Unreachable as error:
        advice = "start it with make run (make ps shows what runs), or name another server: --server URL"
        return [Finding("gateway", "wrong", error.reason, advice)]
    except ApiError as error:
        advice = "this name is not known to the gateway: see WORDWATCH_PUBLIC_HOSTS" if error.status == 421 else ""
        return [Finding("gateway", "wrong", str(error.problem.get("title")), advice or "make logs service=gateway")]
    took_ms = (after - before).total_seconds() * 1000
    return [
        Finding("gateway", "well", f"answers in {took_ms:.0f} ms"),
        of_version(version),
        of_clock(date, before, after),
    ]


def of_version(found: Any) -> Finding:
    """What the gateway's version means for this program."""
    theirs, api = str(found.get("version")), str(found.get("api"))
    if api != "v1":
        return Finding(
            "version", "wrong", f"the API is {api}, this program speaks v1", "use the program of that release"
        )
    if theirs != VERSION:
        said = f"wordwatch {theirs} there, {VERSION} here"
        return Finding("version", "wrong", said, "bring the older one up to date, and start it anew")
    return Finding("version", "well", f"wordwatch {theirs}, API {api}, counting rule {found.get('rule_version')}")


def of_clock(date: str | None, before: datetime, after: datetime) -> Finding:
    """How the server's clock compares with ours.

    Args:
        date: its `Date` header, in whole seconds.
        before: our clock when it was asked.
        after: our clock when the answer was there.
    """
    try:
        theirs = parsedate_to_datetime(date or "")
        early_s = (before - theirs).total_seconds() - 1  # its second had begun up to a second before
        late_s = (theirs - after).total_seconds()
    except (ValueError, TypeError):
        return Finding("clock", "unknown", "the server does not tell the time")
    off_s = max(early_s, late_s, 0.0)
    if off_s <= CLOCK_OFF_S:
        return Finding("clock", "well", "the server's and this one agree")
    which = "behind" if early_s > late_s else "ahead of"
    return Finding("clock", "wrong", f"the server's is {off_s:.0f} s {which} this one", "set both by NTP (timedatectl)")


async def _work(client: Client) -> list[Finding]:
    try:
        found = await client.ask("GET", "/stats")
    except ApiError as error:
        advice = "is PostgreSQL up? make logs service=postgres"
        return [Finding("database", "wrong", str(error.problem.get("title")), advice)]
    except Unreachable as error:
        return [Finding("database", "wrong", error.reason, "make logs service=gateway")]
    return [Finding("database", "well", f"{found['checks']['total']:,} checks"), *of_work(found)]


def of_work(stats: Any) -> list[Finding]:
    """Whether queues and fetchers are there, by the statistics of the gateway."""
    queues, fetchers = stats["queues"], stats["fetchers"]
    if queues is None:
        found = [Finding("queues", "wrong", "no nsqd answers the gateway", "make logs service=nsqd")]
    elif queues["unreached"]:
        said = f"no answer from {', '.join(queues['unreached'])}"
        found = [Finding("queues", "wrong", said, "start it again, or take it out of nsqlookupd")]
    else:
        waiting = sum(topic["waiting"] for topic in queues["topics"].values())
        found = [Finding("queues", "well", f"{waiting:,} messages wait")]
    room = sum(fetcher["capacity"] for fetcher in fetchers)
    said = f"{len(fetchers)} with room for {room:,} checks" if fetchers else "none was seen in the last ten seconds"
    advice = "" if fetchers else "make ps shows whether one runs; make logs service=fetcher; is its clock right?"
    return [*found, Finding("fetchers", "well" if fetchers else "wrong", said, advice)]


async def ask_port(probe: Probe) -> Finding:
    """Whether the right program answers on a port of this machine."""
    place = f"port {probe.port}"
    try:
        async with asyncio.timeout(PORT_WITHIN_S):
            reader, writer = await asyncio.open_connection(ADDRESS, probe.port)
            try:
                writer.write(probe.question)
                await writer.drain()
                answer = await reader.read(64)
            finally:
                writer.close()
    except ConnectionRefusedError:
        return Finding(probe.what, "wrong", f"nothing listens on {place}", f"make ps; another port: {probe.setting}")
    except TimeoutError:
        return Finding(probe.what, "wrong", f"no answer on {place} within {PORT_WITHIN_S:.0f} s", "make logs; make ps")
    except OSError as error:
        return Finding(probe.what, "wrong", f"{place}: {error.strerror or error}", "make logs; make ps")
    if answer.startswith(tuple(probe.answers)):
        return Finding(probe.what, "well", f"answers on {place}")
    advice = f"end that program, or choose another port with {probe.setting}"
    return Finding(probe.what, "wrong", f"another program is on {place}", advice)


def of_ports(found: Sequence[Finding], *, gateway_answers: bool) -> list[Finding]:
    """Ports that nobody answers on mean nothing where the gateway does, and has its own elsewhere (in containers)."""
    core = [each for each in found if each.what != "nsqadmin"]
    if not gateway_answers or any(each.state == "well" for each in core):
        return list(found)
    said = "not on this machine's ports (as with containers); the gateway reaches what it needs, see above"
    return [each if each.state == "well" else Finding(each.what, "unknown", said) for each in found]


def is_well(found: Sequence[Finding]) -> bool:
    """Whether nothing is wrong."""
    return all(each.state != "wrong" for each in found)


def as_document(found: Sequence[Finding]) -> dict[str, Any]:
    """The same for programs."""
    return {"ok": is_well(found), "findings": [asdict(each) for each in found]}
