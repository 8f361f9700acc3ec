"""Telling the challenge pages of known bot walls from the page that was asked for.

They come with any status, 200 among them. Only marks that the makers document, or that stand in the challenge's own
markup, are used: a page behind such a product that was let through, a page with one of its widgets, and a page about
bot walls must still be counted. To call one of those blocked would be worse than to miss a wall.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

_ANY_VALUE: Final[frozenset[str]] = frozenset()

# Headers that their makers send with a challenge, and only then.
_HEADS: Final = (
    # developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response
    ("cf-mitigated", frozenset({"challenge"})),
    # docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-actions.html
    ("x-amzn-waf-action", frozenset({"challenge", "captcha"})),
    # vercel.com/docs/vercel-firewall (attack challenge mode; the value as in microlinkhq/is-antibot)
    ("x-vercel-mitigated", frozenset({"challenge", "deny"})),
    # docs.datadome.co/reference/validate-request: with a block or a challenge; x-datadome comes with every page
    ("x-dd-b", _ANY_VALUE),
    # SiteGround's, with status 202
    ("sg-captcha", frozenset({"challenge"})),
)

MAX_WALL_BYTES: Final = 16 * 1024
"""Challenges are small; a larger page is a page."""

_MAX_EMPTY_BYTES: Final = 2 * 1024
_CODE: Final = re.compile(rb"<(script|style)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAGS: Final = re.compile(rb"<[^>]*>")

_Mark = Callable[[bytes], bool]


def _script_with(*marks: bytes) -> _Mark:
    """All of these stand in scripts: in their code, not in text about it."""
    return lambda body: all(_stands_in(body, mark, b"<script", b"</script") for mark in marks)


def _tag_with(tag: bytes, *marks: bytes) -> _Mark:
    """All of these stand in tags that begin like this."""
    return lambda body: all(_stands_in(body, mark, tag, b">") for mark in marks)


def _text_with(*marks: bytes) -> _Mark:
    return lambda body: all(mark in body for mark in marks)


def _stands_in(body: bytes, mark: bytes, opening: bytes, closing: bytes) -> bool:
    at = body.find(mark)
    begin = body.rfind(opening, 0, at) if at >= 0 else -1
    return begin >= 0 and body.find(closing, begin, at) < 0


def _all_of(*marks: _Mark) -> _Mark:
    return lambda body: all(mark(body) for mark in marks)


def _one_script_alone(body: bytes) -> bool:
    """Nothing is there to read, and nothing else that could write it."""
    if len(body) > _MAX_EMPTY_BYTES or body.lower().count(b"<script") != 1:
        return False
    return not _TAGS.sub(b"", _CODE.sub(b"", body)).strip()


# By what all challenges of a line have in them, wherever it stands: nearly every page is passed over with these alone.
_PAGES: Final[tuple[tuple[bytes, tuple[_Mark, ...]], ...]] = (
    (
        b"window.",
        (
            # Cloudflare: the options of the challenge; FlareSolverr. Pages that are let through
            # may carry /cdn-cgi/challenge-platform/ and Turnstile's script, which are no marks.
            _script_with(b"window._cf_chl_opt"),
            # AWS WAF: the challenge's own code. Its SDK (AwsWafIntegration) stands on ordinary pages too.
            _script_with(b"window.gokuProps"),
            # HUMAN (PerimeterX): the block page of its enforcers; _pxAppId alone stands on every page of a customer.
            _script_with(b"window._pxUuid", b"pxCaptchaSrc"),
            # Kasada: ips.js solves the challenge, where ordinary pages have p.js.
            _all_of(_script_with(b"window.KPSDK={}"), _tag_with(b"<script", b"/ips.js?")),
            # Reblaze; the acceptance tests of curiefense.
            _script_with(b"window.rbzns", b"bereshit"),
        ),
    ),
    # Anubis: web/index.templ in TecharoHQ/anubis.
    (b"anubis_challenge", (_tag_with(b"<script", b'id="anubis_challenge"'),)),
    # Sucuri; cloudscraper.
    (b"sucuri_cloudproxy_js", (_script_with(b"sucuri_cloudproxy_js"),)),
    (
        b"/.well-known/",
        (
            # DDoS-Guard; FlareSolverr. Its check.js stands on ordinary pages.
            _tag_with(b"<script", b"/.well-known/ddos-guard/js-challenge/"),
            _tag_with(b"<script", b"/.well-known/ddos-guard/ddg-captcha-page/"),
            # SiteGround: a refresh to its captcha.
            _tag_with(b"<meta", b"/.well-known/sgcaptcha/"),
        ),
    ),
    # DataDome: the block page; its tag on ordinary pages is js.datadome.co/tags.js.
    (b"captcha-delivery.com/", (_all_of(_script_with(b"var dd={"), _tag_with(b"<script", b"captcha-delivery.com/")),)),
    (
        b"/_Incapsula_Resource?",
        (
            # Imperva: the incident page, or a script and nothing else; every page of a customer has that script.
            _tag_with(b"<iframe", b'id="main-iframe"', b"/_Incapsula_Resource?"),
            _all_of(_tag_with(b"<script", b"/_Incapsula_Resource?"), _one_script_alone),
        ),
    ),
    # Akamai's "behavioral" challenge.
    (b"sec-if-cpt-container", (_tag_with(b"<div", b'id="sec-if-cpt-container"'),)),
    # Akamai's refusal, should it come with a status that says nothing.
    (b"<TITLE>Access Denied</TITLE>", (_text_with(b"Reference&#32;&#35;"),)),
    # Google's "unusual traffic" page, /sorry/index.
    (b"unusual traffic from your computer", (_tag_with(b"<form", b'id="captcha-form"'),)),
    # Reddit: a form that its script fills in and sends.
    (b'name="js_challenge"', (_tag_with(b"<input", b'name="js_challenge"', b'name="solution"'),)),
)


def is_wall_head(headers: Mapping[str, str]) -> bool:
    """Tell by the headers of an answer whether a bot wall made it."""
    for name, values in _HEADS:
        value = headers.get(name, "").strip().lower()
        if value in values or (values is _ANY_VALUE and value):
            return True
    return False


def is_wall_page(body: bytes) -> bool:
    """Tell by the body (decoded, in whatever charset that has ASCII in it) whether this is a challenge."""
    return len(body) <= MAX_WALL_BYTES and any(
        mark(body) for needed, marks in _PAGES if needed in body for mark in marks
    )
