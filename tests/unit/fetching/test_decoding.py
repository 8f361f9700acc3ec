import gzip
import random
import sys
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.fetching.decoding import ContentDecoder
from shared.errors import FetchError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_BYTES = 1_000_000
TEXT = b"Python counts snakes. " * 300
NOISE = random.Random(7).randbytes(MAX_BYTES // 2 + 10).hex().encode()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def quick_brotli(data: bytes) -> bytes:
    packed: bytes = brotli.compress(data, quality=3)
    return packed


PACKERS: dict[str, list[Callable[[bytes], bytes]]] = {
    "gzip": [gzip.compress],
    "deflate": [zlib.compress, raw_deflate],
    "br": [quick_brotli],
    "zstd": [zstd.compress],
    "identity": [bytes],
}
ALL = [(coding, packer) for coding, packers in PACKERS.items() for packer in packers]
PACKED = [case for case in ALL if case[0] != "identity"]


def decode(coding: str, pieces: list[bytes], max_bytes: int = MAX_BYTES) -> bytes:
    decoder = ContentDecoder(coding, max_bytes)
    out = b"".join(part for piece in pieces for part in decoder.feed(piece))
    decoder.finish()
    assert decoder.decoded == len(out)
    assert decoder.received == sum(map(len, pieces))
    return out


def code_of(coding: str, data: bytes, max_bytes: int = MAX_BYTES) -> str:
    with pytest.raises(FetchError) as caught:
        decode(coding, [data], max_bytes)
    return caught.value.code


@given(st.sampled_from(ALL), st.binary(max_size=20_000), st.lists(st.integers(0, 20_000), max_size=8))
def test_any_body_in_any_pieces_comes_out_as_it_went_in(
    case: tuple[str, Callable[[bytes], bytes]], body: bytes, cuts: list[int]
) -> None:
    coding, packer = case
    packed = packer(body)
    edges = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    assert decode(coding, [packed[start:end] for start, end in pairwise(edges)]) == body


@given(st.sampled_from(PACKED), st.binary(max_size=300))
def test_nonsense_raises_nothing_but_fetch_errors(case: tuple[str, Callable[[bytes], bytes]], data: bytes) -> None:
    try:
        decode(case[0], [data])
    except FetchError as error:
        assert error.code == "decompression_failed"  # noqa: PT017 - it may also be a valid stream


@given(st.sampled_from(PACKED), st.data())
def test_a_stream_that_was_cut_is_not_taken_for_a_whole_one(
    case: tuple[str, Callable[[bytes], bytes]], data: st.DataObject
) -> None:
    packed = case[1](TEXT)
    cut = data.draw(st.integers(1, len(packed) - 1))
    assert code_of(case[0], packed[:cut]) == "decompression_failed"


@pytest.mark.parametrize(("coding", "packer"), ALL)
def test_nothing_is_nothing(coding: str, packer: Callable[[bytes], bytes]) -> None:
    assert decode(coding, []) == b""
    assert decode(coding, [packer(b"")]) == b""


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT))),
        ("GZIP , BR", brotli.compress(gzip.compress(TEXT))),
        ("identity, gzip,", gzip.compress(TEXT)),
        ("utf-8", TEXT),
        ("gzip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])),
        ("gzip", gzip.compress(TEXT) + bytes(512)),
        ("gzip", gzip.compress(TEXT) + b"<!-- cached -->"),
        ("gzip", gzip.compress(TEXT) + b"\x1f"),
        ("gzip", gzip.compress(TEXT) + b"-" + gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT) + b"<!-- cached -->"),
        ("zstd", zstd.compress(TEXT[:99]) + zstd.compress(TEXT[99:])),
    ],
)
def test_what_servers_send_besides(coding: str, packed: bytes) -> None:
    assert decode(coding, [packed]) == TEXT
    assert decode(coding, [bytes([byte]) for byte in packed]) == TEXT


