from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.problems import Problem
from services.gateway.uploads.lines import Line, Lines
from services.gateway.uploads.records import MAX_RECORD_BYTES, SHOWN_CHARS


def lines_of(*pieces: bytes, charset: str | None = None) -> list[Line]:
    lines = Lines(charset)
    found = [line for piece in pieces for line in lines.feed(piece)]
    found.extend(lines.finish())
    return found


def texts_of(*pieces: bytes, charset: str | None = None) -> list[str]:
    return [line.text for line in lines_of(*pieces, charset=charset)]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\r", ["a", "b"]),
        (b"a\n\nb\r\n\r\nc\r\rd", ["a", "", "b", "", "c", "", "d"]),
        (b"\n", [""]),
        (b"\r\r\n\n", ["", "", ""]),
        ("a\u2028b\x0bc\x85d\x1ce".encode(), ["a\u2028b\x0bc\x85d\x1ce"]),  # no ends of lines to any other program
    ],
)
def test_what_ends_a_line(body: bytes, texts: list[str]) -> None:
    found = lines_of(body)
    assert [line.text for line in found] == texts
    assert [line.number for line in found] == list(range(1, len(texts) + 1))
    assert texts_of(*(body[place : place + 1] for place in range(len(body)))) == texts


@pytest.mark.parametrize(
    ("body", "charset", "texts"),
    [
        ("é\n入".encode(), None, ["é", "入"]),
        ("é\n入".encode(), "windows-1252", ["é", "入"]),  # what is UTF-8 is hardly anything else
        (b"\xe9\n\xc3\xa9\n\x81\x80", None, ["é", "é", "\x81€"]),  # glued together of two files
        (b"\xe9\n\x81", "utf-8", ["é", "\x81"]),
        (b"\xe9", "iso-8859-1", ["é"]),
        (b"\x80", "ISO-8859-1", ["€"]),  # as browsers have it
        (b"\x80", ' "latin1" ', ["€"]),
        (b"\xef\xee", "koi8-r", ["ОН"]),
        (b"\x93\xfa\x96{|\n\x93\xfa", "shift_jis", ["日本|", "日"]),
        (b"\x81\na", "shift_jis", ["�", "a"]),
        ("🂡".encode("gb18030"), "gb2312", ["🂡"]),
        ("日本\nx".encode("iso-2022-jp"), "iso-2022-jp", ["日本", "x"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n\xef\xbb\xbf", None, ["a", "b", ""]),
        (b"\xef\xbb\xbf\xc3\xa9", "utf-16le", ["é"]),
        ("\ufeffé\r\n入\r".encode("utf-16-le"), None, ["é", "入"]),
        ("\ufeffé\r\n入\r".encode("utf-16-be"), "windows-1252", ["é", "入"]),
        ("\ufeffé".encode("utf-16-be"), "utf-16le", ["é"]),
        ("ऊ\n\u0a0d".encode("utf-16-be"), "utf-16be", ["ऊ", "\u0a0d"]),  # bytes of LF and CR that are no such thing
        ("é".encode("utf-16-le"), "utf-16", ["é"]),
        (b"\xff\xfea\0\x00\xd8b\0c", None, ["a�b�"]),  # half a pair, half a character
        (b"a\0\n\0", None, ["a\0", "\0"]),
        (b"\xff\xfe", None, []),
        (b"\xef\xbb", None, ["ï»"]),
    ],
)
def test_charsets(body: bytes, charset: str | None, texts: list[str]) -> None:
    assert texts_of(body, charset=charset) == texts
    assert texts_of(*(body[place : place + 1] for place in range(len(body))), charset=charset) == texts


@pytest.mark.parametrize("charset", ["x", "utf-7", "utf-32", "rot13", "hz-gb-2312", "é", "\udc80", "a" * 1000])
def test_charsets_that_nobody_knows(charset: str) -> None:
    with pytest.raises(Problem, match="charset") as caught:
        Lines(charset)
    assert caught.value.code == "unsupported_media_type"
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_longest_line_that_is_read(end: bytes) -> None:
    longest = b"x" * MAX_RECORD_BYTES
    assert lines_of(longest + end) == [(1, longest.decode(), 0)]
    found = lines_of(b"a\n" + longest + b"y" + end + b"b")
    if end:
        *found, last = found
        assert (last.number, last.text) == (3, "b")
    size = MAX_RECORD_BYTES + (1 if end else 2)
    assert found == [(1, "a", 0), (2, "x" * SHOWN_CHARS + "…", size)]


@pytest.mark.parametrize("character", ["é", "入", "🂡"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_that_is_too_long_is_cut_between_characters(character: str, encoding: str) -> None:
    body = ("a" + character * MAX_RECORD_BYTES).encode(encoding)
    (line,) = lines_of(body)
    assert line.text == "a" + character * (SHOWN_CHARS - 1) + "…"
    assert line.too_long == 1 + MAX_RECORD_BYTES * len(character.encode())
    assert f"{line.too_long:,}" in line.complaint
    assert lines_of(*(body[place : place + 999] for place in range(0, len(body), 999))) == [line]


def test_what_is_kept_of_a_line_that_does_not_end_is_bounded() -> None:
    lines = Lines()
    block = b"\xe9" * 50_000
    for _ in range(400):
        assert list(lines.feed(block)) == []
        assert sum(map(len, lines._open)) <= MAX_RECORD_BYTES + len(block)
    (line,) = lines.finish()
    assert (line.text, line.too_long) == ("é" * SHOWN_CHARS + "…", 20_000_000)


@given(
    st.lists(st.sampled_from([b"a", b"\xe9", b"\xc3\xa9", b"\r", b"\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\0"])),
    st.sets(st.integers(0, 40)),
    st.sampled_from([None, "utf-16le", "iso-2022-jp", "shift_jis", "utf-8"]),
)
def test_where_a_body_is_cut_makes_no_difference(parts: list[bytes], cuts: set[int], charset: str | None) -> None:
    body = b"".join(parts)
    places = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    pieces = [body[start:end] for start, end in pairwise(places)]
    assert lines_of(*pieces, charset=charset) == lines_of(body, charset=charset)


@pytest.mark.parametrize(
    ("body", "charset", "encodings"),
    [
        (b"a\nb", None, ("utf-8",)),
        ("ü\n".encode(), "iso-8859-2", ("utf-8",)),
        (b"a\n\xfc\n", None, ("utf-8", "windows-1252")),
        (b"a\n\xfc\n", "iso-8859-2", ("utf-8", "iso-8859-2")),
        (b"\xff\xfea\0\n\0", None, ("utf-16le",)),
    ],
)
def test_it_is_known_how_lines_were_read(body: bytes, charset: str | None, encodings: tuple[str, ...]) -> None:
    lines = Lines(charset)
    assert list(lines.feed(body))
    assert lines.encodings == encodings
