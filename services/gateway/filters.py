"""What the list of checks can be narrowed down by: query parameters as values. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

import msgspec

from services.gateway import times
from services.gateway.fields import Fields, Invalid, one_of, text, whole_number
from services.gateway.inputs import STATUSES, FilterInput, FilterLabel, FilterWord, HttpStatus, UrlPrefix
from shared import urls
from shared.errors import ERRORS
from shared.messages import Status

NAMES: Final = FilterInput.__struct_fields__
SUFFIX: Final = "*."
"""What a `host` begins with that stands for all names under another."""
_SCHEMES: Final = ("http://", "https://")
_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_RANDOM_BITS: Final = 80  # of a UUIDv7, below its milliseconds
_PRINTABLE_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


class CheckFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which checks are listed: those to which all that is set applies.

    Attributes:
        status: state.
        host: host key, or `*.` and what it ends with.
        label: the whole label.
        word: one of the words asked for.
        batch_id: the batch.
        error: code of the error.
        http_status: of the page.
        url_prefixes: what the URL shown begins with, one of them.
        from_id: the lowest id that a check can have (its time of creation is part of it).
        below_id: the lowest id that is too high.
    """

    status: Status | None = None
    host: str | None = None
    label: str | None = None
    word: str | None = None
    batch_id: UUID | None = None
    error: str | None = None
    http_status: int | None = None
    url_prefixes: tuple[str, ...] = ()
    from_id: UUID | None = None
    below_id: UUID | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it lets every check through."""
        return self == EVERYTHING

    def list_name(self) -> str:
        """Names the list that it makes of all checks, however it was written: what cursors belong to."""
        return f"checks?{msgspec.json.encode(self).decode()}"


EVERYTHING: Final = CheckFilter()


def read_filter(fields: Fields, *, statuses: Sequence[Status] = STATUSES) -> CheckFilter:
    """The filter among query parameters, with one of `statuses`; what is wrong is kept in `fields`."""
    return CheckFilter(
        status=fields.read("status", one_of(statuses), None),
        host=fields.read("host", host, None),
        label=fields.read("label", text(FilterLabel), None),
        word=fields.read("word", text(FilterWord), None),
        batch_id=fields.read("batch_id", _uuid, None),
        error=fields.read("error", _error, None),
        http_status=fields.read("http_status", whole_number(HttpStatus), None),
        url_prefixes=fields.read("url_prefix", url_prefixes, ()),
        from_id=fields.read("created_from", first_id, None),
        below_id=fields.read("created_to", first_id, None),
    )


def host(value: str) -> str:
    """A host key in normal form: `Example.ORG:80` as `example.org`; or `*.` and such a one.

    Raises:
        Invalid: it is neither.
    """
    wildcard, name = (SUFFIX, value[len(SUFFIX) :]) if value.startswith(SUFFIX) else ("", value)
    if not name or re.search(r"[/\\?#@*\s]", name):
        raise Invalid("Must be a host as it stands in an address, or *. and what it ends with.")
    try:
        address = urls.normalize(f"http://{name}/")
    except urls.InvalidUrl as error:
        raise Invalid(f"The address {error.reason}.") from None
    if wildcard and (address.host.startswith("[") or address.host.replace(".", "").isdigit()):
        raise Invalid("Only names have others under them; this is an IP address.")
    return wildcard + address.host_key


def _uuid(value: str) -> UUID:
    try:
        found = UUID(value)
    except ValueError:
        found = None
    if found is None or str(found) != value.lower():
        raise Invalid("Must be an id: a UUID.")
    return found


def _error(value: str) -> str:
    if value not in ERRORS:
        raise Invalid("Is no error code; /docs/problems lists them.")
    return value


def url_prefixes(value: str) -> tuple[str, ...]:
    """What the normal form of a URL begins with: the host is brought into that form, the rest is as it was given.

    Without a scheme, both are meant.

    Raises:
        Invalid: no URL shown can begin with it.
    """
    prefix = text(UrlPrefix)(value).strip()
    scheme = next((scheme for scheme in _SCHEMES if prefix.lower().startswith(scheme)), "")
    if not scheme and _OTHER_SCHEME.match(prefix):
        raise Invalid("Begins with another scheme than http or https.")
    found = re.fullmatch(r"([^/?#\\@\s]+)((?:[/?].*)?)", prefix[len(scheme) :], re.DOTALL)
    if found is None:
        raise Invalid("Must be the beginning of an address, with at least a part of its host.")
    authority, rest = found[1].lower(), quote(found[2], safe=_PRINTABLE_ASCII)
    if rest.startswith("?"):
        rest = f"/{rest}"
    return tuple(_authority(each, authority, whole=bool(rest)) + rest for each in ([scheme] if scheme else _SCHEMES))


def _authority(scheme: str, authority: str, *, whole: bool) -> str:
    """Scheme and host in normal form, as far as that can be told of a host that may be cut short."""
    if not whole and authority.isascii():
        return scheme + authority
    try:
        return urls.normalize(f"{scheme}{authority}/").url.removesuffix("/")
    except urls.InvalidUrl as error:
        raise Invalid(f"The address {error.reason}.") from None


def first_id(value: str) -> UUID:
    """The lowest id that a check of this time (RFC 3339 §5.6) or a later one can have.

    Ids hold whole milliseconds. A time between two of them is before the later one, as a lower bound (`≤`) and as an
    upper one (`<`) alike, so that it is rounded up.

    Raises:
        Invalid: it is no time, or one without an offset from UTC.
    """
    seconds, fraction = times.parse(value)
    digits = fraction.ljust(3, "0")
    return _first_id(seconds * 1000 + int(digits[:3]) + (1 if digits[3:].strip("0") else 0))


def first_at(moment: datetime) -> UUID:
    """The lowest id that a check of this time or a later one can have."""
    return _first_id(math.ceil(moment.timestamp() * 1000))


def _first_id(milliseconds: int) -> UUID:
    return UUID(int=max(milliseconds, 0) << _RANDOM_BITS)
