"""The virtual environment with the packages of requirements/*.lock. Standard library alone."""

from __future__ import annotations

import re
import shutil
import sys
import time
from typing import TYPE_CHECKING

from deploy.local.steps import NO_NETWORK, ROOT, SetupError, Work, digest, environment, stamped, write_stamp

if TYPE_CHECKING:
    from pathlib import Path

# Settings of a user's own that would make pip or go do something else than what is locked here. What says where
# packages come from (indexes, proxies, certificates) stays.
PIP_SETTINGS = {
    "PIP_USER": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_REQUIRE_VIRTUALENV": "0",
}
PIP_DROPPED = (
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_CONSTRAINT",
    "PIP_REQUIREMENT",
    "PIP_NO_DEPS",
    "PIP_DRY_RUN",
)


class Packages:
    """The virtual environment."""

    def __init__(self, tools: Path, lock: str) -> None:
        self.folder = tools / "venv"
        self.python = self.folder / "bin" / "python"
        self.lock = ROOT / "requirements" / f"{lock}.lock"
        # `dev` holds all of `run`, in the same versions.
        self.names = ("run", "dev") if lock == "dev" else ("run",)
        interpreter = f"{sys.base_prefix} {sys.version_info[0]}.{sys.version_info[1]}".encode()
        self.base = digest(interpreter)
        self.values = {
            name: digest(interpreter, (ROOT / "requirements" / f"{name}.lock").read_bytes()) for name in self.names
        }

    def _stamp(self, name: str) -> Path:
        return self.folder / f"wordwatch-{name}.stamp"

    def ready(self) -> bool:
        """Whether the environment is there, for this Python and these locks."""
        return self.python.exists() and all(stamped(self._stamp(name), value) for name, value in self.values.items())

    def make(self, work: Work) -> None:
        """Makes the environment, or brings it up to date."""
        env = environment(work.environ, PIP_SETTINGS, PIP_DROPPED)
        for name in ("run", "dev"):
            self._stamp(name).unlink(missing_ok=True)
        # Without the stamp `base`, too, when an installation was broken off: pip may not find its way out of that.
        if not (self.python.exists() and stamped(self._stamp("base"), self.base)):
            work.say(f"making a virtual environment with Python {sys.version.split()[0]}")
            shutil.rmtree(self.folder, ignore_errors=True)
            try:
                work.run([sys.executable, "-m", "venv", str(self.folder)], env=env)
            except SetupError as error:
                raise SetupError(
                    f"{error}\nIs Python's venv there? On Debian and Ubuntu: apt install python3-venv"
                ) from None
        self._stamp("base").unlink(missing_ok=True)
        count = len(re.findall(r"^[a-z]", self.lock.read_text(), re.MULTILINE))
        work.say(f"installing {count} Python packages ({self.lock.name})")
        begun = time.monotonic()
        # A lock holds everything; so pyproject.toml can leave out what a package does not need here.
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        try:
            work.run([*pip, "-r", str(self.lock)], env=env)
        except SetupError as error:
            raise SetupError(f"{error}\n{NO_NETWORK}") from None
        write_stamp(self._stamp("base"), self.base)
        for name, value in self.values.items():
            write_stamp(self._stamp(name), value)
        work.say(f"Python packages are there ({time.monotonic() - begun:.0f} s)")
