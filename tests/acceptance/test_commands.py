"""Every command of the README and of the start page is run, in order, as a person would; or it stands here why not."""

import re
import shutil
from pathlib import Path

import pytest

from shared import settings
from tests.acceptance.examples import ROOT, Session, blocks
from tests.acceptance.stack import Stack
from tests.acceptance.terminal import Terminal, inline, lines

pytestmark = pytest.mark.timeout(300)

PAGES = ("README.md", "docs/start.md", "docs/scale.md")
_BLOCKS = re.MULTILINE | re.DOTALL
NEEDS_DOCKER = "needs Docker: `make verify-compose` runs it"
ELSEWHERE = {
    "make test": "it runs this test",
    "make lab": "tests/acceptance/test_lab.py runs it",
    "make clean": "the start page ends with it",
    "docker compose up --build": NEEDS_DOCKER,
    "docker compose up -d --scale fetcher=3": NEEDS_DOCKER,
}
"""Commands that are not run here, and why."""


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(ROOT / ".env.example", folder)
    return Terminal(Stack(tmp_path / "home"), folder)


def shell_lines(page: str) -> list[str]:
    return [line for block in blocks(page) if block.language == "shell" for line in lines(block)]


def test_the_start_page_works_from_its_top_to_its_end(terminal: Terminal, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed, so its examples were not run: apt install curl")
    usual, here = settings.load({}), terminal.stack.config
    session = Session(tmp_path, {usual.port: here.port, usual.sample_port: here.sample_port})
    try:
        for block in blocks("docs/start.md"):
            if block.language == "shell":
                for line in lines(block):
                    terminal.run(line)
            else:
                assert block.language == "sh"
                session.run(block)
    finally:
        terminal.stack.close()
    assert not (terminal.stack.home / "postgres").exists(), "make clean has left it"
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 4


def test_the_commands_of_the_readme_work(terminal: Terminal) -> None:
    run = [line for line in shell_lines("README.md") if line not in ELSEWHERE]
    assert run
    try:
        for line in run:
            if line == "make stop":  # the commands in the text are for a stack that runs
                for command in inline("README.md"):
                    if command not in {*run, *ELSEWHERE}:
                        terminal.run(command)
            terminal.run(line)
    finally:
        terminal.stack.close()


def test_the_password_that_the_readme_makes_for_docker_is_in_the_file(terminal: Terminal) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    making = [line for line in shell_lines("README.md") if ".env" in line]
    assert len(making) == 2
    for line in making:
        terminal.run(line)
    last = (terminal.stack.home.parent / "folder" / ".env").read_text().splitlines()[-1]
    assert last.startswith("WORDWATCH_POSTGRES_PASSWORD=")
    assert len(last.partition("=")[2]) == 48


@pytest.mark.parametrize("command", [command for command in ELSEWHERE if command.startswith("make ")])
def test_what_is_run_elsewhere_is_a_target(terminal: Terminal, command: str) -> None:
    planned = terminal.stack.make("--dry-run", *command.split()[1:])
    assert planned.returncode == 0, planned.stderr


def test_the_commands_of_the_page_about_scaling_are_those_of_the_readme() -> None:
    assert set(shell_lines("docs/scale.md")) <= set(shell_lines("README.md"))


def test_only_commands_that_stand_there_are_excused() -> None:
    assert set(ELSEWHERE) <= {line for page in PAGES for line in shell_lines(page)}


@pytest.mark.parametrize("page", PAGES)
def test_no_command_hides_in_a_block_without_a_language(page: str) -> None:
    """Such a block is a picture, or what a program prints."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for picture in re.findall(
        r"^```\n(.*?)^```$", re.sub(r"^```\w+\n.*?^```$", "", text, flags=_BLOCKS), flags=_BLOCKS
    ):
        assert not re.search(r"^\$? ?(make|docker|curl|cp|git|python3?|pip) ", picture, re.MULTILINE), picture
