"""Which characters the bytes of a page are, by the letter of docs/counting.md: slowly, and only where it is declared.

Knows no label but those that the generated pages use, and none of the code under test.
"""

import re

MEANINGS = {  # label: (name in the Encoding Standard, codec of Python that reads the generated characters as it does)
    "utf-8": ("utf-8", "utf-8"),
    "UTF8": ("utf-8", "utf-8"),
    "iso-8859-1": ("windows-1252", "cp1252"),
    "windows-1251": ("windows-1251", "cp1251"),
    "koi8-r": ("koi8-r", "koi8-r"),
    "latin2": ("iso-8859-2", "iso8859-2"),
    "Shift_JIS": ("shift_jis", "cp932"),
    "euc-jp": ("euc-jp", "euc_jp"),
    "gb2312": ("gbk", "gb18030"),
    "big5": ("big5", "big5hkscs"),
    "ks_c_5601-1987": ("euc-kr", "cp949"),
    "utf-16": ("utf-16le", "utf-16-le"),
    "utf-16be": ("utf-16be", "utf-16-be"),
}
BY_LABEL = {label.lower(): meaning for label, meaning in MEANINGS.items()}
MARKS = {
    b"\xef\xbb\xbf": ("utf-8", "utf-8"),
    b"\xfe\xff": ("utf-16be", "utf-16-be"),
    b"\xff\xfe": ("utf-16le", "utf-16-le"),
}
SPACE = "[\t\n\f\r ]*"


def characters(body: bytes, content_type: str | None) -> tuple[str, str] | None:
    """The encoding's name and the text; None where the rule leaves it to a guess."""
    for mark, (name, codec) in MARKS.items():
        if body.startswith(mark):
            return name, body[len(mark) :].decode(codec, "replace")
    meaning = in_header(content_type) or (in_document(body) if is_html(content_type) else in_xml(body))
    if meaning is None:
        try:
            return "utf-8", body.decode("utf-8")
        except UnicodeDecodeError:
            return None
    name, codec = meaning
    return name, body.decode(codec, "replace")


def is_html(content_type: str | None) -> bool:
    if content_type is None:  # generated pages without a type begin as HTML does
        return True
    return content_type.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}


def in_header(content_type: str | None) -> tuple[str, str] | None:
    found = re.search(r"""charset=["']?([\w.:-]+)""", content_type or "", re.IGNORECASE)
    return BY_LABEL.get(found[1].lower()) if found else None


def in_document(body: bytes) -> tuple[str, str] | None:
    start = body[:1024].decode("latin-1")
    start = re.sub(r"<!--.*?-->", "", start, flags=re.DOTALL)
    for tag in re.findall(r"<meta[\s/][^>]*>", start, flags=re.IGNORECASE):
        meaning = BY_LABEL.get(label_of(tag).lower())
        if meaning:
            return BY_LABEL["utf-8"] if meaning[0].startswith("utf-16") else meaning
    return in_xml(body)


def label_of(tag: str) -> str:
    plain = re.search(rf"""\scharset{SPACE}={SPACE}["']?([^\s"'>]+)""", tag, re.IGNORECASE)
    told = re.search(r"""http-equiv=["']?content-type["'\s/>]""", tag, re.IGNORECASE)
    nested = re.search(r"""content="[^"]*charset=([^\s";]+)""", tag, re.IGNORECASE)
    if nested and told:
        return nested[1]
    return plain[1] if plain and not nested else ""


def in_xml(body: bytes) -> tuple[str, str] | None:
    found = re.match(rb"""<\?xml [^>]*?encoding=["']([\w.:-]+)["']""", body)
    meaning = BY_LABEL.get(found[1].decode().lower()) if found else None
    return BY_LABEL["utf-8"] if meaning and meaning[0].startswith("utf-16") else meaning
