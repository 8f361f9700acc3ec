import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fetcher.counting.decoding import Decoded, decode
from services.fetcher.counting.encodings import decode_as, encoding_of
from services.fetcher.counting.kinds import Kind
from services.fetcher.counting.prescan import declared_by_meta

HTML = "text/html"


def encoding(body: bytes, content_type: str | None = HTML, kind: Kind = Kind.HTML) -> str:
    return decode(body, content_type, kind).encoding


def test_byte_order_mark_beats_everything_and_is_not_text() -> None:
    meta = "<meta charset=windows-1251>é"
    for codec, name in (("utf-8", "utf-8"), ("utf-16-le", "utf-16le"), ("utf-16-be", "utf-16be")):
        decoded = decode(("\ufeff" + meta).encode(codec), "text/html; charset=koi8-r", Kind.HTML)
        assert (decoded.encoding, decoded.text) == (name, meta)


def test_header_beats_meta() -> None:
    decoded = decode("<meta charset=koi8-r>é".encode(), "text/html; charset=UTF8", Kind.HTML)
    assert (decoded.encoding, decoded.text[-1]) == ("utf-8", "é")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/html; charset=utf-8", "utf-8"),
        ('text/html;charset="iso-8859-1"', "windows-1252"),
        ("text/html; charset='gbk'", "gbk"),
        ("text/html;CHARSET=Shift_JIS ;x=y", "shift_jis"),
        ("text/html; charset=utf-16", "utf-16le"),
    ],
)
def test_charset_of_the_header(header: str, expected: str) -> None:
    assert encoding(b"\x41", header) == expected


def test_unknown_charset_of_the_header_is_passed_over() -> None:
    assert encoding(b"<meta charset=koi8-r>", "text/html; charset=nonsense") == "koi8-r"


def test_meta_beats_valid_utf_8() -> None:
    assert encoding("<meta charset=windows-1251>é".encode()) == "windows-1251"


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_utf_8_with_its_last_character_cut_is_utf_8(cut: int) -> None:
    whole = "Größe 🐍".encode()
    assert decode(whole[:-cut], "text/html", Kind.HTML) == Decoded("Größe \ufffd", "utf-8")


def test_a_last_byte_that_might_begin_utf_8_says_nothing() -> None:
    assert decode(b"caf\xe9", "text/html", Kind.HTML) == Decoded("café", "windows-1252")


def test_valid_utf_8_beats_a_guess() -> None:
    assert encoding("<p>Привет".encode()) == "utf-8"
    assert encoding(b"<p>plain") == "utf-8"


@pytest.mark.parametrize(
    ("codec", "name", "text"),
    [
        ("cp1251", "windows-1251", "Привет мир, это тестовая страница на русском языке"),
        ("koi8-r", "koi8-r", "Привет мир, это тестовая страница на русском языке"),
        ("cp932", "shift_jis", "日本語のページです。これはテストです。カタカナも"),
        ("euc_jp", "euc-jp", "日本語のページです。これはテストです。カタカナも"),
        ("gb18030", "gb18030", "中文网页，这是一个测试。我们使用简体中文。"),
        ("big5", "big5", "中文網頁，這是一個測試。我們使用繁體中文。"),
        ("cp949", "euc-kr", "한국어 페이지입니다. 이것은 테스트입니다."),
        ("cp1253", "windows-1253", "Καλημέρα κόσμε, αυτή είναι μια δοκιμή"),
        ("cp1252", "windows-1252", "L’été dernier, nous étions à la plage et c’était très agréable, né à Nîmes"),
        ("cp1252", "windows-1252", "café"),
        ("cp1250", "windows-1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
    ],
)
def test_guess_then_windows_1252(codec: str, name: str, text: str) -> None:
    decoded = decode(f"<html><p>{text}</p>".encode(codec), HTML, Kind.HTML)
    assert (decoded.encoding, decoded.text) == (name, f"<html><p>{text}</p>")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<meta charset=koi8-r>", "koi8-r"),
        ("<META CHARSET = 'Shift_JIS' />", "shift_jis"),
        ('<meta name=x><meta http-equiv="Content-Type" content="text/html; charset=big5">', "big5"),
        ("<meta content='text/html; charset=\"euc-kr\"' http-equiv=content-type>", "euc-kr"),
        ("<meta content='text/html; charset=big5'>", None),
        ("<meta http-equiv=refresh content='0; charset=big5'>", None),
        ("<!-- <meta charset=big5> --><meta charset=koi8-r>", "koi8-r"),
        ("<!--><meta charset=big5>", "big5"),
        ("<p title='<meta charset=big5>'><meta charset=koi8-r>", "koi8-r"),
        ("<!doctype html><?x <y?><meta charset=big5>", "big5"),
        ("<metadata charset=big5>", None),
        ("<meta charset=utf-16>", "utf-8"),
        ("<meta charset=utf-16be>", "utf-8"),
        ("<meta charset=x-user-defined>", "windows-1252"),
        ("<meta charset=nonsense><meta charset=koi8-r>", "koi8-r"),
        ("<meta charset=koi8-r charset=big5>", "koi8-r"),
        ("<meta charset=big5", None),
        ("<meta charset='big5", None),
        ("<?xml version='1.0' encoding='koi8-r'?><html>", "koi8-r"),
        ("<a b=c/><meta charset=big5>", "big5"),
        ("</p x='>'><meta charset=big5>", "big5"),
        (" " * 1_003 + "<meta charset=big5>", "big5"),
        (" " * 1_010 + "<meta charset=big5>", None),
    ],
)
def test_prescan(html: str, expected: str | None) -> None:
    assert declared_by_meta((html + " " * 1_100 if expected != "big5" else html + "x" * 1_100).encode()) == expected


