"""What a reader sees of an HTML page before any script has run, as one string.

Blocks are parted by U+0000, which cannot stand in HTML text itself (the tree builder drops or replaces it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.fetcher.counting.elements import HTML, MATHML, SVG, Role, Roles
from services.fetcher.counting.inline_style import hides

BOUNDARY: Final = "\0"

# In one query, as each goes over the whole tree.
_MAYBE_UNSEEN: Final = '[hidden], [style*="none" i], [style*="hidden" i], dialog:not([open])'
_OWN_TITLE: Final = "title:not(svg title)"
_MAX_TITLE_CHARS: Final = 500
_FOREIGN: Final = frozenset({Role.SVG, Role.MATH, Role.MATH_HTML})


def _by_number(roles: Roles) -> dict[int, Role]:
    """Roles by Lexbor's numbers of tags, which cost less to ask for than names; those of HTML are always the same."""
    parser = LexborHTMLParser("<body>text<!--comment-->")
    kinds = parser.body.iter(include_text=True) if parser.body else ()
    numbers = {node.tag: node.tag_id for node in kinds}
    return {numbers.get(tag) or parser.create_node(tag or "").tag_id: role for tag, role in roles.items()}


_HTML_BY_NUMBER: Final = _by_number(HTML)


@dataclass(frozen=True, slots=True)
class VisibleText:
    """What was read of a page.

    Attributes:
        text: its visible text; blocks are parted by `BOUNDARY`.
        title: its title on one line, cut at 500 characters; None if it has none.
        is_collapsed: whether no two spaces stand side by side in the text, for certain.
    """

    text: str
    title: str | None
    is_collapsed: bool = False


def read_html(page: str | bytes) -> VisibleText:
    """Parse a page and read its text and title.

    Scripting counts as enabled, so that the parser reads `noscript` as one piece of raw text: as markup, its content
    could end the head early and come out in the body.

    Args:
        page: the decoded page, or its bytes if they are valid UTF-8 without a byte order mark.
    """
    parser = LexborHTMLParser(page, scripting=True)
    root = parser.root
    if root is None:
        return VisibleText("", None)
    title = root.css_first(_OWN_TITLE)
    reading = _Reading(root)
    text = reading.text()
    return VisibleText(text, one_line(title.text()) if title else None, is_collapsed=not reading.keeps_white_space)


def one_line(title: str) -> str | None:
    """Put a title on one line, as `document.title` does (HTML §3.1.5), and within bounds."""
    return " ".join(title.replace("\0", "\ufffd").split())[:_MAX_TITLE_CHARS] or None


class _Reading:
    """One walk over a tree, which it does not change; without recursion, for pages can be nested 100,000 deep."""

    def __init__(self, root: LexborNode) -> None:
        self._root = root
        unseen = root.css(_MAYBE_UNSEEN)
        self._hidden = {node.mem_id for node in unseen if _is_hidden(node)}
        self._closed = {node.mem_id for node in unseen if _is_closed(node)}
        self._pieces: list[str] = []  # what was read since the last change between kept and collapsed white space
        self._finished: list[str] = []
        self._asides: list[str] = []
        self._aside_starts: list[int] = []
        self._pre_depth = 0
        self.keeps_white_space = False  # somewhere
        self._roles = HTML
        self._tables: list[Roles] = []

    def text(self) -> str:
        self._walk()
        self._finish(collapse)
        return BOUNDARY.join(["".join(self._finished), *self._asides])

    def _walk(self) -> None:
        # Every node of every page passes here: the common cases (text, inline elements, blocks) call nothing.
        write, html_role, roles = self._pieces.append, _HTML_BY_NUMBER.get, self._roles
        text, dropped, block = Role.TEXT, Role.DROPPED, Role.BLOCK
        hidden, closed = self._hidden, self._closed
        above: list[tuple[LexborNode, Role | None]] = []
        node = self._root
        while True:
            following: LexborNode | None
            # Elements of SVG and MathML have numbers that differ from one document to the next.
            role = html_role(node.tag_id) if roles is HTML else roles.get(node.tag)
            if role is text:
                write(node.text_content or "")
                following = node.next
            elif (
                role is dropped
                or (hidden and node.mem_id in hidden)
                or (closed and roles is HTML and node.mem_id in closed)  # elsewhere, `dialog` is just a name
            ):
                following = node.next
            else:
                if role is block:
                    write(BOUNDARY)
                elif role is not None:
                    roles = self._enter(role)
                above.append((node, role))
                following = node.first_child
            while following is None:
                if not above:
                    return
                node, role = above.pop()
                if role is block:
                    write(BOUNDARY)
                elif role is not None:
                    roles = self._leave(role)
                following = node.next
            node = following

    def _enter(self, role: Role) -> Roles:
        """Begin an element that does more than to join or part; return the roles of its children."""
        if role is Role.BREAK:
            self._pieces.append("\n")
        elif role is Role.PRE:
            self._pieces.append(BOUNDARY)
            if not self._pre_depth and not self._aside_starts:
                self._finish(collapse)
            self._pre_depth += 1
        elif role is Role.ASIDE:
            self._aside_starts.append(len(self._pieces))
        elif role is Role.SVG:
            self._open_table(SVG)
        elif role is Role.MATH:
            self._open_table(MATHML)
        elif role is Role.MATH_HTML:
            self._open_table(HTML)
        elif role is Role.SVG_HTML:
            self._pieces.append(BOUNDARY)
            self._open_table(HTML)
        return self._roles

    def _leave(self, role: Role) -> Roles:
        """End such an element; return the roles of those that follow it."""
        if role is Role.PRE:
            self._pre_depth -= 1
            if not self._pre_depth and not self._aside_starts:
                self._finish(str)
                self.keeps_white_space = True
            self._pieces.append(BOUNDARY)
        elif role is Role.ASIDE:
            start = self._aside_starts.pop()
            self._asides.append(collapse("".join(self._pieces[start:])))
            del self._pieces[start:]
        elif role is Role.SVG_HTML:
            self._pieces.append(BOUNDARY)
            self._roles = self._tables.pop()
        elif role in _FOREIGN:
            self._roles = self._tables.pop()
        return self._roles

    def _open_table(self, roles: Roles) -> None:
        self._tables.append(self._roles)
        self._roles = roles

    def _finish(self, tidy: Callable[[str], str]) -> None:
        self._finished.append(tidy("".join(self._pieces)))
        self._pieces.clear()


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attrs
    return "hidden" in attributes or hides(attributes.get("style") or "")


def _is_closed(node: LexborNode) -> bool:
    return node.tag == "dialog" and "open" not in node.attrs


def collapse(text: str) -> str:
    """Make each run of ASCII white space one space."""
    for space in "\t\n\f\r":
        text = text.replace(space, " ")
    while "  " in text:  # each round halves the longest run; much quicker than a regular expression
        text = text.replace("  ", " ")
    return text
