"""The rules of one robots.txt, and which of them decides about an address (RFC 9309 §2.1 and §2.2).

Everything here is bytes: a rule may be in any charset or none, and is compared octet by octet.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_BYTES: Final = 500 * 1024
"""So much is read (RFC 9309 §2.5 asks for at least that); what follows does not count."""

PRODUCT: Final = "wordwatch"
"""The name by which groups mean this program, in any case; it stands in the User-Agent header, too."""

_TOKEN: Final = re.compile(rb"[A-Za-z_-]+")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_HTML: Final = re.compile(rb"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE)
_AGENT_FIELDS: Final = frozenset({b"user-agent", b"useragent", b"user agent"})
_RULE_FIELDS: Final = {b"allow": True, b"disallow": False, b"dissallow": False, b"disalow": False}
"""With the misspellings that are common: whoever wrote one meant it."""
_RULE_OVERHEAD_BYTES: Final = 150


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        line: where it stands, from 1.
        allow: what it says of the addresses that it matches.
        pieces: what stands between its wildcards, without escapes.
        to_end: whether the address has to end where the rule does.
        octets: its length with escapes where they are needed; the longest rule that matches decides (RFC 9309 §2.2.2).
    """

    line: int
    allow: bool
    pieces: tuple[bytes, ...]
    to_end: bool
    octets: int

    def matches(self, target: bytes) -> bool:
        """Tell whether this rule is about an address; takes time in proportion to both, however many wildcards.

        Args:
            target: made by `spelled`.
        """
        pieces = self.pieces
        if not target.startswith(pieces[0]):
            return False
        if len(pieces) == 1:
            return not self.to_end or len(target) == len(pieces[0])
        # The leftmost place for each piece leaves the most room for those that follow, so there is no way back.
        at = len(pieces[0])
        for piece in pieces[1:-1]:
            at = target.find(piece, at) + len(piece)
            if at < len(piece):
                return False
        if self.to_end:
            return len(target) - len(pieces[-1]) >= at and target.endswith(pieces[-1])
        return target.find(pieces[-1], at) >= 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold for one crawler.

    Attributes:
        ordered: those that decide first stand first.
        size_bytes: about how much memory they take.
    """

    ordered: tuple[Rule, ...] = ()
    size_bytes: int = field(init=False)
    _heads: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_heads", tuple(rule.pieces[0] for rule in self.ordered))
        patterns = sum(len(piece) + 40 for rule in self.ordered for piece in rule.pieces)
        object.__setattr__(self, "size_bytes", patterns + _RULE_OVERHEAD_BYTES * len(self.ordered))

    def deciding(self, url: str) -> Rule | None:
        """Find the rule that decides: the longest that matches, Allow before Disallow; None allows, too.

        Args:
            url: in normal form.
        """
        path = url.partition("://")[2].partition("/")[2]
        target = spelled(b"/" + path.encode())
        # One look at how all rules begin is all that most addresses need.
        if not target.startswith(self._heads):
            return None
        return next((rule for rule in self.ordered if rule.matches(target)), None)


def read(body: bytes, token: str = PRODUCT) -> Rules:
    """Read the rules for one crawler: of all groups that name it, or else of all groups for `*` (RFC 9309 §2.2.1).

    Nothing is an error: lines that can't be understood say nothing, and a page in HTML has no rules at all.

    Args:
        body: the file; what is beyond `MAX_BYTES` does not count.
        token: the product token of the crawler.
    """
    ours = token.lower().encode()
    text = _utf_8(_within_limit(body))
    if _HTML.match(text):
        return Rules()
    found: dict[bytes, list[Rule]] = {}
    groups: list[list[Rule]] = []  # those of `found` that the present lines belong to
    naming = False
    for line, name, value in _records(text):
        if name in _AGENT_FIELDS:
            if not naming:
                groups, naming = [], True
            who = _named(value)
            if who in {ours, b"*"}:
                group = found.setdefault(who, [])
                groups = [*(each for each in groups if each is not group), group]
        elif name in _RULE_FIELDS:
            naming = False
            rule = _rule(line, _RULE_FIELDS[name], value) if groups else None
            if rule is not None:
                for each in groups:
                    each.append(rule)
        # Other records neither end a group nor begin its rules (RFC 9309 §2.2.4).
    chosen = found.get(ours, found.get(b"*", []))
    # One number to sort by: comparing tuples would keep other threads waiting three times as long.
    chosen.sort(key=lambda rule: 2 * rule.octets + rule.allow, reverse=True)
    return Rules(tuple(chosen))


def spelled(text: bytes, in_query: bool = False) -> bytes:
    """Spell an address, or a part of a rule, in the one way in which they are compared (RFC 9309 §2.2.2).

    Escapes stand for what they escape. Only an escaped `/` or `?` in a path differs from a bare one, which would divide
    it, and so does an escaped percent sign.

    Args:
        text: from the path on, with escapes or without.
        in_query: whether it is what follows the question mark.
    """
    if b"%" not in text:
        return text
    if in_query:
        return _unescaped(text, kept=b"%")
    path, mark, query = text.partition(b"?")
    return _unescaped(path, kept=b"/?#%") + mark + _unescaped(query, kept=b"%")


def _unescaped(text: bytes, kept: bytes) -> bytes:
    def plain(found: re.Match[bytes]) -> bytes:
        octet = bytes.fromhex(found[1].decode())
        return found[0].upper() if octet in kept else octet

    return _ESCAPE.sub(plain, text)


def _within_limit(body: bytes) -> bytes:
    """The whole lines that fit: half a rule would say more than was meant."""
    if len(body) <= MAX_BYTES:
        return body
    kept = body[:MAX_BYTES]
    return kept[: max(kept.rfind(b"\n"), kept.rfind(b"\r")) + 1]


def _utf_8(body: bytes) -> bytes:
    """Free the text of its byte order mark; UTF-16 is not allowed, but plain to see and its rules are meant."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace").encode("utf-8", "replace")
    return body.removeprefix(codecs.BOM_UTF8)


def _records(text: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield line number, name in lower case and value of each record."""
    # Of bytes, these are the line ends of RFC 9309 §2.2 and no others.
    for number, line in enumerate(text.splitlines(), start=1):
        record = line.partition(b"#")[0].strip()
        name, colon, value = record.partition(b":")
        if not colon:
            name, _, value = record.partition(b" ")  # a forgotten colon is plain to see
        if value or colon:
            yield number, name.strip().lower(), value.strip()


def _named(value: bytes) -> bytes:
    """Whom a group is for: `*`, or a product token in lower case, without the version that some write behind it."""
    if value == b"*":
        return value
    token = _TOKEN.match(value)
    return token[0].lower() if token else b""


def _rule(line: int, allow: bool, pattern: bytes) -> Rule | None:
    """Take a rule apart; None if it is empty and so matches nothing."""
    if not pattern:
        return None
    to_end = pattern.endswith(b"$")
    pieces: list[bytes] = []
    in_query = False
    for piece in pattern.removesuffix(b"$").split(b"*"):
        pieces.append(spelled(piece, in_query))
        in_query = in_query or b"?" in piece
    octets = pattern.count(b"*") + to_end + sum(map(_octets, pieces))
    # Several wildcards in a row are one.
    pieces[1:-1] = filter(None, pieces[1:-1])
    return Rule(line, allow, tuple(pieces), to_end, octets)


def _octets(piece: bytes) -> int:
    """The length of a piece where all that is not ASCII is escaped, as it is when rules are compared."""
    return len(piece) + 2 * sum(octet >= 0x80 for octet in piece) if not piece.isascii() else len(piece)
