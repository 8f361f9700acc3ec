"""Cursors: where the next page of a list begins, in a form that a URL can carry.

A cursor holds the id of the last item shown and a digest of it together with the list's filter, so that it works with
the list it came from and no other. It keeps no secret and needs none: who makes one up gets a page they could have
asked for anyway.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final
from uuid import UUID

from services.gateway.problems import FieldError, Problem

_DIGEST_BYTES: Final = 8


class InvalidCursor(ValueError):
    """A cursor that was not made for this list."""


def encode(last: UUID, *, belongs_to: str) -> str:
    """The cursor of the page after the item `last`, in the list (with its filter) that `belongs_to` names."""
    return base64.urlsafe_b64encode(last.bytes + _digest(last, belongs_to)).decode()


def decode(cursor: str, *, belongs_to: str) -> UUID:
    """The id of the item after which the page begins.

    Raises:
        InvalidCursor: it was changed, or made for another list or filter.
    """
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    last = UUID(bytes=raw[:16]) if len(raw) == 16 + _DIGEST_BYTES else None
    if last is None or raw[16:] != _digest(last, belongs_to):
        raise InvalidCursor("It was not made for this list.")
    return last


def place_of(cursor: str | None, *, belongs_to: str) -> UUID | None:
    """The id after which the page begins that a request asks for; None: it is the first page.

    Raises:
        Problem: `invalid_request`: the cursor is none of this list's.
    """
    if cursor is None:
        return None
    try:
        return decode(cursor, belongs_to=belongs_to)
    except InvalidCursor as error:
        wrong = FieldError("/cursor", str(error))
        raise Problem("invalid_request", f"/cursor: {wrong.message}", errors=[wrong]) from None


def _digest(last: UUID, belongs_to: str) -> bytes:
    return hashlib.sha256(last.bytes + belongs_to.encode()).digest()[:_DIGEST_BYTES]