def test_xml_declaration_counts_in_plain_xml_and_meta_does_not() -> None:
    assert encoding(b"<?xml version='1.0' encoding=\"koi8-r\"?><x/>", "application/xml", Kind.PLAIN) == "koi8-r"
    assert encoding(b"<meta charset=koi8-r>", "text/plain", Kind.PLAIN) == "utf-8"
    assert encoding("<?xml version='1.0'?>".encode("utf-16-le"), "text/html") == "utf-16le"


@pytest.mark.parametrize(
    ("label", "body", "text"),
    [
        ("iso-8859-1", b"\x80\x93\x81", "€“\x81"),
        ("us-ascii", b"\xe9", "é"),
        ("iso-8859-9", b"\xf0\x80", "ğ€"),
        ("tis-620", b"\xe4\x80\x81\xdb", "ไ€\x81\ufffd"),
        ("iso-8859-11", b"\xe4", "ไ"),
        ("windows-1255", b"\xca\xd9", "\u05ba\ufffd"),
        ("windows-1253", b"\xd2\x81", "\ufffd\x81"),
        ("iso-8859-8-i", b"\xe0", "א"),
        ("koi8-u", b"\xae\xbe\xa4", "ўЎє"),
        ("macintosh", b"\x8e\xdb", "é€"),
        ("x-mac-cyrillic", b"\xa2\xff", "Ґ€"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("hz-gb-2312", b"abc", "\ufffd"),
        ("gb2312", "镕€".encode("gb18030"), "镕€"),
        ("gbk", b"\xa6\xd9\xa8\xbc\x81\x30\x81\x30", "︐ḿ\x80"),
        ("shift_jis", "①～髙".encode("cp932") + b"\xa0\x80", "①～髙\ufffd\x80"),
        ("shift_jis", b"\x81 \x81<b>", "\ufffd \ufffd<b>"),
        ("euc-jp", b"\xad\xa1\xa1\xc1\xfc\xe2\x8f\xb0\xa1", "①～髙丂"),
        ("euc-jp", b"\xa9\xa1a\xa1<", "\ufffda\ufffd<"),
        ("iso-2022-jp", b"\x1b$B\x46\x7c\x4b\x5c\x1b(B \x1b(I1\x1b(B", "日本 ｱ"),
        ("big5", b"\xa3\xe1\xa1\x45\x88\x62", "€‧Ê̄"),
        ("euc-kr", b"\x81\x41\xb0\xa1\xff", "갂가\ufffd"),
        ("utf-8", b"\xe2\x82\xf0\x9f\x98 \xff", "\ufffd\ufffd \ufffd"),
        ("utf-16be", b"\x00a\xd8\x00\x00b\x00", "a\ufffdb\ufffd"),
    ],
)
def test_labels_mean_what_the_encoding_standard_says(label: str, body: bytes, text: str) -> None:
    name = encoding_of(label)
    assert name is not None
    assert decode_as(body, name) == text


LABELS = (
    "utf-8 utf-16 utf-16be windows-1252 windows-874 koi8-u shift_jis euc-jp iso-2022-jp euc-kr big5 gbk gb18030 "
    "replacement x-user-defined macintosh"
)


@settings(max_examples=500)
@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"<", b"meta", b" charset=", b"'", b">", b"\x1b$B", b"\x81"])).map(b"".join),
    st.none() | st.text(max_size=30) | st.sampled_from(LABELS.split()).map("text/html; charset={}".format),
    st.sampled_from(Kind),
)
def test_decoding_never_fails(body: bytes, content_type: str | None, kind: Kind) -> None:
    decoded = decode(body, content_type, kind)

    assert encoding_of(decoded.encoding) == decoded.encoding
    assert decoded.text.isascii() or decoded.text.encode("utf-8")  # no lone surrogates
