"""CSV as it is found in the wild: what spreadsheets write, and what people type."""

import pytest

from services.gateway.uploads.layout import Layout, layout_of
from services.gateway.uploads.records import MAX_RECORD_BYTES
from shared.messages import Question
from shared.urls import normalize
from tests.unit.gateway.uploads.reading import DEFAULTS, read, urls_of

A, B, C = "http://a.example/", "http://b.example/x", "http://c.example/"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", []),
        (b"\n \r\n\n", []),
        (b"url,words\n,,\na.example,x\n,\n", [(2, None), (3, A), (4, None)]),
        (b"url\n", []),
        (b"url\na.example\n\n b.example/x \n", [(2, A), (4, B)]),
        (b"a.example\r\nb.example/x", [(1, A), (2, B)]),
        (b"\r\rURL\r a.example\rb.example/x\r", [(4, A), (5, B)]),
        (b'" Url ",label\na.example,x\n', [(2, A)]),
        (b"\xef\xbb\xbfurl,label\r\na.example,x\r\n", [(2, A)]),
        (b'\xef\xbb\xbf"url"\r\n"a.example"\r\n', [(2, A)]),
        (b"no,date,url\n1,2026-01-01,a.example\n2,,b.example/x\n", [(2, A), (3, B)]),
        (b"url,url\na.example,b.example/x\n", [(2, A)]),
        (b"url;label\na.example;x,y\n", [(2, A)]),
        (b"url\tlabel\na.example\tx, y; z\n", [(2, A)]),
        (b"url|label\na.example|x\n", [(2, A)]),
        (b"sep=;\r\nlabel;url\r\nx;a.example\r\n", [(3, A)]),
        (b'"sep=;"\r\na.example;x\r\n', [(2, A)]),
        (b"SEP=\t\r\n\r\nurl\tlabel\r\na.example\tx\r\n", [(4, A)]),
        ("\ufeffurl\tlabel\r\na.example\t入\r\n".encode("utf-16-le"), [(2, A)]),
        (b"url,Stra\xdfe\na.example,Stra\xdfe 1\n", [(2, A)]),
        (b"url,words,label\na.example\nb.example/x,\nc.example,,,,\n", [(2, A), (3, B), (4, C)]),
        (b",url\n,a.example\nx,b.example/x\n,,\n", [(2, A), (3, B), (4, None)]),
        (b'url,"notes\n(ours)",label\na.example,x,y\n', [(3, A)]),
        (b'url,notes\na.example,"1\n2\r\n\r\n3"\nb.example/x,4\n', [(2, A), (6, B)]),
        (b'url,notes\n"a.example\n","x"\nb.example/x,\n', [(2, A), (4, B)]),
        (b'notes,url\n"a ""b"", c", "a.example" \n', [(2, A)]),
        (b'12" discs,a.example\n', [(1, None)]),
        (b"address,words\na.example,x\n", [(2, A)]),
        (b"a.example,words\n", [(1, A)]),
        (b"words,link\nx,a.example\n", [(2, A)]),
        (b"https://a.example/?x=url,label\n", [(1, "https://a.example/?x=url")]),
    ],
)
def test_layouts(body: bytes, found: list[tuple[int, str | None]]) -> None:
    assert urls_of(read("csv", body)) == found


def test_columns_that_are_ours() -> None:
    body = b"Label,URL,Scope,Words\nteam page,a.example,source,python; open source;;python\n,b.example/x,x,\n"
    team, bare = read("csv", body)
    assert (team.label, team.question) == ("team page", Question(words=("python", "open source")))
    assert (bare.label, bare.question, bare.reason) == (None,) * 3


def test_a_row_is_shown_as_it_was_written() -> None:
    (row,) = read("csv", b'url,label\r\n"a.example" ,"x\r\ny"\r\n')
    assert (row.line, row.text, row.label) == (2, '"a.example" ,"x\ny"', "x\ny")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b",x,y", "The address is empty."),
        (b"a b,x,y", "The address has a blank in the host name."),
        (b"a.example,," + b"x" * 201, "label: Has 201 characters; 200 are the most."),
        (b"a.example,ok;" + b"x" * 201 + b",", "Word 2: Has 201 characters; 200 are the most."),
        ("a.example,\u200b;y\0,z\0".encode(), None),
        (b"javascript:alert(1),x,y", "The address begins with javascript:, and only http: and https: can be fetched."),
    ],
)
def test_what_is_wrong_with_a_row(row: bytes, reason: str | None) -> None:
    bad, good = read("csv", b"url,words,label\n" + row + b"\nb.example/x,,\n")
    assert (bad.url, bad.host, bad.question, bad.label) == (None,) * 4
    assert bad.reason
    assert reason is None or bad.reason == reason
    assert "\0" not in bad.text + bad.reason
    assert (good.line, good.url) == (3, B)


