"""The Chromium that the tests of the pages drive: found, or installed where that is easy and nobody is surprised.

    python -m deploy.local.browser

On Debian, root installs its package, which is what CI's containers need. Elsewhere those tests are left out, and say
what would bring them back. Whatever goes wrong here is no reason not to run the other tests.
"""

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.settings import SettingError, load

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = "apt install chromium, or WORDWATCH_BROWSER=/path/to/a/chromium"
PACKAGE = "chromium"
_END_WITHIN_S = 20.0
_QUICK = ("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15")


class Step(NamedTuple):
    """One call of apt-get, and how long it may take."""

    arguments: tuple[str, ...]
    within_s: float


# What is fetched may be broken off at any time; what changes the system is not hurried.
STEPS = (
    Step(("update", "-qq", *_QUICK), 90),
    Step(("install", "-qq", "--yes", "--no-install-recommends", "--download-only", *_QUICK, PACKAGE), 300),
    Step(("install", "-qq", "--yes", "--no-install-recommends", "--no-download", PACKAGE), 600),
)


def find(chosen: Path | None, search_path: str | None) -> Path | None:
    """The browser: the one that is set, else the first of `NAMES`; None when there is none.

    Args:
        chosen: WORDWATCH_BROWSER.
        search_path: PATH.

    Raises:
        SettingError: the one that is set is no program.
    """
    if chosen is not None:
        if shutil.which(str(chosen.absolute())) is None:
            raise SettingError(f"WORDWATCH_BROWSER={chosen}: there is no such program")
        return chosen.absolute()
    found = (shutil.which(name, path=search_path) for name in NAMES)
    return next((Path(path) for path in found if path is not None), None)


def is_debian() -> bool:
    """Whether this is Debian itself: Ubuntu's package of this name only points to a snap."""
    try:
        return platform.freedesktop_os_release().get("ID") == "debian"
    except OSError:
        return False


def install(apt_get: str, environ: Mapping[str, str], steps: Sequence[Step] = STEPS) -> str | None:
    """Installs Debian's Chromium.

    Returns:
        Why it could not be done, or None.
    """
    env = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in steps:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [apt_get, *step.arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C ends it in order, see below
            )
            try:
                code = process.wait(step.within_s)
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
                _end(process)
                if isinstance(error, KeyboardInterrupt):
                    raise
                return f"apt-get {step.arguments[0]} took more than {step.within_s:g} s"
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
        if code and step is not steps[0]:  # the lists may be good enough without one of the sources
            return said[-1] if said else f"apt-get {step.arguments[0]} failed with exit code {code}"
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_END_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(_END_WITHIN_S)


def main(environ: Mapping[str, str]) -> int:
    """Sees to it that there is a browser, where that can be done; says so when there is none."""
    try:
        found = find(load(environ).browser, environ.get("PATH"))
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    if found is not None:
        return 0
    apt_get = shutil.which("apt-get", path=environ.get("PATH"))
    failure: str | None = "there is none"
    if apt_get is not None and is_debian() and os.geteuid() == 0:
        print("installing Debian's chromium for the tests in a browser (apt-get install chromium)", file=sys.stderr)
        try:
            failure = install(apt_get, environ)
        except KeyboardInterrupt:
            return 130
    if failure is not None:
        print(f"no browser, so its tests are left out ({failure}): {ADVICE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
