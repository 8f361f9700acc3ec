"""Who decides about the encoding: each pair of declarations that contradict each other, and each alone."""

from itertools import product

import pytest

from services.fetcher.counting.decoding import decode
from services.fetcher.counting.kinds import Kind

MARKS = {None: b"", "utf-8": b"\xef\xbb\xbf", "utf-16le": b"\xff\xfe", "utf-16be": b"\xfe\xff"}
HEADERS = {None: "text/html", "koi8-r": "text/html; charset=KOI8-R", "utf-16be": "text/html;charset=utf-16be"}
METAS = {
    None: "",
    "windows-1251": "<meta charset=cp1251>",
    "big5": '<meta http-equiv="Content-Type" content="text/html; charset=big5">',
    "utf-8": "<meta charset=utf-16>",
}
DECLARATIONS = {None: "", "euc-kr": '<?xml version="1.0" encoding="euc-kr"?>'}
TEXTS = {None: b"caf\xe9 \xe9t\xe9", "utf-8": "café".encode()}


@pytest.mark.parametrize(
    ("mark", "header", "meta", "xml", "text"), list(product(MARKS, HEADERS, METAS, DECLARATIONS, TEXTS)), ids=str
)
def test_the_first_of_them_decides(
    mark: str | None, header: str | None, meta: str | None, xml: str | None, text: str | None
) -> None:
    codec = mark if mark and mark.startswith("utf-16") else "ascii"
    body = MARKS[mark] + (DECLARATIONS[xml] + METAS[meta]).encode(codec) + TEXTS[text]

    found = decode(body, HEADERS[header], Kind.HTML)

    assert found.encoding == (mark or header or meta or xml or text or "windows-1252")
    assert not found.text.startswith("\ufeff")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_xml_in_utf_16_is_known_by_its_first_bytes(codec: str) -> None:
    body = '<?xml version="1.0"?><p>é'.encode(codec)
    assert decode(body, "text/html", Kind.HTML).text == '<?xml version="1.0"?><p>é'


@pytest.mark.parametrize("content_type", ["text/html; charset=", "text/html; charset=nonsense", "text/html; charset"])
def test_what_names_no_encoding_is_passed_over(content_type: str) -> None:
    assert decode(b"<meta charset=none><meta charset=big5>", content_type, Kind.HTML).encoding == "big5"
