"""Bodies made to be too much for whoever reads them. Each has `python` on it, where the parser leaves that as text."""

from collections.abc import Callable

MIB = 2**20


def fill(piece: str | bytes, size: int, start: str = "") -> bytes:
    """A body of about so many bytes: one piece over and over, and `python` before and after it."""
    unit = piece if isinstance(piece, bytes) else piece.encode()
    return b"python " + start.encode() + unit * (size // len(unit)) + b" python"


REPEATED: dict[str, str | bytes] = {
    "nested div": "<div>",
    "nested lists": "<ul><li>",
    "nested tables": "<table><tr><td>",
    "tables with text where none may be": "<table>x<b>",
    "nested svg": "<svg><g>",
    "svg and html in turn": "<svg><foreignObject>",
    "nested math": "<math><mi><mtext>",
    "nested ruby": "<ruby><rt>",
    "nested templates": "<template>",
    "nested pre": "<pre>",
    "links in blocks": "<a><div>",
    "formatting over blocks": "<b><p></b>",
    "adoption agency": "<a><div><i></a>",
    "paragraphs": "<p>a</p>",
    "selects": "<select><option>x",
    "framesets": "<frameset>",
    "hidden elements": '<i style="display:none">x</i>',
    "entities": "&amp;&lt;&CounterClockwiseContourIntegral;",
    "ampersands": "&",
    "less-than signs": "<",
    "ends of nothing": "</",
    "beginnings of comments": "<!--",
    "beginnings of declarations": "<!",
    "CDATA": "<![CDATA[",
    "scripts in comments in scripts": "<script><!--<script>",
    "plaintext": "<plaintext><p>x",
    "NUL": "\0",
    "white space": " \n\t\r",
    "one line of words": "python ",
    "marks": "\u0301\u0327",
    "characters that become eighteen": "\ufdfa",
    "characters that fold to three": "\u0390\u03b0",
    "characters that take no room": "p\u00ad\u200b",
    "all bytes that are no ASCII": bytes(range(128, 256)),
    "half characters of Shift_JIS": b"\x81 \xff",
    "half characters of GB 18030": b"\x81\x30\x81 \xff",
    "escapes of ISO-2022-JP": b"\x1b$B\x1b(B",
}

CHARSETS = {
    "half characters of Shift_JIS": "shift_jis",
    "half characters of GB 18030": "gb18030",
    "escapes of ISO-2022-JP": "iso-2022-jp",
}

SINGLE: dict[str, Callable[[int], bytes]] = {
    "one attribute": lambda size: b'<p title="' + b"x" * size + b'">python',
    "an attribute without an end": lambda size: b'python<p title="' + b"x" * size,
    "many attributes": lambda size: b"<p " + b" ".join(b"a%d" % n for n in range(size // 8)) + b">python",
    "many classes": lambda size: b'<p class="' + b" ".join(b"c%d" % n for n in range(size // 8)) + b'">python',
    "a number of many digits": lambda size: b"python &#" + b"9" * size,
    "a long style": lambda size: b'<p style="' + b"display:none;" * (size // 13) + b'">python',
    "a long title": lambda size: b"<title>" + b"a " * (size // 2) + b"</title>python",
    "formatting left open": lambda size: (
        b"<p>" + b"".join(b"<b a=%d>" % n for n in range(size // 700)) + b"<p>x" * (size // 260)
    ),
    "lone surrogates": lambda size: b"\xff\xfe" + b"\x00\xd8" * (size // 2) + " python".encode("utf-16-le"),
}


def body_of(name: str, size: int) -> bytes:
    """The body of that name, of about so many bytes."""
    return SINGLE[name](size) if name in SINGLE else fill(REPEATED[name], size)
