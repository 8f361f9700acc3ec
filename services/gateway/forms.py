"""The form of the web pages: what a browser (or curl) posts, as the fields of a check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from services.gateway.problems import FieldError, Problem

MAX_FIELDS: Final = 100
_BOOLEANS: Final = {"true": True, "false": False}
_FIELD_OF: Final = {"url": "address"}
_WORD_END: Final = re.compile(r"[;\r\n]")


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded form; of a repeated one the last counts.

    Raises:
        Problem: `bad_request`.
    """
    return dict(parse_pairs(body))


def parse_pairs(body: bytes) -> list[tuple[str, str]]:
    """Decodes a URL-encoded form (WHATWG URL, application/x-www-form-urlencoded): its fields in their order.

    Raises:
        Problem: `bad_request`.
    """
    try:
        text = body.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise Problem("bad_request", "The form is not URL-encoded UTF-8.") from None


def check_fields(form: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a check from those of a form; what was left blank is left out, so that the defaults apply."""
    fields: dict[str, Any] = {"url": form.get("address", "")}
    words = [word.strip() for word in _WORD_END.split(form.get("words", ""))]
    if any(words):
        fields["words"] = [word for word in words if word]
    for name in ("whole_word", "case_sensitive"):
        if form.get(name):
            fields[name] = _BOOLEANS.get(form[name], form[name])
    for name in ("scope", "label"):
        if form.get(name, "").strip():
            fields[name] = form[name].strip()
    return fields


def messages(errors: Sequence[FieldError]) -> dict[str, str]:
    """What to show beside each field of the form: its first error, by the form's name of it."""
    shown: dict[str, str] = {}
    for error in errors:
        name, _, index = error.pointer.lstrip("/").partition("/")
        message = f"Word {int(index) + 1}: {error.message}" if index.isdecimal() else error.message
        shown.setdefault(_FIELD_OF.get(name, name), message)
    return shown
