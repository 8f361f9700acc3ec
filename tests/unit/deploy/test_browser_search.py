"""How the tests come by a browser; `apt-get` is a script here that does as it is told."""

import os
from pathlib import Path

import pytest

from deploy.local import browser
from shared.settings import SettingError

LACKS_A_LIBRARY = 'echo "driver: libatomic.so.1: cannot open" >&2; exit 127'


def program(folder: Path, name: str, script: str = "") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_one_that_is_set_comes_first(tmp_path: Path) -> None:
    program(tmp_path, "chromium")
    chosen = program(tmp_path, "my-browser")

    assert browser.find(chosen, str(tmp_path)) == chosen


def test_one_that_is_set_and_is_none_is_an_error(tmp_path: Path) -> None:
    program(tmp_path, "chromium")

    with pytest.raises(SettingError, match="WORDWATCH_BROWSER"):
        browser.find(tmp_path / "nothing", str(tmp_path))


@pytest.mark.parametrize("name", browser.NAMES)
def test_it_is_found_under_any_of_its_names(name: str, tmp_path: Path) -> None:
    assert browser.find(None, str(tmp_path)) is None

    there = program(tmp_path, name)

    assert browser.find(None, str(tmp_path)) == there


def test_packages_are_installed_in_three_steps(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    apt_get = program(tmp_path, "apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {calls}')

    assert browser.install(str(apt_get), os.environ, browser.steps(["one", "two"])) is None

    update, fetch, install = calls.read_text().splitlines()
    assert update.startswith("noninteractive update ")
    assert "--download-only" in fetch
    assert fetch.endswith(" one two")
    assert install == "noninteractive install -qq --yes --no-install-recommends --no-download one two"


def test_a_failure_is_told_by_the_last_line_of_apt_get(tmp_path: Path) -> None:
    script = '[ "$1" = update ] && exit 100; echo trying; echo "E: Unable to locate package chromium"; exit 100'
    apt_get = program(tmp_path, "apt-get", script)

    failure = browser.install(str(apt_get), os.environ, browser.steps(["chromium"]))

    assert failure == "E: Unable to locate package chromium"


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    apt_get = program(tmp_path, "apt-get", "exec sleep 300")

    failure = browser.install(str(apt_get), os.environ, [browser.Step(("update",), 0.2)])

    assert failure == "apt-get update took more than 0.2 s"


def test_a_program_that_lacks_a_library_says_so_itself(tmp_path: Path) -> None:
    assert browser.why_not(program(tmp_path, "fine")) is None
    assert browser.why_not(program(tmp_path, "driver", LACKS_A_LIBRARY)) == "driver: libatomic.so.1: cannot open"
    assert browser.why_not(program(tmp_path, "silent", "exit 3")) == f"{tmp_path}/silent failed with exit code 3"
    assert "No such file" in (browser.why_not(tmp_path / "nothing") or "")


@pytest.mark.parametrize("there", [(), ("chromium",), ("driver",)], ids=["neither", "no driver", "no browser"])
def test_without_a_browser_or_its_driver_one_line_says_what_would_help(
    there: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver = program(tmp_path, "driver", "" if "driver" in there else LACKS_A_LIBRARY)
    if "chromium" in there:
        program(tmp_path, "chromium")

    assert browser.main({"PATH": str(tmp_path)}, driver, may_install=True) == 0  # there is no apt-get

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert browser.ADVICE in said
    assert ("libatomic.so.1" in said) == ("driver" not in there)
    assert ("no browser" in said) == ("chromium" not in there)


def test_with_both_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(tmp_path, "chromium")
    program(tmp_path, "apt-get", "exit 100")

    assert browser.main({"PATH": str(tmp_path)}, program(tmp_path, "driver"), may_install=True) == 0

    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("there", "installed"), [((), "chromium libatomic1"), (("chromium",), "libatomic1"), (("driver",), "chromium")]
)
def test_what_is_missing_is_installed_and_nothing_else(
    there: tuple[str, ...], installed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here apt-get brings the driver's library by putting a program in its place that runs."""
    driver = program(tmp_path, "driver", "" if "driver" in there else LACKS_A_LIBRARY)
    works = program(tmp_path, "works")
    if "chromium" in there:
        program(tmp_path, "chromium")
    calls = tmp_path / "calls"
    brings = f"/bin/cp {works} {driver}; /bin/cp {works} {tmp_path}/chromium"
    program(tmp_path, "apt-get", f'echo "$*" >> {calls}; {brings}')

    assert browser.main({"PATH": str(tmp_path)}, driver, may_install=True) == 0

    assert calls.read_text().endswith(f" --no-download {installed}\n")
    said = capsys.readouterr().err
    assert said == f"installing for the tests in a browser: apt-get install {installed}\n"


def test_what_could_not_be_installed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(tmp_path, "apt-get", '[ "$1" = update ] || { echo "E: No space left"; exit 100; }')
    driver = program(tmp_path, "driver", LACKS_A_LIBRARY)

    assert browser.main({"PATH": str(tmp_path)}, driver, may_install=True) == 0

    _announced, said = capsys.readouterr().err.splitlines()
    assert "(there is no browser; driver: libatomic.so.1: cannot open; E: No space left)" in said
    assert browser.ADVICE in said


def test_nothing_is_installed_where_that_is_not_for_us(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    program(tmp_path, "apt-get", f'echo "$*" >> {calls}')

    assert browser.main({"PATH": str(tmp_path)}, program(tmp_path, "driver"), may_install=False) == 0

    assert not calls.exists()
