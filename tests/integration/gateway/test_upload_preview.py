"""What is shown of an upload before it is one: a part of a page, and nothing is recorded."""

import html
import re
from collections.abc import Mapping

import aiohttp
import pytest

from services.gateway.batches.previewing import LOOKED_AT_BYTES, MAX_BODY_BYTES
from tests.integration.gateway.stack import Stack

BROWSER = {"Accept": "text/html"}
EVIL = "<script>alert('x')</script>"
CSV = "id;URL;Words;label;notes\r\n" + "".join(
    f"{n};example.org/ü{n};snake;café {n};\r\n" if n != 2 else "2;ftp://no/;;;\r\n" for n in range(8)
)


async def _preview(
    stack: Stack,
    *,
    status: int = 200,
    file: tuple[str, bytes] | None = None,
    fields: Mapping[str, str] | None = None,
    **more: str,
) -> str:
    """What the page sends: all of its form, and of the file no more than the beginning."""
    form = aiohttp.FormData(default_to_multipart=True)
    name, content = file or ("", b"")
    form.add_field("file", content, filename=name, content_type="application/octet-stream")
    for field, value in {**(fields or {}), **more}.items():
        form.add_field(field, value)
    async with stack.http.post("/batches/preview", data=form, headers=BROWSER) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.text()


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def _told(page: str) -> str:
    (told,) = re.findall(r'data-told="([^"]*)"', page)
    return html.unescape(told)


def _rows(page: str) -> list[str]:
    return [_text(row) for row in re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL)]


async def test_a_table_is_told_by_its_columns_and_first_lines(door: Stack) -> None:
    page = await _preview(door, file=("pages.CSV", CSV.encode("cp1252")), words="python\r\nopen source", label="mine")
    assert "<html" not in page
    text = _text(page)
    assert "CSV, cells end with a semicolon" in text
    assert "UTF-8; lines that are not, as windows-1252" in text
    assert "address: URL words: Words label: label not read: id, notes" in text
    rows = _rows(page)
    assert rows[0] == "2 http://example.org/%C3%BC0 snake café 0"
    assert [row.split()[0] for row in rows] == ["2", "3", "5", "6", "7"]
    assert _told(page) == "Of 8 lines, 1 can’t be checked."
    assert "line 4 2;ftp://no/;;; The address begins with ftp:, and only http: and https: can be fetched." in text
    assert (await door.get("/api/v1/batches"))["items"] == []


async def test_a_table_without_a_header(door: Stack) -> None:
    page = await _preview(door, file=("pages.csv", b"example.org,x\nexample.net,y\n"))
    assert "No header: the first column has the addresses, and no other is read." in _text(page)
    assert _rows(page) == ["1 http://example.org/ python —", "2 http://example.net/ python —"]


async def test_text_and_what_is_pasted(door: Stack) -> None:
    lines = "bücher.example\r\n\r\nfoo bar\r\nftp://a\r\nftp://b\r\nftp://c\r\n"
    file = ("pages.txt", b"\xff\xfe" + lines.encode("utf-16le"))
    for page, characters in (
        (await _preview(door, file=file, words="a;b;c;d;e"), "UTF-16LE"),
        (await _preview(door, addresses=lines, words="a;b;c;d;e"), "UTF-8"),
    ):
        assert f"plain text, an address a line Characters {characters}" in _text(page)
        assert _rows(page) == ["1 http://xn--bcher-kva.example/ a b c and 2 more —"]
        assert _told(page) == "Of 5 lines, 4 can’t be checked."
        assert len(re.findall(r'<span class="wrong">', page)) == 3
        assert "and 1 more Such lines are kept" in _text(page)


async def test_a_file_goes_before_what_is_pasted(door: Stack) -> None:
    page = await _preview(door, file=("a.txt", b"example.org"), addresses="example.net")
    assert _rows(page) == ["1 http://example.org/ python —"]
    assert "What is pasted is not uploaded as long as there is a file." in _text(page)


