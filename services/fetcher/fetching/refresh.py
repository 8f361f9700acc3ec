"""Redirects that a page makes by itself: `<meta http-equiv="refresh">`, and the Refresh header.

Only what takes a reader elsewhere at once: a delay of nought, to another address. The rule is the HTML Standard's
("shared declarative refresh steps", §4.2.5.3, and §7.4 for the header). The tags are found by a scan of their own and
not by the HTML parser, which a hostile page may crash: that is kept for a place where it takes nobody with it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from typing import Final

from services.fetcher.counting.kinds import Kind, UnsupportedType, kind_of, sniff
from shared.urls import Address, InvalidUrl, resolve

SCANNED_BYTES: Final = 64 * 1024
"""A refresh that stands further down is not seen."""

_SPACE: Final = "\t\n\f\r "
_DELAY: Final = re.compile(rf"[{_SPACE}]*(?P<delay>[0-9][0-9.]*|\.[0-9.]*)(?P<rest>(?:[{_SPACE};,].*)?)", re.DOTALL)
_TARGET: Final = re.compile(
    rf"[{_SPACE}]*[;,]?[{_SPACE}]*(?:url[{_SPACE}]*=[{_SPACE}]*)?(?P<target>.*)", re.DOTALL | re.I
)
_REFERENCE: Final = re.compile(r"&(?:#[xX][0-9a-fA-F]+;?|#[0-9]+;?|[A-Za-z][A-Za-z0-9]*[;=]?)")

_TAG: Final = re.compile(rf"<(?:(?P<comment>!--)|(?P<end>/?)(?P<name>[a-z][^{_SPACE}/>]*)|(?P<bogus>[!?/]))", re.I)
_SUSPECT: Final = re.compile(rb"http-equiv[\t\n\f\r ]*=[\t\n\f\r ]*[\"']?refresh")
_COMMENT_END: Final = re.compile(r"--!?>")
_NEXT_ATTRIBUTE: Final = re.compile(rf"[{_SPACE}/]*(?:(?P<close>>)|(?P<name>[^{_SPACE}/>][^{_SPACE}/>=]*)[{_SPACE}]*)")
_BARE: Final = re.compile(rf"[^{_SPACE}>]*")
_SCRIPT_TURN: Final = re.compile(rf"<!--|-->|<(?P<end>/?)script(?=[{_SPACE}/>])", re.I)

# What stands in these is text to a browser that runs scripts, and no tags.
_TEXT_ONLY: Final = {
    name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.I)
    for name in ("style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript")
}


@dataclass(frozen=True, slots=True)
class _Tag:
    name: str
    closes: bool
    attributes: dict[str, str]


def in_header(address: Address, value: str) -> Address | None:
    """Return where a Refresh header leads at once, None if nowhere else."""
    _, target = _read(address, value)
    return _elsewhere(address, target)


def in_page(address: Address, content_type: str | None, body: bytes) -> Address | None:
    """Return where the first `meta` refresh of a page leads at once, None if nowhere else.

    Args:
        address: of the page.
        content_type: the header's value, None if there was none: only HTML has tags.
        body: free of Content-Encoding; `SCANNED_BYTES` of it are looked at.
    """
    suspicious = _suspicious(body[:SCANNED_BYTES])
    if suspicious is None or not _is_html(content_type, body):
        return None
    base, based = address, False
    depth = 0  # of templates, whose content is no part of the page
    for tag in _tags(*suspicious):
        if tag.name == "template":
            depth = max(0, depth - 1) if tag.closes else depth + 1
        elif tag.closes or depth:
            continue
        elif tag.name == "base" and not based and "href" in tag.attributes:
            base, based = _base(address, tag.attributes["href"]), True
        elif tag.name == "meta" and tag.attributes.get("http-equiv", "").lower() == "refresh":
            valid, target = _read(base, _unescaped(tag.attributes.get("content", "")))
            if valid:  # the first that is valid counts, whatever its delay
                return _elsewhere(address, target)
    return None


def _is_html(content_type: str | None, body: bytes) -> bool:
    try:
        return (kind_of(content_type) or sniff(body)) is Kind.HTML
    except UnsupportedType:
        return False


def _elsewhere(address: Address, target: Address | None) -> Address | None:
    return None if target is None or target.url == address.url else target


def _base(address: Address, href: str) -> Address:
    try:
        return resolve(address, _unescaped(href))
    except InvalidUrl:
        return address


def _read(base: Address, content: str) -> tuple[bool, Address | None]:
    """Return whether this is a refresh at all, and where it leads at once."""
    found = _DELAY.fullmatch(content)
    if found is None:
        return False, None
    at_once = not found["delay"].partition(".")[0].strip("0")  # what stands behind the point is passed over
    sought = _TARGET.fullmatch(found["rest"])
    target = sought["target"] if sought else ""
    if target[:1] in {"'", '"'}:
        target = target[1:].partition(target[0])[0]
    if not target.strip(_SPACE):
        return True, None  # to itself: that is no other page
    if target.strip(_SPACE)[:11].lower() == "javascript:":
        return False, None
    try:
        return True, resolve(base, target) if at_once else None
    except InvalidUrl:
        return True, None


def _unescaped(value: str) -> str:
    """Undo character references as in attributes: without its semicolon, a name before `=` or a letter is none."""

    def undo(found: re.Match[str]) -> str:
        reference = found[0]
        if reference.startswith("&#") or reference.endswith(";") or reference[1:] in html5:
            try:
                return html.unescape(reference)
            except ValueError:  # more digits than Python makes a number of: beyond all characters (§13.2.5.80)
                return "\ufffd"
        return reference

    return _REFERENCE.sub(undo, value)


def _suspicious(start: bytes) -> tuple[str, int] | None:
    """Return the text of a page that has to be looked at, and how far; None, and quickly, for nearly all pages.

    It is decoded far enough for its tags; other bytes stay what they are, as lone surrogates.
    """
    for mark, encoding in ((b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le")):
        if start.startswith(mark):
            return start[2:].decode(encoding, "replace"), len(start)
    lower = start.lower()
    if b"refresh" not in lower:  # many times quicker than the expression
        return None
    last = 0
    for found in _SUSPECT.finditer(lower):
        last = found.end()
    if not last:
        return None
    return start.decode("utf-8", "surrogateescape"), len(start[:last].decode("utf-8", "surrogateescape"))


def _tags(text: str, until: int) -> Iterator[_Tag]:
    """Yield the tags of a page that begin before `until`, in order (§13.2.5, shortened), in linear time."""
    at = 0
    while (found := _TAG.search(text, at)) and found.start() < until:
        if found["comment"]:
            at = _after_comment(text, found.end())
        elif found["bogus"]:
            at = text.find(">", found.end()) + 1 or len(text)
        else:
            name = found["name"].lower()
            attributes, at = _attributes(text, found.end())
            if attributes is None:
                return
            yield _Tag(name, bool(found["end"]), attributes)
            if not found["end"]:
                at = _after_content(text, at, name)


def _after_comment(text: str, at: int) -> int:
    if text.startswith((">", "->"), at):
        return text.index(">", at) + 1
    end = _COMMENT_END.search(text, at)
    return end.end() if end else len(text)


def _after_content(text: str, at: int, name: str) -> int:
    """Return where the tags go on after the beginning of this element."""
    if name == "plaintext":
        return len(text)
    if name == "script":
        return _after_script(text, at)
    if name not in _TEXT_ONLY:
        return at
    end = _TEXT_ONLY[name].search(text, at)
    return end.start() if end else len(text)


def _after_script(text: str, at: int) -> int:
    """Find the end of a script: in `<!-- <script>` the first `</script>` ends nothing (§13.2.5.26)."""
    escaped = double = False
    for turn in _SCRIPT_TURN.finditer(text, at):
        if turn[0] == "<!--":
            escaped = True
        elif turn[0] == "-->":
            escaped = double = False
        elif not turn["end"]:
            double = escaped
        elif double:
            double = False
        else:
            return turn.start()
    return len(text)


def _attributes(text: str, at: int) -> tuple[dict[str, str] | None, int]:
    """Read the attributes of a tag from `at` on, the first of a name counts; None if the tag has no end."""
    attributes: dict[str, str] = {}
    while found := _NEXT_ATTRIBUTE.match(text, at):
        at = found.end()
        if found["close"]:
            return attributes, at
        value = ""
        if text.startswith("=", at):
            at = _skip_space(text, at + 1)
            quote = text[at : at + 1]
            if quote in {"'", '"'}:
                end = text.find(quote, at + 1)
                if end < 0:
                    return None, len(text)
                value, at = text[at + 1 : end], end + 1
            else:
                bare = _BARE.match(text, at)
                value, at = (bare[0], bare.end()) if bare else ("", at)
        attributes.setdefault(found["name"].lower(), value)
    return None, len(text)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
