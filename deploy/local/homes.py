"""Which folders are a WORDWATCH_HOME: only there is anything made, and only there does `make clean` remove anything.

Standard library alone: the set-up asks too.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
MARKER = "wordwatch-home"
CHECKED = "sample-site-checked"
FOLDERS = ("postgres", "nsqd", "logs", "run", "tools", "docs")
"""What the local runner, the set-up and `make docs` make in a home."""
LOCKS = (Path("run") / "lock", Path("tools") / "setup.lock")
"""Files that the runner and the set-up hold, for as long as they work in a home."""
_TEXT = "wordwatch keeps its local state in this folder. `make clean` removes what it made here, and nothing else.\n"


class HomeError(Exception):
    """A folder that can't be a WORDWATCH_HOME, or is none; the text says why and what would help."""


def is_ours(home: Path) -> bool:
    """Whether wordwatch made what is in `home`; the one in the project folder is known by its name, too."""
    return (home / MARKER).is_file() or home.resolve() == ROOT / ".wordwatch"


def claim(home: Path) -> None:
    """Makes the folder a WORDWATCH_HOME, unless it is one.

    Raises:
        HomeError: somebody else's folders would be taken for ours, or it can't be written to.
    """
    try:
        if not (home / MARKER).is_file():
            _refuse_strangers(home)
            home.mkdir(parents=True, exist_ok=True)
            (home / MARKER).write_text(_TEXT)
    except OSError as error:
        raise HomeError(
            f"{error.strerror}: {error.filename or home}. Set WORDWATCH_HOME to a folder where you may write, with room"
        ) from None


def _refuse_strangers(home: Path) -> None:
    place = home.resolve()
    if place in {Path(place.anchor), Path(os.path.expanduser("~")).resolve(), ROOT}:
        raise HomeError(f"WORDWATCH_HOME={home} would mix wordwatch's folders with yours: name a folder below it")
    if is_ours(home):
        return
    for name in FOLDERS:
        if (home / name).exists():
            raise HomeError(f"{home / name} is there, and is not wordwatch's: set WORDWATCH_HOME to a new folder")


def remove(home: Path, say: Callable[[str], None]) -> bool:
    """Removes what wordwatch made in `home`, and `home` itself when nothing else is in it.

    Returns:
        Whether all of it is gone.

    Raises:
        HomeError: it is none of ours, or something is at work in it.
    """
    if not home.exists():
        say(f"there is no {home}")
        return True
    if not is_ours(home):
        raise HomeError(f"{home} is no WORDWATCH_HOME that wordwatch made: nothing was removed")
    with ExitStack() as held:
        for lock in LOCKS:
            _hold(home / lock, held)
        for name in FOLDERS:
            folder = home / name
            if folder.is_symlink():
                folder.unlink()  # where it leads to was not made by us
            else:
                _remove_tree(folder)
        left = [str(home / name) for name in FOLDERS if (home / name).exists()]
    if left:
        say(f"these could not be removed: {', '.join(left)}; do they belong to another user?")
        return False
    for file in (CHECKED, MARKER):  # the marker last: until then the rest is known to be ours
        (home / file).unlink(missing_ok=True)
    try:
        home.rmdir()
    except OSError:
        say(f"removed what wordwatch made in {home}; something else is in it")
    else:
        say(f"removed {home}")
    return True


def _remove_tree(folder: Path) -> None:
    for parent, names, _files in os.walk(folder):
        for path in (os.path.join(parent, name) for name in names):
            if not os.path.islink(path):
                with suppress(OSError):
                    os.chmod(path, 0o700)  # Go makes the folders of its module cache read-only
    shutil.rmtree(folder, ignore_errors=True)


def _hold(lock: Path, held: ExitStack) -> None:
    if not lock.exists():
        return
    try:
        file = held.enter_context(lock.open("a"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HomeError(f"a start or a set-up is at work in {lock.parents[1]}: end it first") from None
    except PermissionError as error:
        raise HomeError(f"{error.strerror}: {lock} belongs to another user (root?), who has to remove it") from None
