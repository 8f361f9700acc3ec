"""Who may ask, by what a browser tells of the page that asks: pure rules, see `middlewares.access`.

A page of another site can make a browser send requests to loopback addresses, and can give a name of its own the
address 127.0.0.1 (DNS rebinding). The first is seen by Origin and Sec-Fetch-Site, the second by Host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/\s]+)(?::([0-9]{1,5}))?")
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not listened on


def split_host(authority: str) -> tuple[str, str] | None:
    """Splits `host[:port]` as a Host header has it (RFC 9110 §7.2); None when it is not of that form.

    Returns:
        The host in lower case, without brackets and the DNS's closing dot, and the port or "".
    """
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return None
    return found[1].strip("[]").rstrip(".").lower(), found[2] or ""


class KnownHosts:
    """The names by which this gateway is known: loopback ones, the address it listens on, and those set.

    Args:
        public: further names; `name` goes with any port, `name:port` with that one only.
        listen: the address listened on.
    """

    def __init__(self, public: Iterable[str], *, listen: str) -> None:
        self._public = {split for name in public if (split := split_host(_bracketed(name))) is not None}
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
    method: str, *, origins: list[str], fetch_sites: list[str], authority: str, known: KnownHosts
) -> bool:
    """Whether a request may come from a page of another site and would change something.

    Programs that are no browsers send neither header, and are let in.

    Args:
        method: HTTP method.
        origins: all Origin headers.
        fetch_sites: all Sec-Fetch-Site headers (Fetch Metadata): `none` is a person at the address bar.
        authority: the Host header.
        known: names of this gateway.
    """
    if method in SAFE_METHODS:
        return False
    if any(site not in {"same-origin", "none"} for site in fetch_sites):
        return True
    return any(not known.is_own_origin(origin, authority) for origin in origins)


def _bracketed(name: str) -> str:
    """An IPv6 address may be set without brackets."""
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
