"""A disk that is soon full: a small tmpfs, and a ballast file to fill what is left of it.

    with small_disk(32 * MIB) as disk:
        ...            # a server keeps its data in disk.path
        disk.fill()
        disk.make_room()

Root mounts it; an ordinary user mounts it in a namespace of its own and reaches it through /proc. Where neither is
allowed (a container without CAP_SYS_ADMIN, a system that keeps user namespaces from ordinary users) the test is left
out and says so: nothing else makes a disk of a size. It goes away with the test, also when that is killed.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MIB = 2**20
_START_WITHIN_S = 10.0
# Mounts, says so, and waits until our end of the pipe closes, for whatever reason. $1: folder, $2: size in bytes.
_HOLD = 'mount -t tmpfs -o "size=$2,mode=1777" wordwatch-test "$1" && echo mounted && read -r _'
_MOUNT = f'{_HOLD}; umount -l "$1"; rmdir "$1"'
_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


class SmallDisk:
    """The disk at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Takes all the room that is left."""
        with self._ballast.open("ab", buffering=0) as ballast, suppress(OSError):
            while True:
                try:
                    ballast.write(bytes(2**16))
                except OSError:
                    ballast.write(bytes(2**12))  # the last pages

    def make_room(self) -> None:
        """Gives it all back."""
        self._ballast.unlink()


@contextmanager
def small_disk(size_bytes: int) -> Iterator[SmallDisk]:
    """Mounts it for as long as the block lasts; the test is skipped where nothing can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="wordwatch-disk-"))
    root = os.geteuid() == 0
    words = ["/bin/sh", "-c", _MOUNT if root else _HOLD, "holder", str(folder), str(size_bytes)]
    holder = subprocess.Popen(
        words if root else [*_NAMESPACE, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        said = holder.stdout.readline()
        if said != b"mounted\n":
            pytest.skip(
                f"no small disk can be made here ({said.decode().strip()}): that takes root with CAP_SYS_ADMIN, or "
                "user namespaces for ordinary users (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu)"
            )
        yield SmallDisk(folder if root else Path(f"/proc/{holder.pid}/root{folder}"))
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait(_START_WITHIN_S)
        with suppress(OSError):
            folder.rmdir()
