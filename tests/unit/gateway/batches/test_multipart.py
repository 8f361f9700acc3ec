from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.batches.multipart import MAX_HEAD_BYTES, MAX_PARTS, MultipartReader, Part, boundary_of
from services.gateway.problems import Problem

FORM = (
    b"a preamble that means nothing\r\n--b\r\n"
    b'Content-Disposition: form-data; name="words"\r\n\r\npython;open source\r\n'
    b"--b  \r\n"
    b'content-disposition: form-data; name="file"; filename="C:\\x\\pages \xc3\xbc.csv"\r\n'
    b"Content-Type: text/csv; charset=windows-1252\r\n\r\n"
    b"url\r\n--\r\n--bb is no boundary\r\n"
    b"\r\n--b--\r\nan epilogue\r\n--b\r\n"
)


def read(body: bytes, *cuts: int) -> list[Part | bytes]:
    """What is in a form, cut at these places; contents in one piece for each part."""
    reader = MultipartReader("b")
    found: list[Part | bytes] = []
    for begin, end in pairwise([0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]):
        for each in reader.feed(body[begin:end]):
            if isinstance(each, bytes) and found and isinstance(found[-1], bytes):
                found[-1] += each
            else:
                found.append(each)
    reader.finish()
    return found


EXPECTED = [
    Part(name="words", filename=None, media_type="", charset=None),
    b"python;open source",
    Part(name="file", filename="pages ü.csv", media_type="text/csv", charset="windows-1252"),
    b"url\r\n--\r\n--bb is no boundary\r\n",
]


def test_a_form_as_it_is_sent() -> None:
    body = FORM.replace(b"--bb is", b"--c is")
    assert read(body) == [*EXPECTED[:3], b"url\r\n--\r\n--c is no boundary\r\n"]


@given(st.lists(st.integers(0, len(FORM)), max_size=8))
def test_where_it_is_cut_makes_no_difference(cuts: list[int]) -> None:
    body = FORM.replace(b"--bb is", b"--c is")
    assert read(body, *cuts) == read(body)


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=5))
def test_contents_come_as_they_are(contents: bytes, cuts: list[int]) -> None:
    contents = contents.replace(b"--b", b"")
    body = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + contents + b"\r\n--b--"
    _, *came = read(body, *cuts)
    assert b"".join(each for each in came if isinstance(each, bytes)) == contents


def test_an_empty_file_is_a_part_without_contents() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--b--'
    assert read(body) == [Part(name="file", filename="", media_type="", charset=None)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        FORM[: FORM.index(b"--b--")],
        b"--bx\r\n\r\n--b--",
        b"--b\r\n\r\ncontents\r\n--b--",
        b"--b\r\nContent-Disposition: attachment; name=a\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--",
        b"--b\r\nno header\r\n\r\n\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\r\n--b--',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n--b--',
        b"--b\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * (MAX_PARTS + 1) + b"--b--",
        b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=idna''a.csv\r\n\r\n\r\n--b--",
        b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=u\0f''a.csv\r\n\r\n\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="a"; y="' + b";" * 2_000 + b"\r\n\r\n\r\n--b--",
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read(body)
    assert caught.value.code == "bad_request"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(Problem):
        assert isinstance(read(body), list)


def test_the_boundary_of_a_header() -> None:
    assert boundary_of("multipart/form-data; boundary=----WebKitFormBoundaryx") == "----WebKitFormBoundaryx"
    assert boundary_of('multipart/form-data; charset=utf-8; boundary="a b"') == "a b"
    for header in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
    ):
        with pytest.raises(Problem):
            boundary_of(header)
