"""The beginning of an upload, looked at by itself: what its end cuts is not judged."""

import pytest

from services.gateway.uploads.csv_records import CsvReader
from services.gateway.uploads.formats import Kind, reader
from services.gateway.uploads.layout import layout_of
from tests.unit.gateway.uploads.reading import DEFAULTS, urls_of

A = "http://a.example/"


@pytest.mark.parametrize(
    ("kind", "part", "found"),
    [
        ("text", b"a.example\nb.exam", [(1, A)]),
        ("text", b"a.exam", []),
        ("ndjson", b'{"url": "a.example"}\n{"url": "b.ex', [(1, A)]),
        ("csv", b"url,words\na.example,x\nb.example,y", [(2, A)]),
        ("csv", b'url,words\na.example,x\nb.example,"y\nz', [(2, A)]),
        ("csv", b"url,wor", []),
        ("csv", b"", []),
    ],
)
def test_what_is_complete_in_a_part(kind: Kind, part: bytes, found: list[tuple[int, str]]) -> None:
    reading = reader(kind, DEFAULTS)
    assert urls_of([*reading.feed(part), *reading.pause()]) == found


def test_the_columns_of_a_part_are_known() -> None:
    reading = reader("csv", DEFAULTS)
    assert isinstance(reading, CsvReader)
    assert list(reading.feed(b" Id ;URL;;\n1;a.example\n2;")) == []
    assert len(list(reading.pause())) == 1
    assert reading.layout is not None
    assert (reading.layout.delimiter, reading.layout.url, reading.layout.names) == (";", 1, ("Id", "URL"))
    assert layout_of(["a.example;x"]).names == ()
