"""Pages as they come: made of a grammar of HTML, well-formed now and then, in many scripts and encodings."""

import re
from html import unescape

from hypothesis import strategies as st

from tests.unit.counting.whole.charset import MEANINGS

WORDS = (
    *("python", "Python", "PYTHON", "py", "thon", "open", "source", "straße", "STRASSE", "naïve", "c++", "rock'n'roll"),
    *("rock’n’roll", "ﬁn", "Ｐｙ", "x²", "①", "½", "e\u0301", "É", "ſ", "İ", "ı", "_a", "3.14", "état", "…"),
    *("Привет", "мир", "ПРИВЕТ", "σοφός", "ΣΟΦΟΣ", "שלום", "سلام", "نمی\u200cخواهم", "हिन्दी", "हि", "தமிழ்"),
    *(
        "日本",
        "東京タワー",
        "タワー",
        "ﾀﾜｰ",
        "入門",
        "中文",
        "ไทย",
        "ภาษาไทย",
        "서버",
        "서버는",
        "웹서버",
        "한",
        "ᄒ\u1161\u11ab",
    ),
    *("မြန်မာ", "ខ្មែរ", "ລາວ", "🎉", "❤️", "👩\u200d💻", "İstanbul", "ISTANBUL", "ŉ", "ǆ"),
)
SPACES = (" ", "  ", "\n", "\t", "\r\n", "\f", "&nbsp;", "\u00a0", "\u3000", "\u2009", "&#32;", "&emsp;", "\u0085")
NO_ROOM = ("&shy;", "\u00ad", "\u200b", "&zwj;", "&zwnj;", "\u2060", "\ufeff", "\u200e", "\ufe0f", "<wbr>", "<!---->")
MARKS = (
    "-",
    "'",
    "’",
    ".",
    ",",
    "_",
    "&amp;",
    "&lt;b&gt;",
    "&",
    "&#x41;",
    "&#0;",
    "&#128;",
    "&notit;",
    "&copy",
    "<",
    ">",
)
INLINE = (
    "b",
    "i",
    "a",
    "em",
    "span",
    "font",
    "nobr",
    "code",
    "u",
    "label",
    "button",
    "sub",
    "x-y",
    "ins",
    "small",
    "q",
)
BLOCK = (
    *("p", "div", "ul", "ol", "li", "dl", "dt", "dd", "h1", "h2", "pre", "blockquote", "section", "article", "main"),
    *("form", "fieldset", "legend", "center", "figure", "figcaption", "address", "details", "summary", "aside", "menu"),
    *("header", "footer", "hgroup", "search", "dir", "listing", "nav"),
)
TABLE = ("table", "tr", "td", "th", "tbody", "thead", "tfoot", "caption", "colgroup", "col")
ODD = (
    *("ruby", "rt", "rp", "rb", "svg", "text", "tspan", "math", "mi", "mtext", "foreignObject", "desc", "metadata"),
    *("select", "option", "optgroup", "template", "object", "video", "audio", "canvas", "datalist", "meter"),
    *("progress", "marquee", "applet", "body", "html", "head", "image", "annotation-xml"),
)
RAW = ("script", "style", "textarea", "title", "noscript", "iframe", "noframes", "noembed", "xmp")
VOID = ("<br>", "<br/>", "</br>", "<hr>", "<img alt=python>", "<input value=python>", "<wbr>", "</p>", "<svg/>", "<rt>")
ATTRIBUTES = (
    *("", "", "", "", " hidden", " hidden=until-found", " HIDDEN=false", " style=display:none", " aria-hidden=true"),
    *(' style="color:red; Display : NONE !important"', " style='visibility:hidden'", " style=display:block"),
    *(' style="display:none;display:block"', " open", " class=python title='py>thon'", " open hidden", " popover"),
)
NONSENSE = (
    "<",
    "</",
    "<!",
    "<?x?>",
    "<!doctype html>",
    "<![CDATA[python]]>",
    "<!-- python",
    "-->",
    "\0",
    "<a <b>",
    "</ >",
)

piece = st.sampled_from(WORDS) | st.sampled_from(SPACES) | st.sampled_from(NO_ROOM) | st.sampled_from(MARKS)
text = st.lists(piece, max_size=6).map("".join)
name = st.sampled_from(INLINE) | st.sampled_from(BLOCK) | st.sampled_from(TABLE) | st.sampled_from(ODD)


