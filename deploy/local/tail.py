"""Shows the logs of a stack and follows them, over rotations."""

import time
from collections.abc import Callable
from pathlib import Path

_LINES_AT_FIRST = 20
_LOOK_EVERY_S = 0.3


class _File:
    """One log, read from where it was left."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._path = path
        self._inode = 0
        self._place = 0
        self._rest = ""

    def new_lines(self) -> list[str]:
        """The whole lines that came since the last look."""
        try:
            stat = self._path.stat()
            if stat.st_ino != self._inode or stat.st_size < self._place:  # rotated, or begun anew
                self._inode, self._place, self._rest = stat.st_ino, 0, ""
            with self._path.open("rb") as file:
                file.seek(self._place)
                data = file.read()
        except OSError:
            return []
        self._place += len(data)
        *lines, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        return lines


def follow(folder: Path, service: str, show: Callable[[str, str], None], goes_on: Callable[[], bool]) -> bool:
    """Shows the last lines of each log of `service` ("" for all), then new ones for as long as `goes_on()`.

    Args:
        folder: where the logs are, one `NAME.log` for each process.
        service: a process's name, or `fetcher` for all fetchers.
        show: takes a process's name and a line.
        goes_on: whether more can come.

    Returns:
        Whether there was such a log.
    """
    files: dict[str, _File] = {}
    while True:
        still = goes_on()  # before the last look, so that nothing is missed
        for path in sorted(folder.glob("*.log")):
            if _is_of(path.stem, service):
                fresh = path.name not in files
                file = files.setdefault(path.name, _File(path))
                lines = file.new_lines()
                for line in lines[-_LINES_AT_FIRST:] if fresh else lines:
                    show(file.name, line)
        if not still:
            return bool(files)
        time.sleep(_LOOK_EVERY_S)


def _is_of(name: str, service: str) -> bool:
    if not service:
        return name != "process-compose"
    number = name.removeprefix(f"{service}-")
    return name == service or (number != name and number.isdigit())
