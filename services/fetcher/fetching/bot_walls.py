"""Telling the challenge pages of known bot walls from the page that was asked for.

They often come with status 200. Only marks that the makers document, or that stand in the challenge's own
markup, are used: a page that writes about bot walls must still be counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HEADS: Final = (
    ("cf-mitigated", frozenset({"challenge"})),  # Cloudflare
    ("x-amzn-waf-action", frozenset({"challenge", "captcha"})),  # AWS WAF
    ("x-vercel-mitigated", frozenset({"challenge", "deny"})),  # Vercel
)

_MARKS: Final = (
    b"window._cf_chl_opt",  # Cloudflare
    b'id="anubis_challenge"',  # Anubis
    b"window.gokuProps",  # AWS WAF
    b"sucuri_cloudproxy_js",  # Sucuri
)
_MAX_WALL_BYTES: Final = 16 * 1024

# Imperva adds this script to every page behind it, but only its challenge is next to nothing else.
_IMPERVA_MARK: Final = b"/_Incapsula_Resource?"
_MAX_IMPERVA_BYTES: Final = 2 * 1024


def is_wall_head(headers: Mapping[str, str]) -> bool:
    """Tell by the headers of an answer whether a bot wall made it."""
    return any(headers.get(name, "").strip().lower() in values for name, values in _HEADS)


def is_wall_page(body: bytes) -> bool:
    """Tell by the body (decoded, in whatever charset) whether this is a challenge."""
    if len(body) > _MAX_WALL_BYTES:
        return False
    if len(body) <= _MAX_IMPERVA_BYTES and _IMPERVA_MARK in body:
        return True
    return any(mark in body for mark in _MARKS)
