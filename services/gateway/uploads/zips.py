"""The files of a zip archive, unpacked as they are read and no further than they may be. Nothing is written anywhere.

What an archive says of itself (APPNOTE.TXT of PKWARE) is looked at first, so that a bad one is refused before a
single record of it is taken; but it may lie, so that all limits are held again while it is unpacked.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from services.gateway.problems import Problem
from services.gateway.uploads.formats import Kind, kind_of_name

_BLOCK_BYTES: Final = 64 * 2**10
_MOST_AT_ONCE: Final = 2 * 2**20  # that is, the longest list of contents: the archive's own module reads it in one go
_SMALL_BYTES: Final = 256 * 2**10  # as much may be unpacked of however little
_LOCAL_HEADER_BYTES: Final = 30
_END_BYTES: Final = 22  # all that there is of an archive that is empty, but for its comment
_LARGEST_PLACE: Final = 2**62
_MAX_NAME_CHARS: Final = 1_000
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_LEFT_BY_DESKTOPS: Final = frozenset({"thumbs.db", "desktop.ini"})
_BROKEN: Final = (BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What `zipfile` raises on archives that are none, or not whole; EOFError has no message."""


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """How much an archive may hold.

    Attributes:
        files: how many that are read.
        unpacked_bytes: of all of them.
        ratio: how many times as large as packed a file may be.
    """

    files: int = 1_000
    unpacked_bytes: int = 2**30
    ratio: int = 200


LIMITS: Final = ZipLimits()


@dataclass(frozen=True, slots=True)
class ZippedFile:
    """One file of an archive.

    Attributes:
        name: with its folders, `/` between them.
        kind: how records are written in it.
        blocks: its contents, to be read before the next file is asked for. They raise Problem `invalid_upload` when
            they turn out to be broken, or larger than they may be.
    """

    name: str
    kind: Kind
    blocks: Iterator[bytes]


