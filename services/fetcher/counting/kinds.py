"""Which bodies have words to count: decided by the Content-Type, before the body is downloaded if it names one."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from shared.errors import Permanent


class Kind(Enum):
    """How a body is read."""

    HTML = "html"
    PLAIN = "plain"


class UnsupportedType(Permanent):
    """The body is not text (`unsupported_type`)."""


_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_PLAIN: Final = frozenset({"application/json", "application/xml"})
_PLAIN_SUFFIXES: Final = ("+xml", "+json")
_MEDIA_TYPE: Final = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:[;,]|\Z)")

_SNIFFED_BYTES: Final = 1_445
_BINARY: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_UNICODE_MARKS: Final = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")
_HTML_START: Final = re.compile(
    rb"[\t\n\f\r ]*(?:<\?xml[^>]*>[\t\n\f\r ]*)?<(?:!--|"
    rb"(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\t\n\f\r />])",
    re.IGNORECASE,
)
_WHOLE_FILES: Final = (b"%PDF-", b"%!PS-Adobe-", b"{\\rtf")


def kind_of(content_type: str | None) -> Kind | None:
    """Tell how a body of this type is read.

    Args:
        content_type: value of the Content-Type header, if there is one.

    Returns:
        None when the header is missing or says nothing: then `sniff` the body.

    Raises:
        UnsupportedType: it is not text, and need not be downloaded.
    """
    found = _MEDIA_TYPE.match(content_type or "")
    if found is None or found[1] == "*/*":
        return None
    media_type = found[1].lower()
    if media_type in _HTML:
        return Kind.HTML
    if media_type in _PLAIN or media_type.startswith("text/") or media_type.endswith(_PLAIN_SUFFIXES):
        return Kind.PLAIN
    raise UnsupportedType("unsupported_type", detail=f"Content-Type: {media_type}")


def sniff(body: bytes) -> Kind:
    """Tell how a body of unknown type is read, from how it begins (WHATWG MIME Sniffing §7.1, shortened).

    Raises:
        UnsupportedType: it is not text.
    """
    start = body[:_SNIFFED_BYTES]
    marked = start.startswith(_UNICODE_MARKS)
    if not marked and (_BINARY.search(start) or start.startswith(_WHOLE_FILES)):
        raise UnsupportedType("unsupported_type", detail="no Content-Type, and the body is not text")
    if marked:
        start = start.decode("utf-16" if start[:1] != b"\xef" else "utf-8-sig", "replace").encode()
    return Kind.HTML if _HTML_START.match(start) else Kind.PLAIN
