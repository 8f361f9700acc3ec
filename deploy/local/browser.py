"""The Chromium that the tests of the pages drive: found, or installed where that is easy and nobody is surprised.

    python -m deploy.local.browser

The same goes for a library without which Playwright's driver (a Node.js) does not start, and which a Chromium need not
bring. On Debian, root installs the packages, which is what CI's containers need. Elsewhere those tests are left out,
and say what would bring them back. Whatever goes wrong here is no reason not to run the other tests.
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

import playwright
from playwright._impl._driver import compute_driver_executable
from playwright.async_api import Error

from shared.settings import SettingError, load

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_PACKAGE, DRIVER_PACKAGE = "chromium", "libatomic1"
ADVICE = f"apt install {BROWSER_PACKAGE} {DRIVER_PACKAGE}, or WORDWATCH_BROWSER=/path/to/a/chromium"
_DRIVER_WITHIN_S = 60.0
_END_WITHIN_S = 20.0
_QUICK = ("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15")


class Step(NamedTuple):
    """One call of apt-get, and how long it may take."""

    arguments: tuple[str, ...]
    within_s: float


def steps(packages: Sequence[str]) -> list[Step]:
    """How packages are installed: fetching may be broken off at any time, what changes the system is not hurried."""
    install = ("install", "-qq", "--yes", "--no-install-recommends")
    return [
        Step(("update", "-qq", *_QUICK), 90),
        Step((*install, "--download-only", *_QUICK, *packages), 300),
        Step((*install, "--no-download", *packages), 600),
    ]


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


def driver() -> Path:
    """The program between the tests and the browser, there or not."""
    try:
        return Path(compute_driver_executable()[0])
    except Error:  # this Playwright came without one
        return Path(playwright.__file__).parent / "driver" / "node"


def why_not(program: Path) -> str | None:
    """Why a program does not run on this machine, in its own words; None when it does.

    That is tried out: which libraries it takes differs from platform to platform and from version to version.
    """
    try:
        tried = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_DRIVER_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if tried.returncode == 0:
        return None
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else f"{program} failed with exit code {tried.returncode}"


def is_debian() -> bool:
    """Whether this is Debian itself: Ubuntu's package of this name only points to a snap."""
    try:
        return platform.freedesktop_os_release().get("ID") == "debian"
    except OSError:
        return False


def install(apt_get: str, environ: Mapping[str, str], steps: Sequence[Step]) -> str | None:
    """Installs packages of Debian, in `steps`.

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


def main(environ: Mapping[str, str], program: Path, *, may_install: bool) -> int:
    """Sees to it that there are a browser and its driver, where that can be done; says so when there are not.

    Args:
        environ: the environment variables.
        program: the driver.
        may_install: whether this is Debian, and its owner lets us.
    """
    search_path = environ.get("PATH")
    try:
        chosen = load(environ).browser
        missing = _missing(chosen, search_path, program)
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    apt_get = shutil.which("apt-get", path=search_path)
    failure: str | None = None
    if missing and may_install and apt_get is not None:
        print(f"installing for the tests in a browser: apt-get install {' '.join(missing)}", file=sys.stderr)
        try:
            failure = install(apt_get, environ, steps(list(missing)))
        except KeyboardInterrupt:
            return 130
        missing = _missing(chosen, search_path, program)
    if missing:
        reasons = "; ".join([*missing.values(), *([failure] if failure is not None else [])])
        print(f"tests in a browser are left out ({reasons}): {ADVICE}", file=sys.stderr)
    return 0


def _missing(chosen: Path | None, search_path: str | None, program: Path) -> dict[str, str]:
    """The packages that would help, each with what is wrong without it."""
    missing = {}
    if find(chosen, search_path) is None:
        missing[BROWSER_PACKAGE] = "there is no browser"
    failure = why_not(program)
    if failure is not None:
        missing[DRIVER_PACKAGE] = failure
    return missing


if __name__ == "__main__":
    sys.exit(main(os.environ, driver(), may_install=is_debian() and os.geteuid() == 0))