async def test_ndjson(door: Stack) -> None:
    content = b'{"url": "example.org", "words": ["a b"], "label": "one"}\n{"url": 1}\nnonsense\n'
    page = await _preview(door, file=("pages.ndjson", content))
    assert _rows(page) == ["1 http://example.org/ a b one"]
    assert "url: Must be a string." in _text(page)
    assert _told(page) == "Of 3 lines, 2 can’t be checked."


async def test_a_zip_is_not_looked_at(door: Stack) -> None:
    page = await _preview(door, file=("pages.zip", b"no zip"))
    assert "there is no preview of one" in _told(page)
    assert _rows(page) == []


async def test_of_a_part_what_its_end_cuts_is_left_out(door: Stack) -> None:
    rows = b"".join(b'example.org/%d,"line\nbreak"\n' % n for n in range(20_000))
    content = (b"url,words\n" + rows)[:LOOKED_AT_BYTES]
    page = await _preview(door, file=("pages.csv", content), size=str(len(rows)))
    assert re.fullmatch(r"The first [0-9,]+ lines can be checked\.", _told(page))
    assert "of the first 64.0 KiB of 5" in _text(page)
    assert "This is a look at the beginning only" in _text(page)
    # One row and a half, of which too little is there to tell the columns by a hundred rows.
    page = await _preview(door, file=("pages.csv", b'url,words\nexample.org,a\nexample.net,"b'), size="1000")
    assert _rows(page) == ["2 http://example.org/ a —"]
    assert _told(page) == "The first 1 line can be checked."
    page = await _preview(door, file=("pages.txt", b"example.org/" + b"x" * 100), size="1000")
    assert _told(page).startswith("The first line does not end within 112 B")


@pytest.mark.parametrize(
    ("name", "content", "fields", "said"),
    [
        ("notes.docx", b"x", {}, "File: Its name has to end in .csv, .txt, .ndjson or .zip."),
        ("empty.csv", b"", {}, "The upload has no lines. There is no line in it. Send at least one address."),
        ("header.csv", b"url,words\n", {}, "The upload has no lines."),
        ("a.txt", b"example.org", {"words": "a;\0"}, "Words: Word 2: Contains the character U+0000."),
        ("a.txt", b"example.org", {"size": str(10**12)}, "The body is too large."),
        ("a.txt", b"example.org", {"else": "x"}, "Else: Unknown field"),
    ],
    ids=["kind", "empty", "header alone", "words", "size", "unknown"],
)
async def test_what_the_upload_would_be_refused_with(
    door: Stack, name: str, content: bytes, fields: dict[str, str], said: str
) -> None:
    page = await _preview(door, file=(name, content), fields=fields)
    assert said in _text(page)
    assert _told(page).startswith(said.split(".", maxsplit=1)[0])


async def test_nonsense_is_shown_as_it_is(door: Stack) -> None:
    noise = bytes(range(256)) * 20
    for name in ("a.csv", "a.txt", "a.ndjson"):
        page = await _preview(door, file=(name, noise))
        assert _told(page).startswith(("None of ", "Of "))
    table = f"{EVIL};url;words\n1;{EVIL};x\n2;example.org;{EVIL}\n".encode()
    page = await _preview(door, file=(f"{EVIL}.csv", table))
    assert EVIL not in page
    assert EVIL in _text(page)


async def test_what_is_no_form_of_this_page(door: Stack) -> None:
    await _preview(door, status=413, file=("pages.txt", b"x" * MAX_BODY_BYTES))
    for data, headers, status in (
        ({"addresses": "example.org"}, {}, 415),
        (b"nothing", {"Content-Type": "multipart/form-data"}, 400),
        (b"", {"Sec-Fetch-Site": "cross-site"}, 403),
        (b"", {"Origin": "http://evil.example"}, 403),
    ):
        async with door.http.post("/batches/preview", data=data, headers=BROWSER | headers) as answer:
            assert (answer.status, answer.content_type) == (status, "text/html")


async def test_its_script_is_loaded_where_the_form_is(door: Stack) -> None:
    for path, loads in (("/batches", True), ("/batches?status=paused", True), ("/", False)):
        async with door.http.get(path, headers=BROWSER) as answer:
            assert ("/upload.js" in await answer.text()) == loads
