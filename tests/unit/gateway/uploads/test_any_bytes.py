"""Whatever comes: it is read, nothing is lost, and how it was cut to pieces makes no difference."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.gateway.uploads.formats import Kind
from services.gateway.uploads.records import ReadRecord
from tests.unit.gateway.uploads.reading import read

KINDS: tuple[Kind, ...] = ("csv", "text", "ndjson")
CHARSETS = (None, "utf-8", "windows-1252", "utf-16", "utf-16be", "shift_jis", "iso-2022-jp", "big5", "gbk", "koi8-r")

LIKELY = [
    *(b"\n", b"\r\n", b"\r", b'"', b'""', b",", b";", b"\t", b"|", b" ", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9"),
    *(b"url", b"words", b"label", b"sep=;", b"http://a.example/", b"b.example/x,y", b"python", "é入".encode()),
    *(b'"x\ny"', b',"', b'",', b'{"url":"a.example"}', b'{"url":"a.example","words":["x"],"label":"\\u0000"}', b"{"),
    *(b"[" * 1_200, b"1e999", b"\n\n\n", b"url,words,label\n", b"url;label\n", b"x" * 70_000),
]
BODIES = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(LIKELY), max_size=30).map(b"".join))


def lines_in(body: bytes) -> int:
    """How many lines an editor shows, the last one only where something stands in it."""
    ends = re.findall(rb"\r\n|\r|\n", body)
    return len(ends) + (body[-1:] not in {b"", b"\r", b"\n"})


def check(records: list[ReadRecord]) -> None:
    for record in records:
        assert (record.url is None) == (record.host is None) == (record.reason is not None)
        assert record.reason is None or (record.question is None and record.label is None and record.reason)
        shown = (record.text, record.reason or "", record.label or "", record.url or "")
        assert "\0" not in "".join(shown)
        "".join(shown).encode()  # no half of a pair
        assert record.text.strip()
    assert all(before.line < after.line for before, after in pairwise(records))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, derandomize=True)
@given(body=BODIES, cuts=st.sets(st.integers(0, 400), max_size=12), charset=st.sampled_from(CHARSETS))
@example(body=b"\xff\xfe\x00\xd8", cuts={1, 2, 3}, charset=None)
@example(body=b'url,x\na,"b\nc","d\ne",f"\n"', cuts=set(range(30)), charset=None)
@example(body=b'{"url":' + b"[" * 990 + b"]" * 990 + b"}", cuts=set(), charset=None)
def test_pieces(kind: Kind, body: bytes, cuts: set[int], charset: str | None) -> None:
    whole = read(kind, body, charset=charset)
    check(whole)
    places = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]
    assert read(kind, *(body[start:end] for start, end in pairwise(places)), charset=charset) == whole


@settings(max_examples=100, derandomize=True)
@given(body=BODIES.filter(lambda body: not body.startswith((b"\xff\xfe", b"\xfe\xff"))))
def test_each_line_is_a_record_or_blank(body: bytes) -> None:
    for kind in ("text", "ndjson"):
        records = read(kind, body)
        blank = sum(
            not line.decode(errors="replace").removeprefix("\ufeff").strip()
            for line in re.split(rb"\r\n|\r|\n", body.removeprefix(b"\xef\xbb\xbf"))
        )
        assert len(records) + blank == len(re.split(rb"\r\n|\r|\n", body))


@settings(max_examples=150, derandomize=True)
@given(body=BODIES.filter(lambda body: not body.startswith((b"\xff\xfe", b"\xfe\xff"))))
@example(body=b'url,label\na.example,"x\n\ny"\n\nb.example,"z\n,,\n"\n')
def test_each_line_of_csv_is_in_one_record_or_blank_or_above_them(body: bytes) -> None:
    records = read("csv", body)
    held = {record.line + place for record in records for place in range(record.text.count("\n") + 1)}
    assert len(held) == sum(record.text.count("\n") + 1 for record in records)
    lines = [
        line.decode(errors="replace").removeprefix("\ufeff").strip()
        for line in re.split(rb"\r\n|\r|\n", body.removeprefix(b"\xef\xbb\xbf"))
    ]
    left = [(number, line) for number, line in enumerate(lines, 1) if number not in held and line]
    first = min(held, default=lines_in(body) + 1)
    for number, line in left:
        assert number < first or not re.sub(r'[,;\t| "]', "", line), (number, line)
    above = "".join(line for number, line in left if number < first).casefold()
    assert not above or any(name in above for name in ("url", "words", "label", "sep=")) or not above.strip(',;\t| "')
