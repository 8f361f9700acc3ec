"""Pages whose characters have to be found out; each has the word once or twice, if it is read right."""

from __future__ import annotations

from typing import Final

from deploy.lab.hazard import Group, Hazard
from deploy.lab.wire import answer

_FRENCH: Final = "Un café, un garçon."
_RUSSIAN: Final = (
    "Питон — это змея, а ещё питон — это язык программирования. Его придумали давно, и теперь на нём пишут "
    "почти всё: сайты, игры, научные программы и маленькие помощники на каждый день."
)
_JAPANESE: Final = "ニシキヘビは大きな蛇です。日本語のページをシフトJISで書きました。"
_CHINESE: Final = "蟒蛇是一种很大的蛇。这个网页是用国标编码写的。"


def _page(text: str, meta: str = "") -> str:
    declared = f'<meta charset="{meta}">' if meta else ""
    return f"<!DOCTYPE html><html>{declared}<title>A page of the lab</title><body><p>{text}</p>"


def _charset(at: str, does: str, expects: dict[str, int], body: bytes, content_type: str = "text/html") -> Hazard:
    return Hazard(f"/charset/{at}", does, expects, answer(body, headers={"Content-Type": content_type}))


CHARSETS: Final = Group(
    "Characters",
    (
        _charset(
            "header",
            "the header beats a meta that lies",
            {"café": 1},
            _page(_FRENCH, "koi8-r").encode(),
            "text/html; charset=utf-8",
        ),
        _charset(
            "bom",
            "a BOM beats the header",
            {"café": 1},
            b"\xef\xbb\xbf" + _page(_FRENCH).encode(),
            "text/html; charset=windows-1252",
        ),
        _charset("meta", "Shift_JIS, by its meta", {"ニシキヘビ": 1}, _page(_JAPANESE, "shift_jis").encode("cp932")),
        _charset("gb2312", "says gb2312 and means gb18030", {"蟒蛇": 1}, _page(_CHINESE, "gb2312").encode("gb18030")),
        _charset(
            "latin",
            "says iso-8859-1 and means windows-1252",
            {"“café”": 1},
            _page(_FRENCH.replace("café", "“café”"), "iso-8859-1").encode("cp1252"),
        ),
        _charset("utf-16", "UTF-16 with a BOM", {"café": 1}, _page(_FRENCH).encode("utf-16")),
        _charset(
            "utf-16-bare",
            "UTF-16, by its header alone",
            {"café": 1},
            _page(_FRENCH).encode("utf-16-le"),
            "text/html; charset=utf-16le",
        ),
        _charset(
            "meta-utf-16",
            "its meta says UTF-16, and is ASCII: so it is UTF-8",
            {"café": 1},
            _page(_FRENCH, "utf-16").encode(),
        ),
        _charset("iso-2022-jp", "ISO-2022-JP", {"ニシキヘビ": 1}, _page(_JAPANESE, "iso-2022-jp").encode("iso2022_jp")),
        _charset("undeclared", "windows-1251, and nobody says so", {"питон": 2}, _page(_RUSSIAN).encode("cp1251")),
        _charset(
            "unknown",
            "a charset that there is not",
            {"café": 1},
            _page(_FRENCH, "x-none").encode(),
            "text/html; charset=x-none",
        ),
        _charset("cut", "ends within a character", {"café": 1}, _page(_FRENCH, "utf-8").encode() + "é".encode()[:1]),
    ),
)