@st.composite
def element(draw: st.DrawFn, inside: st.SearchStrategy[str]) -> str:
    """One element, its end tag there or not, or the end tag of another."""
    tag = draw(name)
    start = f"<{tag}{draw(st.sampled_from(ATTRIBUTES))}>"
    end = draw(st.sampled_from([f"</{tag}>", f"</{tag}>", f"</{tag}>", ""]) | name.map("</{}>".format))
    return start + draw(inside) + end


@st.composite
def raw_element(draw: st.DrawFn) -> str:
    tag = draw(st.sampled_from(RAW))
    return f"<{tag}{draw(st.sampled_from(ATTRIBUTES))}>{draw(text)}<b>{draw(text)}</{tag}>"


# justhtml lets no end tag reach out of a dialog, which the HTML Standard and browsers do: so there is only text in it.
dialog = st.builds("<dialog{}>{}</dialog>".format, st.sampled_from(ATTRIBUTES), text)
comment = text.map(lambda said: f"<!--{said}-->")
leaf = text | text | st.sampled_from(VOID) | raw_element() | dialog | comment | st.sampled_from(NONSENSE)
content = st.recursive(leaf, lambda some: st.lists(some | element(some), max_size=4).map("".join), max_leaves=25)
table = st.lists(st.sampled_from(TABLE).map("<{}>".format) | text | st.sampled_from(VOID), max_size=10).map(
    lambda parts: f"<table>{''.join(parts)}</table>"
)
document = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["<!doctype html>", "<!doctype html><html><head><title>python</title></head><body>", "<html>"]),
    content,
    content | table,
    content,
)


@st.composite
def sent(draw: st.DrawFn, html: str) -> tuple[bytes, str | None]:
    """A page as it is sent: its bytes, and its Content-Type."""
    label = draw(st.sampled_from(sorted(MEANINGS)))
    lie = draw(st.sampled_from(sorted(MEANINGS)))
    where = draw(st.sampled_from(["mark", "header", "header", "meta", "equiv", "late", "xml", "nowhere"]))
    codec = MEANINGS[label][1]
    if where not in {"mark", "header"} and codec.startswith("utf-16"):
        codec = "utf-8"  # nobody can read a declaration in UTF-16 without knowing already that it is
    charset = draw(st.sampled_from(['"{}"', "{}", "'{}'"])).format(label)
    start = "<!doctype html>"
    match where:
        case "meta":
            html = f"{start}<!-- <meta charset={lie}> --><META charset={charset}>{html}"
        case "equiv":
            html = f'{start}<meta http-equiv="Content-Type" content="text/html; charset={label}">{html}'
        case "late":
            codec = "utf-8"
            html = f"{start}{' ' * draw(st.integers(960, 1030))}<meta charset={charset}>{html}"
        case "xml":
            html = f'<?xml version="1.0" encoding="{label}"?>{html}'
        case "nowhere":
            codec = "utf-8"
        case _ if draw(st.booleans()):
            html = f"<meta charset={lie}>{html}"
    body = html.encode(codec, "xmlcharrefreplace")
    if where == "mark":
        html = "\ufeff" + html
        codec = draw(st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]))
        html = html.replace("\ufeff", "\ufeff<!doctype html>", 1)  # without a type, the beginning says that it is HTML
        return html.encode(codec), draw(st.sampled_from([None, "text/html", f"text/html; charset={lie}"]))
    plain = draw(st.sampled_from(["text/html"] * 6 + ["text/plain", "application/xhtml+xml", "application/json"]))
    if where == "header":
        return body, f"{plain}; charset={label}"
    return body, draw(st.sampled_from(["text/html", "application/xhtml+xml", "Text/HTML; x=y"]))


@st.composite
def words_of(draw: st.DrawFn, html: str) -> list[str]:
    """Words and phrases that are likely to be on the page, where they should be or where they should not."""
    texts = re.sub(r"<[^>]*>", draw(st.sampled_from(["", "", " "])), html)
    texts = unescape(re.sub(r"[\0\s]+", " ", texts)) or "python"
    words = []
    for _ in range(8):
        start = draw(st.integers(0, max(0, len(texts) - 1)))
        words.append(texts[start : start + draw(st.integers(1, 6))])
    return [*words, *draw(st.lists(st.sampled_from(WORDS), max_size=3))]
