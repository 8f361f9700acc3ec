"""What a reader sees of a page, by the letter of docs/counting.md, from the tree that another parser makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from justhtml import Element, JustHTML, Text

if TYPE_CHECKING:
    from justhtml import Node

LEFT_OUT = {
    *("head", "title", "script", "style", "template", "noscript", "noframes", "rp", "datalist", "select", "textarea"),
    *("iframe", "object", "video", "audio", "canvas", "noembed", "progress", "meter"),
}
LEFT_OUT_OF_SVG = {"title", "desc", "metadata", "script", "style"}
BLOCKS = {  # display: block, list-item or table-* in the HTML Standard, 15.3
    *("html", "body", "address", "blockquote", "center", "dialog", "div", "figure", "figcaption", "footer", "form"),
    *("header", "hr", "legend", "listing", "main", "p", "plaintext", "pre", "search", "xmp", "article", "aside", "nav"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "hgroup", "section", "dir", "dd", "dl", "dt", "menu", "ol", "ul", "li"),
    *("table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "td", "th"),
    *("fieldset", "details", "summary", "optgroup", "option", "frameset", "frame"),
}
HTML = "html"
SVG = "svg"


def blocks(html: str) -> list[str]:
    """The texts between boundaries, in no order that matters."""
    page = Page()
    page.read(JustHTML(html, sanitize=False, scripting_enabled=True).root, [])
    return page.done


class Page:
    def __init__(self) -> None:
        self.done: list[str] = []

    def read(self, node: Node, line: list[str]) -> None:
        """Add what a node shows to the line it stands in; a boundary ends that line."""
        for child in node.children or ():
            if isinstance(child, Text):
                line.append(child.data or "")
            elif isinstance(child, Element) and not is_left_out(child):
                self.read_element(child, line)

    def read_element(self, element: Element, line: list[str]) -> None:
        name, space = element.name, element.namespace
        if name == "br" and space == HTML:
            line.append(" ")
        elif name == "rt" and space == HTML:
            aside: list[str] = []
            self.read(element, aside)
            self.end(aside)
        elif (name in BLOCKS and space == HTML) or (name == "text" and space == SVG):
            self.end(line)
            self.read(element, line)
            self.end(line)
        else:
            self.read(element, line)

    def end(self, line: list[str]) -> None:
        if line:
            self.done.append("".join(line))
            line.clear()


def is_left_out(element: Element) -> bool:
    attributes = element.attrs
    if element.namespace == HTML:
        by_name = element.name in LEFT_OUT or (element.name == "dialog" and "open" not in attributes)
    else:
        by_name = element.namespace == SVG and element.name in LEFT_OUT_OF_SVG
    return by_name or "hidden" in attributes or hides(attributes.get("style") or "")


def hides(style: str) -> bool:
    said = {}
    for declaration in style.lower().split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            said[name.strip()] = value.replace("!important", "").strip()
    return said.get("display") == "none" or said.get("visibility") == "hidden"
