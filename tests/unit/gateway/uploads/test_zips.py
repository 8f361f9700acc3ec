import io
import stat
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.problems import Problem
from services.gateway.uploads.zips import LIMITS, ZipLimits, files_of

Entry = str | zipfile.ZipInfo


def zipped(files: Mapping[Any, bytes] | Sequence[tuple[Entry, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, contents in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, contents, compress_type=method)
    return made.getvalue()


def unpacked(path: Path, archive: bytes, limits: ZipLimits = LIMITS) -> list[tuple[str, str, bytes]]:
    path.write_bytes(archive)
    return [(file.name, file.kind, b"".join(file.blocks)) for file in files_of(path, limits)]


def refused(path: Path, archive: bytes, limits: ZipLimits = LIMITS) -> str:
    with pytest.raises(Problem) as caught:
        unpacked(path, archive, limits)
    assert caught.value.code == "invalid_upload"
    assert caught.value.kind.status == 422
    return caught.value.detail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upload"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_in_the_order_of_their_names(path: Path, method: int) -> None:
    big = b"".join(b"http://a.example/%d\n" % number for number in range(20_000))
    archive = zipped(
        {"b/b.CSV": b"url\n", "b/": b"", "b/a.txt": big, "a.ndjson": b"", "b.csv": b"x", "ü.csv": b"y"}, method
    )
    assert unpacked(path, archive) == [
        ("a.ndjson", "ndjson", b""),
        ("b.csv", "csv", b"x"),
        ("b/a.txt", "text", big),
        ("b/b.CSV", "csv", b"url\n"),
        ("ü.csv", "csv", b"y"),
    ]
    assert max(len(block) for file in files_of(path) for block in file.blocks) <= 65_536


def test_what_desktops_leave_in_archives_is_passed_over(path: Path) -> None:
    litter = ["__MACOSX/._a.csv", "x/__MACOSX/y", ".DS_Store", "x/.DS_Store", "Thumbs.db", "x/DESKTOP.INI", "._a.csv"]
    archive = zipped({**dict.fromkeys(litter, b"litter"), "a.csv": b"url"})
    assert unpacked(path, archive) == [("a.csv", "csv", b"url")]


def test_what_archivers_of_windows_and_streams_write(path: Path) -> None:
    class Stream(io.RawIOBase):  # can't be sought, so that sizes follow the contents
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            self.written += bytes(data)
            return len(data)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.csv", "w", force_zip64=True) as file:
            file.write(b"url\n" * 1_000)
        archive.writestr("b/c.csv", b"y")
    made = stream.written.replace(b"b/c.csv", b"b\\c.csv")
    assert unpacked(path, made) == [("a.csv", "csv", b"url\n" * 1_000), ("b/c.csv", "csv", b"y")]
    assert unpacked(path, b"#!/bin/sh\n" * 100 + zipped({"a.csv": b"url"})) == [("a.csv", "csv", b"url")]


@pytest.mark.parametrize("archive", [zipped({}), zipped({"x/": b"", "x/y/": b""}), zipped({".DS_Store": b"x"})])
def test_an_archive_without_a_file_is_empty(path: Path, archive: bytes) -> None:
    with pytest.raises(Problem) as caught:
        unpacked(path, archive)
    assert caught.value.code == "empty_batch"


def link(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = (stat.S_IFLNK | 0o777) << 16
    return made


def flagged(archive: bytes, bits: int) -> bytes:
    """The archive with bits set in the flags of all its files, in both places."""
    made = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = archive.find(signature)
        while place >= 0:
            made[place + offset] |= bits
            place = archive.find(signature, place + 1)
    return bytes(made)


def overlapping() -> bytes:
    """Two entries of the list of contents that share one file's bytes."""
    archive = bytearray(zipped({"a.csv": b"url\n" * 9, "b.csv": b"url\n" * 9}))
    second = archive.rindex(b"PK\x01\x02")
    struct.pack_into("<L", archive, second + 42, 0)
    return bytes(archive)


@pytest.mark.parametrize(
    ("archive", "told"),
    [
        (b"", "not a zip archive"),
        (b"url\na.example\n" * 100, "not a zip archive"),
        (zipped({"a.csv": b"url\n" * 1_000})[:-1], "not a zip archive"),
        (zipped({"a.csv": b"url\n" * 1_000})[10:], "a.csv"),
        (zipped({"a.csv": b"", "b/c.xlsx": b""}), "'b/c.xlsx'"),
        (zipped({"a.csv": b"", "README": b""}), "'README'"),
        (zipped({"a.csv": b"", "b.ZIP": b""}), "another archive in it: 'b.ZIP'"),
        (zipped({"../a.csv": b""}), "leads out of it"),
        (zipped({"x/../a.csv": b""}), "leads out of it"),
        (zipped({"/a.csv": b""}), "leads out of it"),
        (zipped({"C:\\a.csv": b""}), "leads out of it"),
        (zipped({"x\\..\\a.csv": b""}), "leads out of it"),
        (zipped({"../.hidden": b"", "a.csv": b""}), "leads out of it"),
        (zipped({"x" * 1_000 + ".csv": b""}), "1,004 characters"),
        (zipped({link("a.csv"): b"/etc/passwd"}), "a link in it"),
        (zipped({"a.csv": b"x" * 99}, zipfile.ZIP_BZIP2), "packed by method 12"),
        (zipped({"a.csv": b"x" * 99}, zipfile.ZIP_LZMA), "packed by method 14"),
        (flagged(zipped({"a.csv": b"x" * 99}), 1), "encrypted"),
        (overlapping(), "is broken"),
    ],
)
def test_archives_that_are_refused(path: Path, archive: bytes, told: str) -> None:
    detail = refused(path, archive)
    assert told in detail
    assert len(detail) < 300


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["x/a.csv", "x\\a.csv"])
def test_two_files_of_one_name(path: Path, second: str) -> None:
    info = zipfile.ZipInfo("x/a.csv")
    info.filename = second
    assert "two files" in refused(path, zipped([("x/a.csv", b"1"), (info, b"2")]))


def test_a_broken_file_is_found_out_when_it_is_read(path: Path) -> None:
    archive = bytearray(zipped({"a.csv": b"url\n", "b.csv": b"url\na.example\n"}, zipfile.ZIP_STORED))
    archive[archive.rindex(b"a.example")] ^= 1
    path.write_bytes(archive)
    files = files_of(path)
    assert b"".join(next(files).blocks) == b"url\n"
    with pytest.raises(Problem, match=r"'b\.csv' can't be unpacked"):
        b"".join(next(files).blocks)


def told_size(archive: bytes, size: int) -> bytes:
    """The archive with another size of its first file, unpacked, in both places."""
    made = bytearray(archive)
    struct.pack_into("<L", made, archive.index(b"PK\x03\x04") + 22, size)
    struct.pack_into("<L", made, archive.index(b"PK\x01\x02") + 24, size)
    return bytes(made)


@pytest.mark.parametrize("size", [0, 1, 4_000_000, 2**31])
def test_a_size_that_is_a_lie(path: Path, size: int) -> None:
    archive = zipped({"a.csv": b"url\n" * 200_000})
    told = refused(path, told_size(archive, size))
    assert "a.csv" in told or "1,073,741,824 bytes" in told


@pytest.mark.parametrize(
    ("contents", "bad"),
    [
        (b"\0" * 250_000, False),
        (b"\0" * 270_000, True),
        (b"\0" * 50_000_000, True),
        (b"".join(b"http://a.example/%d\n" % (number % 5_000) for number in range(100_000)), False),
    ],
)
def test_how_tightly_a_file_may_be_packed(path: Path, contents: bytes, bad: bool) -> None:
    archive = zipped({"a.csv": contents})
    if bad:
        assert "less than 1/200" in refused(path, archive)
    else:
        assert unpacked(path, archive) == [("a.csv", "csv", contents)]


@pytest.mark.parametrize("lie", [False, True])
def test_how_much_all_files_may_have(path: Path, lie: bool) -> None:
    archive = zipped({"a.csv": bytes(range(256)) * 10, "b.csv": bytes(range(256)) * 10}, zipfile.ZIP_STORED)
    assert len(unpacked(path, archive, ZipLimits(unpacked_bytes=5_120))) == 2
    if lie:  # the data is longer than the list says, and its check sum right for neither
        archive = told_size(archive, 100)
    assert refused(path, archive, ZipLimits(unpacked_bytes=5_119 if not lie else 5_120))


def test_how_many_files_there_may_be(path: Path) -> None:
    archive = zipped({f"{number}.csv": b"" for number in range(10)} | {"x/": b"", ".DS_Store": b""})
    assert len(unpacked(path, archive, ZipLimits(files=10))) == 10
    assert "10 files" in refused(path, archive, ZipLimits(files=9))


def test_a_list_of_contents_without_end(path: Path) -> None:
    archive = zipped({"a.csv": b""})
    start = archive.index(b"PK\x01\x02")
    entry, end = archive[start : archive.index(b"PK\x05\x06")], bytearray(archive[-22:])
    entries = entry * 50_000
    struct.pack_into("<HHLL", end, 8, 50_000, 50_000, len(entries), start)
    assert "too long" in refused(path, archive[:start] + entries + end)


@pytest.mark.parametrize("field", [0, 2**31, 2**32 - 1])
def test_places_that_are_not_there(path: Path, field: int) -> None:
    archive = bytearray(zipped({"a.csv": b"url\n" * 99}))
    entry, end = archive.index(b"PK\x01\x02"), archive.index(b"PK\x05\x06")
    for place in (entry + 20, entry + 42, end + 12, end + 16):
        changed = bytearray(archive)
        struct.pack_into("<L", changed, place, field)
        if changed != archive and not (field == 0 and place == entry + 42):
            assert refused(path, bytes(changed))


ARCHIVE = zipped({"a.csv": b"url\nb.example\n" * 20, "b/c.txt": b"a.example\n", ".x": b"", "ü.ndjson": b"{}"})


@given(
    st.lists(st.tuples(st.integers(0, len(ARCHIVE) - 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, len(ARCHIVE)),
)
def test_whatever_is_wrong_with_an_archive(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    archive = bytearray(ARCHIVE)
    for place, value in changes:
        archive[place] = value
    path = tmp_path_factory.getbasetemp() / "changed.zip"
    for changed in (bytes(archive), bytes(archive[:cut]), bytes(archive[cut:])):
        try:
            unpacked(path, changed)
        except Problem as problem:
            assert problem.code == "invalid_upload"  # noqa: PT017 - most are refused, some changes do not matter


def test_a_file_that_is_said_to_be_too_dense_is_refused_before_any_is_read(path: Path) -> None:
    archive = zipped({"a.csv": b"http://a.example/\n", "b.csv": b"http://b.example/\n" * 400_000})
    path.write_bytes(archive)
    with pytest.raises(Problem):
        next(files_of(path))
