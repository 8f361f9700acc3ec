"""How the tests come by a browser; `apt-get` is a script here that does as it is told."""

import os
from pathlib import Path

import pytest

from deploy.local import browser
from shared.settings import SettingError


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


def test_it_is_installed_in_three_steps(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    apt_get = program(tmp_path, "apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {calls}')

    assert browser.install(str(apt_get), os.environ) is None

    update, fetch, install = calls.read_text().splitlines()
    assert update.startswith("noninteractive update ")
    assert "--download-only" in fetch
    assert install == "noninteractive install -qq --yes --no-install-recommends --no-download chromium"


def test_a_failure_is_told_by_the_last_line_of_apt_get(tmp_path: Path) -> None:
    script = '[ "$1" = update ] && exit 100; echo trying; echo "E: Unable to locate package chromium"; exit 100'
    apt_get = program(tmp_path, "apt-get", script)

    assert browser.install(str(apt_get), os.environ) == "E: Unable to locate package chromium"


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    apt_get = program(tmp_path, "apt-get", "exec sleep 300")

    failure = browser.install(str(apt_get), os.environ, [browser.Step(("update",), 0.2)])

    assert failure == "apt-get update took more than 0.2 s"


def test_without_a_browser_one_line_says_what_would_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert browser.main({"PATH": str(tmp_path)}) == 0

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert browser.ADVICE in said


def test_with_a_browser_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program(tmp_path, "chromium")

    assert browser.main({"PATH": str(tmp_path)}) == 0

    assert capsys.readouterr() == ("", "")
