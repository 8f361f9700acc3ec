"""Cookies along one chain of redirects, as RFC 6265 has them, and no further.

Many sites set a cookie and redirect to the same address: without the cookie that never ends. So each fetch has a jar of
its own, thrown away with it: no check can tell from what another has left behind, and nobody is followed about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Final

from shared.urls import Address

from .answers import http_date

MAX_COOKIES: Final = 50
MAX_COOKIE_BYTES: Final = 4096
"""Of name and value together (RFC 6265 §6.1); a cookie that is larger is not kept."""
MAX_HEADER_BYTES: Final = 8192
"""Of all that is sent with one request: more than most servers take."""

_NOT_SENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_DIGITS: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)

# Second levels under which registries of countries give names out, so that `Domain=co.uk` is as wide as `Domain=uk`.
# The whole list of such suffixes has some ten thousand lines and changes weekly; for a jar that lives a few seconds
# and goes nowhere but where its own server sends it, the usual ones will do.
_REGISTRIES: Final = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "nom", "or", "org"})


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    value: str
    host: str
    host_only: bool
    path: str
    secure: bool
    expires: datetime | None

    @property
    def pair(self) -> str:
        return f"{self.name}={self.value}" if self.name else self.value

    def goes_to(self, address: Address, now: datetime) -> bool:
        """Tell whether it is sent with a request to `address` (§5.4)."""
        if self.expires is not None and self.expires <= now:
            return False
        if self.secure and address.scheme != "https":
            return False
        in_domain = address.host == self.host if self.host_only else _is_under(address.host, self.host)
        return in_domain and _path_matches(_path_of(address), self.path)


class ChainCookies:
    """The cookies of one fetch."""

    def __init__(self, utc_now: Callable[[], datetime]) -> None:
        self._now = utc_now
        self._cookies: dict[tuple[str, str, str], _Cookie] = {}

    def take(self, address: Address, fields: Iterable[str]) -> None:
        """Keep what an answer sets, and drop what it takes back.

        Args:
            address: who answered.
            fields: the values of its Set-Cookie headers.
        """
        now = self._now()
        for field in fields:
            cookie = _parse(field, address, now)
            if cookie is None:
                continue
            key = (cookie.name, cookie.host, cookie.path)
            if cookie.expires is not None and cookie.expires <= now:
                self._cookies.pop(key, None)
                continue
            self._cookies[key] = cookie
            if len(self._cookies) > MAX_COOKIES:
                del self._cookies[next(iter(self._cookies))]

    def header(self, address: Address) -> str:
        """Return the Cookie header for a request, "" for none: longer paths first, then older ones (§5.4)."""
        if not self._cookies:
            return ""
        now = self._now()
        going = [cookie for cookie in self._cookies.values() if cookie.goes_to(address, now)]
        going.sort(key=lambda cookie: -len(cookie.path))
        pairs: list[str] = []
        size = 0
        for pair in (cookie.pair for cookie in going):
            size += len(pair.encode()) + 2
            if size > MAX_HEADER_BYTES:
                break
            pairs.append(pair)
        return "; ".join(pairs)


def _parse(field: str, address: Address, now: datetime) -> _Cookie | None:
    """Read one Set-Cookie header (§5.2, §5.3); None for what a browser would not keep."""
    pair, _, rest = field.partition(";")
    name, equals, value = (part.strip(" \t") for part in pair.partition("="))
    if not equals:
        name, value = "", name
    if _NOT_SENDABLE.search(pair) or not 0 < len((name + value).encode()) <= MAX_COOKIE_BYTES:
        return None
    attributes = _attributes(rest)
    scope = _scope(address.host, attributes.get("domain", "").removeprefix(".").lower())
    secure = "secure" in attributes
    if scope is None or (secure and address.scheme != "https"):
        return None
    host, host_only = scope
    path = attributes.get("path", "")
    path = path if path.startswith("/") else _default_path(_path_of(address))
    whole_host = "domain" not in attributes and attributes.get("path") == "/"
    if not _prefix_holds(name, secure=secure, whole_host=whole_host):
        return None
    return _Cookie(name, value, host, host_only, path, secure, _expiry(attributes, now))


def _attributes(text: str) -> dict[str, str]:
    """Return the attributes by their names in lower case; of several of one name, the last."""
    parts = (part.partition("=") for part in text.split(";"))
    return {key.strip(" \t").lower(): value.strip(" \t") for key, _, value in parts}


def _prefix_holds(name: str, *, secure: bool, whole_host: bool) -> bool:
    """Tell whether a cookie is what the beginning of its name promises (RFC 6265bis §4.1.3)."""
    lowered = name.lower()
    if lowered.startswith("__host-"):
        return secure and whole_host
    return secure or not lowered.startswith("__secure-")


def _scope(host: str, domain: str) -> tuple[str, bool] | None:
    """Return which host a cookie is for and whether for that alone; None if the server may not set it."""
    if not domain or (domain == host and (_is_ip(host) or _is_registry(domain))):
        return host, True
    return (domain, False) if _is_under(host, domain) and not _is_registry(domain) else None


def _is_registry(domain: str) -> bool:
    """Tell whether names of different owners stand under this one."""
    labels = domain.split(".")
    return len(labels) < 2 or (len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _REGISTRIES)


def _is_under(host: str, domain: str) -> bool:
    return host == domain or (host.endswith(f".{domain}") and not _is_ip(host))


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _path_of(address: Address) -> str:
    rest = address.url.partition("://")[2].partition("?")[0]
    return rest[rest.index("/") :]


def _default_path(path: str) -> str:
    return path[: path.rindex("/")] or "/"


def _path_matches(path: str, cookie_path: str) -> bool:
    if path == cookie_path:
        return True
    return path.startswith(cookie_path) and "/" in (cookie_path[-1], path[len(cookie_path)])


def _expiry(attributes: dict[str, str], now: datetime) -> datetime | None:
    """Return when a cookie ends; only its having ended matters to a jar of a few seconds."""
    max_age = attributes.get("max-age", "")
    if _DIGITS.fullmatch(max_age):
        return now if int(max_age) <= 0 else None
    return http_date(attributes.get("expires", ""))
