"""Bodies that end too soon or never, are compressed to harm, or hold no text."""

from __future__ import annotations

import asyncio
import gzip
import sys
import zlib
from functools import cache
from typing import Final

import brotli  # type: ignore[import-untyped]

from deploy.lab.hazard import ONE_PYTHON, Group, Hazard
from deploy.lab.visit import Visit
from deploy.lab.wire import HTML, answer, head, page

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PAGE: Final = page().encode()
_TEXT: Final = page("Python " * 3_000).encode()
_CHUNKED: Final = {"Content-Type": HTML, "Transfer-Encoding": "chunked"}
_NO_LENGTH: Final = {"Content-Length": None}
_PDF: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n(python)\n"
_JSON: Final = "application/json"
_PLAIN: Final = {"Content-Type": "text/plain; charset=utf-8"}
_CUT: Final = answer(_PAGE, headers={"Content-Length": "100000"})
_CUT_CHUNK: Final = head(_CHUNKED) + b"1000\r\n" + _PAGE
_NO_LAST_CHUNK: Final = head(_CHUNKED) + f"{len(_PAGE):x}\r\n".encode() + _PAGE + b"\r\n"
_PNG: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"


def _coded(data: bytes, coding: str) -> bytes:
    return answer(data, headers={"Content-Encoding": coding})


def _unnamed(data: bytes) -> bytes:
    return answer(data, headers={"Content-Type": None})


@cache
def _bomb(coding: str) -> bytes:
    """So many zeros, compressed; made when it is asked for first."""
    zeros = bytes(16 * 2**20)
    match coding:
        case "gzip":
            data = gzip.compress(zeros, 9, mtime=0)
        case "deflate":
            data = zlib.compress(zeros, 9)
        case "br":
            data = brotli.compress(zeros, quality=5)
        case "zstd":
            data = zstd.compress(zeros)
        case _:
            data = gzip.compress(gzip.compress(zeros, 9, mtime=0), 9, mtime=0)
    return _coded(data, coding)


def _bomb_of(name: str, coding: str) -> Hazard:
    return Hazard(
        f"/bomb/{name}", f"16 MiB of nothing, packed small: {coding}", "decompression_failed", lambda _: _bomb(coding)
    )


async def _endless(visit: Visit) -> None:
    await visit.send(head({"Content-Type": HTML}))
    while True:
        await visit.send(b"python " * 9_000)


async def _endless_chunks(visit: Visit) -> None:
    await visit.send(head(_CHUNKED))
    piece = b"python " * 9_000
    while True:
        await visit.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


async def _drip(visit: Visit) -> None:
    await visit.send(head({"Content-Type": HTML}) + _PAGE)
    await visit.drip(b" python")


async def _stops(visit: Visit) -> None:
    await visit.send(answer(_PAGE, headers={"Content-Length": "100000"}))
    await visit.until_client_leaves()


async def _bad_chunk(visit: Visit) -> None:
    await visit.send(_NO_LAST_CHUNK)
    await asyncio.sleep(0.1)  # or the client may find it before it has told of the head
    await visit.send(b"some\r\npython\r\n")


async def _resets(visit: Visit) -> None:
    await visit.send(answer(_PAGE, headers={"Content-Length": "100000"}))
    await visit.reset()


async def _resets_without_length(visit: Visit) -> None:
    await visit.send(answer(_PAGE, headers=_NO_LENGTH))
    await visit.reset()


def _large(_: Visit) -> bytes:
    return answer(_PAGE + b" snake " * 1_300_000)


async def _film(visit: Visit) -> None:
    await visit.send(head({"Content-Type": "video/mp4"}))
    while True:
        await visit.send(bytes(65_536))


def _half_of_a_gzip() -> bytes:
    return gzip.compress(_TEXT)[:-20]


async def _announces(visit: Visit) -> None:
    await visit.send(answer(_PAGE, headers={"Content-Length": str(10**9)}))
    await visit.until_client_leaves()


BODIES: Final = Group(
    "Bodies that end too soon, or never",
    (
        Hazard("/body/empty", "nothing at all", "empty_body", answer(""), status=200),
        Hazard("/body/endless", "has no end", "too_large", _endless, status=200),
        Hazard("/body/endless-chunks", "has no end, in chunks", "too_large", _endless_chunks, status=200),
        Hazard("/body/announced", "announces 1 GB", "too_large", _announces, status=200),
        Hazard("/body/drip", "a word every 0.2 s, for ever", "deadline_exceeded", _drip, status=200, waits=True),
        Hazard("/body/stops", "stops in the middle, and stays", "read_timeout", _stops, status=200, waits=True),
        Hazard("/body/cut", "ends before the length it announced", "body_incomplete", _CUT, status=200),
        Hazard("/body/cut-chunk", "ends within a chunk", "body_incomplete", _CUT_CHUNK, status=200),
        Hazard("/body/no-last-chunk", "ends without the last chunk", "body_incomplete", _NO_LAST_CHUNK, status=200),
        Hazard("/body/bad-chunk", "a chunk whose length is no number", "body_incomplete", _bad_chunk, status=200),
        Hazard("/body/reset", "breaks off with a RST", "body_incomplete", _resets, status=200),
        Hazard(
            "/body/reset-unannounced", "a RST, and no length", "body_incomplete", _resets_without_length, status=200
        ),
        Hazard("/body/no-length", "no length: its end is the connection's", ONE_PYTHON, answer(_PAGE, 200, _NO_LENGTH)),
        Hazard("/body/large", "9 MB, which is not too large", ONE_PYTHON, _large, heavy=True),
    ),
)

CODINGS: Final = Group(
    "Compressed bodies",
    (
        Hazard("/coding/gzip", "well compressed", {"python": 3_000}, lambda _: _coded(gzip.compress(_TEXT), "gzip")),
        _bomb_of("gzip", "gzip"),
        _bomb_of("deflate", "deflate"),
        _bomb_of("br", "br"),
        _bomb_of("zstd", "zstd"),
        _bomb_of("nested", "gzip, gzip"),
        Hazard("/coding/none", "says gzip, and is not", "decompression_failed", _coded(_PAGE, "gzip")),
        Hazard("/coding/half", "half of a gzip", "decompression_failed", lambda _: _coded(_half_of_a_gzip(), "gzip")),
        Hazard("/coding/unknown", "a coding that nobody asked for", "decompression_failed", _coded(_PAGE, "compress")),
        Hazard("/coding/five", "five codings on top of each other", "decompression_failed", _coded(_PAGE, "gzip," * 5)),
        Hazard("/coding/empty", "a gzip of nothing", "empty_body", lambda _: _coded(gzip.compress(b""), "gzip")),
    ),
)

TYPES: Final = Group(
    "What is text, and what is not",
    (
        Hazard("/type/image", "an image", "unsupported_type", answer(_PNG, headers={"Content-Type": "image/png"})),
        Hazard("/type/pdf", "a PDF", "unsupported_type", answer(_PDF, headers={"Content-Type": "application/pdf"})),
        Hazard("/type/endless-film", "a film without an end, left at its head", "unsupported_type", _film),
        Hazard("/type/unnamed-pdf", "a PDF, and no Content-Type", "unsupported_type", _unnamed(_PDF)),
        Hazard("/type/unnamed-page", "a page, and no Content-Type", ONE_PYTHON, _unnamed(_PAGE)),
        Hazard("/type/json", "JSON", ONE_PYTHON, answer('{"a": "python"}', headers={"Content-Type": _JSON})),
        Hazard("/type/plain", "plain text with tags in it", ONE_PYTHON, answer("<i>python", headers=_PLAIN)),
    ),
)