@pytest.mark.parametrize("size", [1, 10, 100_000])
def test_anything_after_brotli_is_an_error_however_it_is_cut(size: int) -> None:
    packed = quick_brotli(TEXT) + b"<!-- cached -->"
    with pytest.raises(FetchError, match="decompression_failed"):
        decode("br", [packed[start : start + size] for start in range(0, len(packed), size)])


@pytest.mark.parametrize("coding", ["compress", "gzip2", "gzip, aws-chunked", "gzip, gzip, gzip, gzip, gzip"])
def test_codings_that_nobody_asked_for(coding: str) -> None:
    with pytest.raises(FetchError, match="decompression_failed"):
        ContentDecoder(coding, MAX_BYTES)


@pytest.mark.parametrize(("coding", "packer"), ALL)
def test_the_limit_is_exact(coding: str, packer: Callable[[bytes], bytes]) -> None:
    body = NOISE[:MAX_BYTES]
    assert decode(coding, [packer(body)]) == body
    assert code_of(coding, packer(NOISE[: MAX_BYTES + 1])) == "too_large"


@pytest.mark.parametrize(("coding", "packer"), PACKED)
def test_a_bomb_is_called_one(coding: str, packer: Callable[[bytes], bytes]) -> None:
    assert code_of(coding, packer(bytes(50_000_000))) == "decompression_failed"


def test_a_bomb_in_a_bomb() -> None:
    assert code_of("gzip, gzip", gzip.compress(gzip.compress(bytes(50_000_000)))) == "decompression_failed"


@pytest.mark.parametrize(("coding", "packer"), PACKED)
def test_a_monotonous_page_under_the_limit_is_no_bomb(coding: str, packer: Callable[[bytes], bytes]) -> None:
    body = b"<p>python</p>" * (MAX_BYTES // 13)
    assert decode(coding, [packer(body)]) == body


@pytest.mark.parametrize(("coding", "packer"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_many_streams_in_a_row_are_bounded(coding: str, packer: Callable[[bytes], bytes]) -> None:
    assert decode(coding, [packer(b"") * 9_999 + packer(TEXT)]) == TEXT
    assert code_of(coding, packer(b"") * 10_002) == "decompression_failed"


@pytest.mark.parametrize("packer", [gzip.compress, quick_brotli, zstd.compress, zlib.compress])
def test_what_never_decodes_to_anything_is_bounded_too(packer: Callable[[bytes], bytes]) -> None:
    coding = next(name for name, packers in PACKERS.items() if packer in packers)
    assert code_of(f"gzip, {coding}", packer(gzip.compress(b"") * 100_000)) == "decompression_failed"


@pytest.mark.parametrize(("coding", "packer"), PACKED)
def test_no_step_gives_much_at_once(coding: str, packer: Callable[[bytes], bytes]) -> None:
    """However much a piece grows, whoever decodes it can do something else in between."""
    decoder = ContentDecoder(coding, MAX_BYTES)
    parts = list(decoder.feed(packer(bytes(MAX_BYTES))))
    assert sum(map(len, parts)) == MAX_BYTES
    assert max(map(len, parts)) < 128 * 1024


@pytest.mark.parametrize(("coding", "packer"), PACKED)
def test_codings_on_top_of_each_other_are_undone_in_small_steps_too(
    coding: str, packer: Callable[[bytes], bytes]
) -> None:
    decoder = ContentDecoder(f"gzip, {coding}", MAX_BYTES)
    parts = list(decoder.feed(packer(gzip.compress(bytes(MAX_BYTES)))))
    assert sum(map(len, parts)) == MAX_BYTES
    assert max(map(len, parts)) < 128 * 1024


def test_a_large_zstd_window_is_refused() -> None:
    packer = zstd.ZstdCompressor(options={int(zstd.CompressionParameter.window_log): 27})
    stream = packer.compress(NOISE[:1000]) + packer.flush()
    assert code_of("zstd", stream) == "decompression_failed"