class _BoundedFile(io.BufferedReader):
    """A file of which nobody reads much at once, nor before its beginning: who would is misled by what it says."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == 0 and not 0 <= offset <= _LARGEST_PLACE:
            raise BadZipFile
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _MOST_AT_ONCE + 1 if size is None or size < 0 else size
        data = super().read(wanted) if wanted <= _MOST_AT_ONCE + 1 else None
        if data is None or len(data) > _MOST_AT_ONCE:
            raise Problem("invalid_upload", "The zip archive has a list of contents that is too long.")
        return data


def files_of(path: Path, limits: ZipLimits = LIMITS) -> Iterator[ZippedFile]:
    """The files of an archive, in the order of their names; what desktops leave in archives is passed over.

    Raises:
        Problem: `invalid_upload`: it is no archive, or holds what is not read here; `empty_batch`: it holds nothing. As
            far as that can be seen beforehand, it is raised before the first file.
    """
    with _BoundedFile(io.FileIO(path)) as raw, _opened(raw) as archive:
        size = path.stat().st_size
        if not archive.infolist() and size > _END_BYTES + len(archive.comment):
            raise _bad("is broken: its list of contents has nothing of what is in it.")
        wanted = _wanted(archive.infolist(), limits)
        _check_places(wanted.values(), size)
        left = limits.unpacked_bytes
        for name in sorted(wanted):
            unpacked = _Unpacked(archive, wanted[name], name, left, limits)
            yield ZippedFile(name, _kind(name), unpacked.blocks())
            left -= unpacked.bytes


def _opened(raw: _BoundedFile) -> ZipFile:
    try:
        return ZipFile(raw)
    except _BROKEN:
        raise Problem("invalid_upload", "The file is not a zip archive, or not all of one.") from None


def _wanted(entries: Sequence[ZipInfo], limits: ZipLimits) -> dict[str, ZipInfo]:
    """The files that are to be read, by name."""
    wanted: dict[str, ZipInfo] = {}
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        _check_name(name)
        if name.endswith("/") or _is_left_by_desktops(name):
            continue
        _check_kind(name, entry, limits)
        if name in wanted:
            raise _bad(f"has two files of the name {name!r}.")
        wanted[name] = entry
    if not wanted:
        raise Problem("empty_batch", "The zip archive has no file in it that is read here.")
    if len(wanted) > limits.files:
        raise _bad(f"has {len(wanted):,} files in it; {limits.files:,} are the most.")
    if sum(entry.file_size for entry in wanted.values()) > limits.unpacked_bytes:
        raise _too_much(limits)
    return wanted


def _check_name(name: str) -> None:
    if len(name) > _MAX_NAME_CHARS:
        raise _bad(f"has a file whose name has {len(name):,} characters; {_MAX_NAME_CHARS:,} are the most.")
    if not name or name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        raise _bad(f"has a file of the name {name!r}, which leads out of it. Names must stay inside of the archive.")


def _is_left_by_desktops(name: str) -> bool:
    *folders, last = name.split("/")
    return "__MACOSX" in folders or last.startswith(".") or last.lower() in _LEFT_BY_DESKTOPS


def _check_kind(name: str, entry: ZipInfo, limits: ZipLimits) -> None:
    kind = kind_of_name(name)
    if kind == "zip":
        raise _bad(f"has another archive in it: {name!r}. Put its files in by themselves.")
    if kind is None:
        raise _bad(f"has the file {name!r} in it: only .csv, .txt and .ndjson files are read.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise _bad(f"has a link in it: {name!r}. Put the file itself in.")
    if entry.flag_bits & _ENCRYPTED:
        raise _bad(f"is encrypted: {name!r} can't be read without a password.")
    if entry.file_size > max(_SMALL_BYTES, limits.ratio * entry.compress_size):
        raise _too_dense(name, limits)
    if entry.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise _bad(f"has {name!r} packed by method {entry.compress_type}: only deflate (8) and none (0) are read.")


def _check_places(entries: Iterable[ZipInfo], size: int) -> None:
    """Refuses files that share their packed bytes, by which a small archive holds any number of large ones."""
    places = sorted(
        (entry.header_offset, entry.header_offset + _LOCAL_HEADER_BYTES + entry.compress_size, entry.filename)
        for entry in entries
    )
    places.append((size, size, ""))
    for (_, end, name), (start, _, _) in pairwise(places):
        if end > start:
            raise _bad(f"is broken: {name!r} ends behind the beginning of what follows it.")


def _kind(name: str) -> Kind:
    kind = kind_of_name(name)
    if kind is None or kind == "zip":
        raise AssertionError(name)
    return kind


class _Unpacked:
    """The unpacking of one file; `bytes` is how much has come of it."""

    def __init__(self, archive: ZipFile, entry: ZipInfo, name: str, left: int, limits: ZipLimits) -> None:
        self._archive = archive
        self._entry = entry
        self._name = name
        self._left = left
        self._limits = limits
        self.bytes = 0

    def blocks(self) -> Iterator[bytes]:
        try:
            with self._archive.open(self._entry) as file:
                while block := file.read(_BLOCK_BYTES):
                    self.bytes += len(block)
                    self._check()
                    yield block
        except _BROKEN:
            raise _bad(f"is broken: {self._name!r} can't be unpacked.") from None
        if self.bytes != self._entry.file_size:
            raise _bad(f"is broken: {self._name!r} is not as long as it should be.")

    def _check(self) -> None:
        if self.bytes > self._left:
            raise _too_much(self._limits)
        if self.bytes > max(_SMALL_BYTES, self._limits.ratio * self._entry.compress_size):
            raise _too_dense(self._name, self._limits)


def _too_dense(name: str, limits: ZipLimits) -> Problem:
    return _bad(f"has {name!r} packed to less than 1/{limits.ratio} of its size: that is no list.")


def _too_much(limits: ZipLimits) -> Problem:
    return _bad(f"has more than {limits.unpacked_bytes:,} bytes when unpacked, which is the most.")


def _bad(what: str) -> Problem:
    return Problem("invalid_upload", f"The zip archive {what}")
