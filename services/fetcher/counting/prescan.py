"""What a page says of its own encoding in its first 1,024 bytes.

The HTML Standard's "prescan a byte stream to determine its encoding" (§13.2.3.2), and the encoding declaration of XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from services.fetcher.counting.encodings import encoding_of

PRESCANNED_BYTES: Final = 1_024

_SPACE: Final = r"\t\n\f\r "
_NEXT: Final = re.compile(
    r"(?P<comment><!--)"
    rf"|<(?P<meta>meta)(?=[{_SPACE}/])"
    r"|<(?P<tag>/?[a-z])"
    r"|<(?P<other>[!/?])",
    re.IGNORECASE,
)
_ATTRIBUTE: Final = re.compile(
    rf"""[{_SPACE}/]*(?P<name>[^{_SPACE}/>][^{_SPACE}/>=]*)[{_SPACE}]*
    (?:=[{_SPACE}]*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^{_SPACE}>"'][^{_SPACE}>]*)|(?=>)))?""",
    re.VERBOSE,
)
_NAME_END: Final = re.compile(rf"[{_SPACE}>]")
_CHARSET_IN_CONTENT: Final = re.compile(
    rf"""charset[{_SPACE}]*=[{_SPACE}]*(?:"([^"]*)"|'([^']*)'|([^{_SPACE};"'][^{_SPACE};]*))""", re.IGNORECASE
)
_XML_DECLARATION: Final = re.compile(
    rf"""<\?xml[{_SPACE}][^>]*?encoding[{_SPACE}]*=[{_SPACE}]*(?:"([^"<>]*)"|'([^'<>]*)')[^>]*>""", re.DOTALL
)
_UTF16_XML: Final = {b"<\0?\0x\0": "utf-16le", b"\0<\0?\0x": "utf-16be"}


def declared_by_meta(body: bytes) -> str | None:
    """Return the encoding that a page declares in a `meta` (or its XML declaration), as a WHATWG name.

    UTF-16 means UTF-8 here and x-user-defined means windows-1252, as the standard has it: a declaration that could be
    read as ASCII cannot be right about the first, and the second is no encoding of pages.
    """
    start = body[:PRESCANNED_BYTES]
    for opening, encoding in _UTF16_XML.items():
        if start.startswith(opening):
            return encoding
    text = start.decode("latin-1")
    for attributes in _metas(text):
        declared = _encoding_in(attributes)
        if declared:
            return declared
    return declared_by_xml(body)


def declared_by_xml(body: bytes) -> str | None:
    """Return the encoding in an XML declaration at the very beginning, as a WHATWG name."""
    found = _XML_DECLARATION.match(body[:PRESCANNED_BYTES].decode("latin-1"))
    return _usable(found[1] or found[2] or "") if found else None


def _metas(text: str) -> Iterator[dict[str, str]]:
    """Yield the attributes of each `meta`, passing over comments and other tags."""
    at = 0
    while found := _NEXT.search(text, at):
        if found["comment"]:
            end = text.find("-->", found.end() - 2)
            if end < 0:
                return
            at = end + 3
        elif found["meta"]:
            attributes, at = _attributes(text, found.end())
            yield attributes
        elif found["tag"]:
            name_end = _NAME_END.search(text, found.end())
            if name_end is None:
                return
            _, at = _attributes(text, name_end.start())
        else:
            at = text.find(">", found.end() - 1) + 1
            if not at:
                return


def _attributes(text: str, at: int) -> tuple[dict[str, str], int]:
    """Read the attributes of a tag from `at` on (§13.2.3.2 "get an attribute"); the first of a name counts."""
    attributes: dict[str, str] = {}
    while found := _ATTRIBUTE.match(text, at):
        if found.end() >= len(text):  # cut off: not to be relied on
            return {}, len(text)
        value = found["double"] or found["single"] or found["bare"] or ""
        attributes.setdefault(found["name"].lower(), value)
        at = found.end()
    end = text.find(">", at)
    return (attributes, end + 1) if end >= 0 else ({}, len(text))


def _encoding_in(attributes: dict[str, str]) -> str | None:
    if "charset" in attributes:
        return _usable(attributes["charset"])
    if attributes.get("http-equiv", "").lower() != "content-type":
        return None
    found = _CHARSET_IN_CONTENT.search(attributes.get("content", ""))
    return _usable(found[1] or found[2] or found[3] or "") if found else None


def _usable(label: str) -> str | None:
    encoding = encoding_of(label)
    if encoding in {"utf-16le", "utf-16be"}:
        return "utf-8"
    return "windows-1252" if encoding == "x-user-defined" else encoding
