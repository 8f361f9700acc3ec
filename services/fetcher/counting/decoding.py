"""From bytes to characters: which encoding a body is in, and its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from services.fetcher.counting.encodings import decode_as, encoding_of
from services.fetcher.counting.guessing import guess
from services.fetcher.counting.kinds import Kind
from services.fetcher.counting.prescan import declared_by_meta, declared_by_xml

_BYTE_ORDER_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^;,\s]+))""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded body.

    Attributes:
        text: its characters, without the byte order mark; bytes that are none are U+FFFD.
        encoding: name of the encoding by the Encoding Standard, in lower case.
    """

    text: str
    encoding: str


def decode(body: bytes, content_type: str | None, kind: Kind) -> Decoded:
    """Decode a body.

    A byte order mark decides, else the header, else the page's own declaration in its first 1,024 bytes, else whether
    the body is valid UTF-8 (its last character may be cut), else a guess; windows-1252 is what remains. What names no
    known encoding is passed over.

    Args:
        body: after Content-Encoding has been undone.
        content_type: value of the Content-Type header, if there is one.
        kind: how the body is read: a `meta` declares something in HTML only.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return Decoded(decode_as(body[len(mark) :], encoding), encoding)
    declared = _declared_by_header(content_type)
    if declared is None:
        declared = declared_by_meta(body) if kind is Kind.HTML else declared_by_xml(body)
    if declared is not None:
        return Decoded(decode_as(body, declared), declared)
    try:
        return Decoded(body.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        guessed = "utf-8" if _only_its_end_is_cut(error) else guess(body)
    return Decoded(decode_as(body, guessed), guessed)


def _only_its_end_is_cut(error: UnicodeDecodeError) -> bool:
    """Tell whether a body is UTF-8 but for its last character; alone, that may be the last letter of any encoding."""
    return error.reason == "unexpected end of data" and not error.object[: error.start].isascii()


def _declared_by_header(content_type: str | None) -> str | None:
    found = _CHARSET.search(content_type or "")
    return encoding_of(found[1] or found[2] or found[3] or "") if found else None