@pytest.mark.parametrize(
    ("rows", "urls"),
    [
        (["http://a.example/"], ["http://a.example/"]),
        (["http://a.example/x,y"], ["http://a.example/x"]),
        (["http://a.example/?ids=1,team page"], ["http://a.example/?ids=1"]),
        (["http://a.example/?q=x,1", "http://b.example/?q=y,2"], ["http://a.example/?q=x", "http://b.example/?q=y"]),
        (["http://a.example/0,1518,1,00.html"], ["http://a.example/0"]),
        (["http://a.example/x", "http://b.example/y,z"], ["http://a.example/x", "http://b.example/y"]),
        (["http://a.example/1,x", "http://a.example/2,x,y,z", "http://a.example/3,"], [A + "1", A + "2", A + "3"]),
        (['"http://a.example/x,y",z'], ["http://a.example/x,y"]),
        (['"http://a.example/x,""y"'], ["http://a.example/x,%22y"]),
        (["http://a.example/x\tone, two"], ["http://a.example/x"]),
        (["a.example;one", "b.example;two, three"], ["http://a.example/", "http://b.example/"]),
        (["http://a.example/x;http://b.example/y"], ["http://a.example/x"]),
        (["http://a.example/x|My page"], ["http://a.example/x"]),
        (["http://a.example/x;one,two"], ["http://a.example/x;one"]),
        (["http://a.example/x;jsessionid=1"], ["http://a.example/x;jsessionid=1"]),
        (["http://a.example/?a=1|b=2"], ["http://a.example/?a=1|b=2"]),
        (
            ["http://a.example/x|y", "http://b.example/z", "http://b.example/"],
            ["http://a.example/x|y", B[:-1] + "z", B[:-1]],
        ),
    ],
)
def test_without_a_header_the_first_column_has_the_addresses(rows: list[str], urls: list[str]) -> None:
    found = read("csv", "\n".join(rows).encode())
    assert urls_of(found) == [(line, normalize(url).url) for line, url in enumerate(urls, 1)]


@pytest.mark.parametrize(
    ("header", "row", "url"),
    [
        (b"url,label", b"a.example,My page,2026", A),  # with a path of its own it might go on in `My page`
        (b"url,label", b"http://a.example/,x,y", A),
        (b"url,label", b'"http://b.example/x",y,z', B),
        (b"url,label", b"http://b.example/x,My page,2026", B),
        (b"url,label", b"http://b.example/x,,y", B),
        (b"url,label", b"http://b.example/x,y,z", None),
        (b"label,url", b"Smith, John,a.example", None),
        (b"label,url", b'"Smith, John",a.example', A),
        (b"url;words;label", b"a.example;x;y;z", None),
        (b"url;words;label", b'a.example;"x;y";z', A),
        (b"url,", b"http://b.example/x,y", None),
        (b"url,,", b"http://b.example/x,,", B),
        (b"url", b"http://b.example/x,y", B + ",y"),
        (b"url", b'"http://b.example/x",y', B),
        (b"url", b'"http://b.example/x,""y"', B + ",%22y"),
    ],
)
def test_rows_of_another_length_are_taken_where_the_address_is_clear(
    header: bytes, row: bytes, url: str | None
) -> None:
    (found,) = read("csv", header + b"\n" + row)
    assert found.url == url
    assert (found.reason is None) is (url is not None)
    if url is None:
        assert "quotes" in str(found.reason)


@pytest.mark.parametrize("header", [b"url,words", b"url;words", b"words,url", b"url,words,label"])
def test_no_cell_too_many_is_dropped_where_words_may_be_in_it(header: bytes) -> None:
    delimiter = next(each for each in (b"\t", b";", b",") if each in header)
    width = header.count(delimiter) + 1
    row = delimiter.join([b"a.example"] * width + [b"java"])
    (found,) = read("csv", header + b"\n" + row)
    assert found.url is None
    assert found.reason is not None
    assert f"The row has {width + 1} cells, the header {width}" in found.reason


@pytest.mark.parametrize("before", [b"", b"\n", b"sep=,\n", b"\n\n\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_are_counted_as_an_editor_does(before: bytes, end: bytes) -> None:
    body = before + b'url,label\n"a.example","x\n\ny"\n\nb.example/x,\n'
    first = before.count(b"\n") + 2
    assert urls_of(read("csv", body.replace(b"\n", end))) == [(first, A), (first + 4, B)]


def test_a_header_may_come_after_any_number_of_blank_lines() -> None:
    assert urls_of(read("csv", b"\n" * 5_000 + b"label,url\n" + b"\n" * 5_000 + b"x,a.example\n")) == [(10_002, A)]


def test_columns_are_known_after_a_bounded_part_of_the_file() -> None:
    rows = [b"http://a.example/%d,x y\n" % number for number in range(10_000)]
    assert layout_of([row.decode().strip() for row in rows[:100]]) == Layout(",")
    found = read("csv", *rows)
    assert len(found) == 10_000
    assert found[-1].url == "http://a.example/9999"


def test_a_line_that_is_too_long() -> None:
    for kind in ("csv", "text", "ndjson"):
        long, good = read(kind, b"x" * (MAX_RECORD_BYTES + 1) + b'\n{"url":"a.example"}\n')
        assert long.reason == "The line has 524,289 bytes; 524,288 are the most."
        assert len(long.text) == 4_097
        assert (good.line, good.url is None) == (2, kind != "ndjson")


def test_the_file_that_they_are_from() -> None:
    for kind in ("csv", "text", "ndjson"):
        (record,) = read(kind, b"a b", file="x/y.csv")
        assert (record.file, record.reason is None) == ("x/y.csv", False)
    (record,) = read("text", b"a.example", file="x")
    assert record.file == "x"


def test_what_is_asked_of_all_is_not_repeated_in_records() -> None:
    (bare,) = read("csv", b"url,words\na.example,\n", defaults=DEFAULTS)
    assert bare.question is None
