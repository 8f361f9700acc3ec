"""Who may ask, by what a browser tells of the page that asks: pure rules, see `middlewares.access`.

A page of another site can make a browser send requests to loopback addresses, and can give a name of its own the
address 127.0.0.1 (DNS rebinding). The first is seen by Origin and Sec-Fetch-Site, the second by Host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::([0-9]{1,5}))?")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_MAX_PORT: Final = 65535
_NAMES_KEPT: Final = 256
"""Nearly all requests are addressed to the same name."""
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not listened on


@lru_cache(maxsize=_NAMES_KEPT)
def split_host(authority: str) -> tuple[str, str] | None:
    """Splits `host[:port]` as a Host header has it (RFC 9110 §7.2); None when it is not of that form.

    Names are those that DNS can have, so international ones in their ASCII form.

    Returns:
        The host in lower case, without brackets and the DNS's closing dot, and the port or "".
    """
    found = _AUTHORITY.fullmatch(authority)
    if found is None or int(found[2] or 0) > _MAX_PORT:
        return None
    host = found[1].removesuffix(".").lower()
    if host.startswith("["):
        host = host[1:-1]
        if not isinstance(_ip_address(host), ipaddress.IPv6Address):
            return None
    return (host, found[2] or "") if host else None


def authority_of_target(target: str) -> str | None:
    """The authority that stands in the target of a request line itself (RFC 9112 §3.2.2 and §3.2.3), if one does.

    It is what counts then, and not Host.
    """
    if target.startswith("/") or target == "*":
        return None
    found = _ABSOLUTE.match(target)
    return target if found is None else found[1]


class KnownHosts:
    """The names by which this gateway is known: loopback ones, the address it listens on, and those set.

    Args:
        public: further names; `name` goes with any port, `name:port` with that one only.
        listen: the address listened on.

    Raises:
        ValueError: one of `public` is no such name.
    """

    def __init__(self, public: Iterable[str], *, listen: str) -> None:
        self._public = {_public_name(name) for name in public}
        self._listen = None if listen in _WILDCARDS else listen.lower()

    def knows(self, authority: str) -> bool:
        """Whether requests with this Host header are answered."""
        split = split_host(authority)
        if split is None:
            return False
        host, _ = split
        return _is_loopback(host) or host == self._listen or split in self._public or (host, "") in self._public

    def is_own_origin(self, origin: str, authority: str) -> bool:
        """Whether a page of `origin` (RFC 6454 §7) is one of ours, the request having come to `authority`.

        That is the case when it is the same host and port, or a public name exactly as it was set (a proxy in front may
        have changed the Host header). Another port of the same machine is another site.
        """
        scheme, separator, rest = origin.partition("://")
        if not separator or scheme not in _DEFAULT_PORTS:
            return False  # `null`, or no web page at all
        there, here = split_host(rest), split_host(authority)
        if there is None or here is None:
            return False
        default = _DEFAULT_PORTS[scheme]
        if (there[0], there[1] or default) == (here[0], here[1] or default):
            return True
        return there in self._public


def is_cross_site(
    method: str, *, origins: Sequence[str], sites: Sequence[str], authority: str, known: KnownHosts
) -> bool:
    """Whether a page of another site asks for a change.

    What is only read may be asked for by anybody: without CORS headers, and with Cross-Origin-Resource-Policy, no page
    of another site gets to see it. Programs that are no browsers send neither header.

    Args:
        method: HTTP method.
        origins: all Origin headers (RFC 6454 §7).
        sites: all Sec-Fetch-Site headers (Fetch Metadata): `none` is a person at the address bar.
        authority: what the request is addressed to.
        known: names of this gateway.
    """
    if method in SAFE_METHODS:
        return False
    if any(site not in {"same-origin", "none"} for site in sites):
        return True
    return any(not known.is_own_origin(origin, authority) for origin in origins)


def _public_name(name: str) -> tuple[str, str]:
    split = split_host(_bracketed(name))
    if split is None:
        raise ValueError(f"{name!r} is no host name: write NAME or NAME:PORT, without http://, in ASCII (xn--…)")
    return split


def _bracketed(name: str) -> str:
    """An IPv6 address may be set without brackets."""
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name


@lru_cache(maxsize=_NAMES_KEPT)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return True
    address = _ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address is not None and (mapped or address).is_loopback


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
