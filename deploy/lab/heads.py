"""Connections that are not taken, heads that break the rules, and what is no HTTP at all."""

from __future__ import annotations

from typing import Final

from deploy.lab.doors import NAME, Door
from deploy.lab.hazard import ONE_PYTHON, Group, Hazard
from deploy.lab.visit import Visit
from deploy.lab.wire import HTML, answer, head, page

SSH_GREETING: Final = b"SSH-2.0-OpenSSH_9.6\r\n"
_PAGE: Final = answer(page())
_EARLY_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_BODY: Final = page().encode()


async def _hang_up(_: Visit) -> None:
    """The connection ends with the handler."""


async def _reset(visit: Visit) -> None:
    await visit.reset()


async def _silence(visit: Visit) -> None:
    await visit.until_client_leaves()


async def _slow_head(visit: Visit) -> None:
    await visit.send(b"HTTP/1.1 200 OK\r\n")
    await visit.drip(b"X-More: to come\r\n", every_s=2)


async def _only_hints(visit: Visit) -> None:
    await visit.drip(_EARLY_HINTS, every_s=2)


async def _endless_header(visit: Visit) -> None:
    await visit.send(b"HTTP/1.1 200 OK\r\nX-More: ")
    while True:
        await visit.send(b"x" * 65_536)


def _many_headers(_: Visit) -> bytes:
    return answer(page(), headers={f"X-{number}": "x" for number in range(20_000)})


HEADS: Final = Group(
    "Heads of answers",
    (
        Hazard("/head/http10", "HTTP/1.0", ONE_PYTHON, answer(page(), version="1.0")),
        Hazard("/head/no-reason", "a status without its reason", ONE_PYTHON, _PAGE.replace(b" Because", b"", 1)),
        Hazard("/head/early-hints", "three interim answers first", ONE_PYTHON, _EARLY_HINTS * 3 + _PAGE),
        Hazard("/head/http09", "HTTP/0.9: a body, and no head", "http_error", _BODY),
        Hazard("/head/status", "a status line that is cut", "http_error", b"HTTP/1.1 20\r\n\r\n" + _BODY),
        Hazard("/head/broken", "a header without a name", "http_error", b"HTTP/1.1 200 OK\r\n: a\0\r\n\r\n" + _BODY),
        Hazard("/head/huge", "one header of 1 MB", "http_error", answer(page(), headers={"X-More": "x" * 10**6})),
        Hazard("/head/many", "20,000 headers", "http_error", _many_headers),
        Hazard("/head/endless", "a header without an end", "http_error", _endless_header),
        Hazard(
            "/head/two-lengths",
            "two lengths that differ",
            "http_error",
            head({"Content-Type": HTML, "Content-Length": "10\r\nContent-Length: 20"}) + _BODY,
        ),
        Hazard("/head/negative", "a negative length", "http_error", answer(page(), headers={"Content-Length": "-1"})),
        Hazard("/head/slow", "a header every 2 s, for ever", "deadline_exceeded", _slow_head, waits=True),
        Hazard("/head/hints", "an interim answer every 2 s, for ever", "deadline_exceeded", _only_hints, waits=True),
        Hazard("/head/silent", "takes the request, and never answers", "read_timeout", _silence, waits=True),
        Hazard("/head/hang-up", "takes the request, and hangs up", "connect_failed", _hang_up),
        Hazard("/head/reset", "takes the request, and breaks off with a RST", "connect_failed", _reset),
    ),
)

CONNECTIONS: Final = Group(
    "Names and connections",
    (
        Hazard("ftp://127.0.0.1/page", "no address of a web page: refused when it is asked for", "invalid_url"),
        Hazard("http://nobody.invalid/", "a host that there is not", "dns_not_found"),
        Hazard("http://10.0.0.1/", "a private address", "forbidden_address"),
        Hazard("http://0xA000001/", "the same address in disguise", "forbidden_address"),
        Hazard("http://[::ffff:169.254.169.254]/", "a cloud's metadata, as IPv6", "forbidden_address"),
        Hazard("/", "nobody listens", "connect_failed", door=Door.CLOSED),
        Hazard("/", "takes connections, and says nothing", "read_timeout", door=Door.SILENT, waits=True),
        Hazard("/", "an SSH server", "http_error", door=Door.SSH),
    ),
)

TLS: Final = Group(
    "TLS",
    (
        Hazard("/", "a good certificate", ONE_PYTHON, _PAGE, door=Door.TLS, host=NAME, untrusted="tls_failed"),
        Hazard("/", "an authority that nobody knows", "tls_failed", _PAGE, door=Door.UNKNOWN_AUTHORITY),
        Hazard("/", "a certificate that speaks for itself", "tls_failed", _PAGE, door=Door.SELF_SIGNED),
        Hazard("/", "expired yesterday", "tls_expired", _PAGE, door=Door.EXPIRED, untrusted="tls_failed"),
        Hazard("/", "made out to another name", "tls_hostname", _PAGE, door=Door.OTHER_NAME, untrusted="tls_failed"),
        Hazard("/", "speaks no TLS", "tls_failed", door=Door.SSH, scheme="https"),
        Hazard("/", "never answers the handshake", "connect_timeout", door=Door.SILENT, scheme="https", waits=True),
    ),
)
