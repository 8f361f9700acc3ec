import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import codings
from services.gateway.codings import PIECE_BYTES, Unpacker
from services.gateway.problems import Problem

MAX_BYTES = 10_000


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


@given(st.binary(max_size=200), st.sampled_from(list(PACKERS)))
def test_what_was_packed_is_unpacked(body: bytes, coding: str) -> None:
    assert codings.unpack(PACKERS[coding](body), coding, max_bytes=MAX_BYTES) == body


def test_deflate_may_come_without_its_header() -> None:
    assert codings.unpack(_raw_deflate(b"{}" * 100), "deflate", max_bytes=MAX_BYTES) == b"{}" * 100


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize(("size", "fits"), [(MAX_BYTES, True), (MAX_BYTES + 1, False), (10**8, False)])
def test_no_more_is_unpacked_than_may_be(coding: str, size: int, *, fits: bool) -> None:
    body = PACKERS[coding](bytes(size))
    if fits:
        assert len(codings.unpack(body, coding, max_bytes=MAX_BYTES)) == size
        return
    with pytest.raises(Problem, match="10,000 bytes") as caught:
        codings.unpack(body, coding, max_bytes=MAX_BYTES)
    assert caught.value.code == "body_too_large"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "broken", [lambda _: b"", lambda _: b"{}", lambda body: body[:-1], lambda body: body + b"x", lambda body: body[:12]]
)
def test_what_is_not_what_it_says_is_the_callers_fault(coding: str, broken: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Problem) as caught:
        codings.unpack(broken(PACKERS[coding](b"{}" * 50)), coding, max_bytes=MAX_BYTES)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize(("said", "coding"), [("", ""), ("GZip", "gzip"), (" deflate\t", "deflate")])
def test_known_codings(said: str, coding: str) -> None:
    assert codings.check(said) == coding


@pytest.mark.parametrize("said", ["br", "zstd", "gzip, gzip", "gzip,", "compress", "x" * 500])
def test_unknown_codings(said: str) -> None:
    with pytest.raises(Problem) as caught:
        codings.check(said)
    assert caught.value.code == "unsupported_media_type"
    assert caught.value.all_headers()["Accept-Encoding"] == "gzip, deflate"


def _piecewise(packed: bytes, coding: str, cuts: list[int], *, max_bytes: int = 10**7) -> bytes:
    unpacker = Unpacker(coding, max_bytes=max_bytes)
    found = b""
    for begin, end in pairwise([0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]):
        for piece in unpacker.unpack(packed[begin:end]):
            assert 0 < len(piece) <= PIECE_BYTES or coding == ""
            found += piece
    unpacker.finish()
    return found


@given(st.binary(max_size=2_000), st.sampled_from([1, 100]), st.lists(st.integers(0, 3_000), max_size=6))
def test_a_body_unpacked_piece_by_piece_is_the_same(body: bytes, times: int, cuts: list[int]) -> None:
    body *= times
    raw = zlib.compressobj(wbits=-15)
    for packed, coding in (
        (body, ""),
        (gzip.compress(body), "gzip"),
        (zlib.compress(body), "deflate"),
        (raw.compress(body) + raw.flush(), "deflate"),
    ):
        assert _piecewise(packed, coding, cuts) == body


def test_a_bomb_is_unpacked_no_further_than_it_may_be() -> None:
    packed = gzip.compress(bytes(10**7 + 1))
    with pytest.raises(Problem) as caught:
        _piecewise(packed, "gzip", [])
    assert caught.value.code == "body_too_large"
    assert len(_piecewise(gzip.compress(bytes(10**7)), "gzip", [1])) == 10**7


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_broken_is_refused_piece_by_piece_too(coding: str) -> None:
    good = gzip.compress(b"x" * 100) if coding == "gzip" else zlib.compress(b"x" * 100)
    for packed in (good[:-1], good + b"x", b"nonsense", b"\0" * 50):
        for cuts in ([], [1], [1, 2, 3]):
            with pytest.raises(Problem) as caught:
                _piecewise(packed, coding, cuts)
            assert caught.value.code == "bad_request"
