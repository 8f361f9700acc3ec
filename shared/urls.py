"""The normal form of an address: one spelling for one page, made as browsers make it.

Parsing follows the WHATWG URL standard (https://url.spec.whatwg.org/#url-parsing), because that is what the
sites are made for: `http://0x7f.1` is 127.0.0.1 in a browser, so it has to be seen as that here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import ada_url

MAX_URL_CHARS: Final = 2_048
"""Longest address that is taken, as written and in its normal form (which fits an index of Postgres)."""

MAX_REDIRECT_CHARS: Final = 8_192
"""Longest normal form that a redirect may lead to: log-in pages pass whole tokens along."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_PORT_FOLLOWS: Final = re.compile(r":[0-9]{1,5}(?:[/\\?#]|\Z)")
_LABEL: Final = re.compile(r"[a-z0-9_\-]{1,63}")
_LONE_BYTE: Final = re.compile("[\udc80-\udcff]")
_ANY_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class InvalidUrl(ValueError):
    """An address that no page can be fetched from.

    Attributes:
        reason: why, as the end of a sentence that begins with "The address …".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Address:
    """An http or https address in normal form.

    Attributes:
        url: the normal form: ASCII, without fragment, user name and default port, never without a path.
        scheme: `http` or `https`.
        host: as in the URL: lower-case, IDNA-encoded, IPv6 in brackets.
        port: TCP port, the scheme's default included.
        host_key: what the limits per host go by: the host for ports 80 and 443, else `host:port`.
    """

    url: str
    scheme: str
    host: str
    port: int
    host_key: str


def normalize(raw: str) -> Address:
    """Bring what a person wrote into normal form.

    `http://` is added where no scheme is given. The query stays as it was written, but for characters
    that can't be sent as they are; only an empty one (`/?`) is dropped.

    Raises:
        InvalidUrl: with the reason in words.
    """
    text = raw.strip()
    if not text:
        raise InvalidUrl("is empty")
    if len(text) > MAX_URL_CHARS:
        raise InvalidUrl(f"is longer than {MAX_URL_CHARS:,} characters")
    if _ANY_SURROGATE.search(text):
        raise InvalidUrl("contains characters that are no text")
    return _parse(_with_scheme(text), None, MAX_URL_CHARS)


def host_key_of(url: str) -> str:
    """Return the host key of an address that is in normal form already, that of a redirect's target too."""
    return _parse(url, None, MAX_REDIRECT_CHARS).host_key


def host_key_as_set(host: str) -> str:
    """Return the host key that a person means by a host, or host:port, in a setting."""
    key = host.lower()
    for port in _DEFAULT_PORTS.values():
        key = key.removesuffix(f":{port}")
    return key.removesuffix(".")


def resolve(base: Address, location: str) -> Address:
    """Work out where a redirect leads (RFC 9110 §10.2.2), in normal form.

    Args:
        base: the address that answered.
        location: the header's value; bytes that are no UTF-8 may stand in it as lone surrogates
            (`surrogateescape`) and are sent back as the same bytes.

    Raises:
        InvalidUrl: the location can't be followed.
    """
    text = _LONE_BYTE.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", location.strip())
    if not text:
        raise InvalidUrl("is empty")
    if _ANY_SURROGATE.search(text):
        raise InvalidUrl("contains characters that are no text")
    return _parse(text, base.url, MAX_REDIRECT_CHARS)


def _with_scheme(text: str) -> str:
    """Put `http://` before an address that has no scheme; refuse the schemes that can't be fetched."""
    if text.startswith(("//", "\\\\")):
        return f"http:{text}"
    if text[0] in "/\\?#":
        raise InvalidUrl("has no host name")
    found = _SCHEME.match(text)
    if found is None:
        return f"http://{text}"
    scheme = found[1].lower()
    if scheme in _DEFAULT_PORTS and not _PORT_FOLLOWS.match(text, found.end() - 1):
        return text
    if text.startswith("//", found.end()):
        raise InvalidUrl(f"begins with {scheme}:, and only http: and https: can be fetched")
    # localhost:3000 and example.org:8080/x look like a scheme to the standard, but are a host and its port.
    if "." in scheme or _PORT_FOLLOWS.match(text, found.end() - 1):
        return f"http://{text}"
    raise InvalidUrl(f"begins with {scheme}:, and only http: and https: can be fetched")


def _parse(text: str, base: str | None, max_chars: int) -> Address:
    try:
        parsed = ada_url.URL(text, base)
    except ValueError:
        raise InvalidUrl(_why_unparsable(text)) from None
    # The serialized form is taken apart by hand: each attribute of the parser costs as much as parsing.
    url = parsed.href.partition("#")[0]
    scheme, _, rest = url.partition(":")
    if scheme not in _DEFAULT_PORTS:
        raise InvalidUrl(f"begins with {scheme}:, and only http: and https: can be fetched")
    authority, _, path = rest.removeprefix("//").partition("/")
    if "@" in authority:
        raise InvalidUrl("contains a user name or password (or is an e-mail address)")
    host, colon, port_text = authority.rpartition(":")
    if not colon or port_text.endswith("]"):
        host, port_text = authority, ""
    if not host.startswith("["):
        _check_name(host)
    port = int(port_text) if port_text else _DEFAULT_PORTS[scheme]
    if port == 0:
        raise InvalidUrl("has port 0, which does not exist")
    if path.find("?") == len(path) - 1:
        url = url.removesuffix("?")
    if len(url) > max_chars:
        raise InvalidUrl(f"is longer than {max_chars:,} characters in its normal form")
    return Address(url, scheme, host, port, _host_key(host, port))


def _host_key(host: str, port: int) -> str:
    name = host.rstrip(".")  # example.org. is the same machine
    return name if port in _DEFAULT_PORTS.values() else f"{name}:{port}"


@lru_cache(maxsize=4_096)  # uploads have thousands of pages of one host, and what raises is not kept
def _check_name(host: str) -> None:
    """Refuse what the standard lets through but the DNS can't look up (RFC 1035 §2.3.4)."""
    name = host.removesuffix(".")
    if len(name) > 253:
        raise InvalidUrl("has a host name of more than 253 characters")
    for label in name.split("."):
        if not label:
            raise InvalidUrl("has a host name with an empty part (two dots in a row, or a leading dot)")
        if len(label) > 63:
            raise InvalidUrl("has a host name with a part of more than 63 characters")
        if not _LABEL.fullmatch(label):
            raise InvalidUrl(f"has a host name with characters that are not allowed there: {name}")


def _why_unparsable(text: str) -> str:
    """Find words for a parser that only says no."""
    authority = re.split(r"[/\\?#]", re.sub(r"^[A-Za-z]+:[/\\]*", "", text), maxsplit=1)[0]
    host, colon, port = authority.rpartition("@")[2].rpartition(":")
    if not authority or (colon and not host):
        return "has no host name"
    if "[" not in authority and authority.count(":") > 1 and "@" not in authority:
        return "has an IPv6 address without brackets, or two ports"
    if colon and "]" not in port and not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        return "has a port that is not a number from 1 to 65535"
    if any(character.isspace() for character in authority):
        return "has a blank in the host name"
    return f"has a host name or IP address that is not valid: {authority[:100]!r}"
