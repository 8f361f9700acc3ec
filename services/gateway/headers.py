"""Request headers as values: pure parsing, one function for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from services.gateway.inputs import MAX_REQUEST_ID_CHARS, MAX_WAIT_S, IdempotencyKey, limit_of
from services.gateway.problems import Problem

_MAX_KEY_CHARS: Final = limit_of(IdempotencyKey, "max_length")
_WAIT: Final = re.compile(r'\s*wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;.*)?', re.IGNORECASE | re.ASCII | re.DOTALL)
_ANY_WAIT: Final = re.compile(r"\s*wait\s*(?:[=;].*)?", re.IGNORECASE | re.ASCII | re.DOTALL)
_OUTSIDE_QUOTES: Final = re.compile(r'((?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\Z))*)(?:,|\Z)', re.DOTALL)
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")
_TRACE: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_REQUEST_ID_CHARS}}}")


def wait_s(prefer: Sequence[str]) -> int | None:
    """How long the caller prefers to wait (RFC 7240 §4.3), at most `MAX_WAIT_S` seconds.

    The first `wait` of all Prefer headers counts (§2); what can't be read is as if it were not there.

    Args:
        prefer: values of all Prefer headers, in order.
    """
    for value in prefer:
        for preference in _OUTSIDE_QUOTES.findall(value):
            if not _ANY_WAIT.fullmatch(preference):
                continue
            found = _WAIT.fullmatch(preference)
            if found is None:
                return None
            digits = (found[1] or found[2]).lstrip("0") or "0"
            return MAX_WAIT_S if len(digits) > 2 else min(int(digits), MAX_WAIT_S)
    return None


def idempotency_key(values: Sequence[str]) -> str | None:
    """The key of all Idempotency-Key headers; `"k"` (a string of RFC 8941 §3.3.3) and `k` are the same.

    Raises:
        Problem: `invalid_idempotency_key`.
    """
    if not values:
        return None
    if len(values) > 1:
        raise Problem("invalid_idempotency_key", "There is more than one Idempotency-Key.")
    key = values[0].strip(" \t")
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = re.sub(r"\\([\"\\])", r"\1", key[1:-1])
    if not key:
        raise Problem("invalid_idempotency_key", "The Idempotency-Key is empty.")
    if len(key) > _MAX_KEY_CHARS:
        raise Problem("invalid_idempotency_key", f"The Idempotency-Key has more than {_MAX_KEY_CHARS} characters.")
    if not _PRINTABLE.fullmatch(key):
        raise Problem("invalid_idempotency_key", "The Idempotency-Key has characters that are not printable ASCII.")
    return key


def trace(values: Sequence[str]) -> str | None:
    """The caller's X-Request-Id, if there is one that can stand in a log line."""
    return values[0] if len(values) == 1 and _TRACE.fullmatch(values[0]) else None


def is_json(content_type: str, charset: str | None) -> bool:
    """Whether a body of this type is read as JSON (RFC 8259 §8.1: always UTF-8)."""
    return content_type == "application/json" and (charset or "utf-8").lower() in {"utf-8", "utf8"}
