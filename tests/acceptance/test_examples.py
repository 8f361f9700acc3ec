"""Every example of the documentation does what it says, word for word but for the ports."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.app import app
from services.gateway.openapi.operations import OPERATIONS
from services.gateway.problems import PROBLEMS
from shared import settings
from tests.acceptance.examples import ROOT, Answer, Session, blocks, compare, is_told, parse
from tests.acceptance.stack import Stack, running

pytestmark = pytest.mark.timeout(300)

RUNS = (
    *(("README.md", "sh"), ("docs/api.md", "sh"), ("docs/api.md", "python")),
    *(("docs/batches.md", "sh"), ("docs/scale.md", "sh"), ("docs/cli.md", "sh")),
)
LANGUAGES = ("sh", "python")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("examples")) as stack:
        yield stack


@pytest.mark.parametrize(("page", "language"), RUNS)
def test_the_examples_of_a_page_do_what_it_says(stack: Stack, tmp_path: Path, page: str, language: str) -> None:
    if language == "sh" and shutil.which("curl") is None:
        pytest.skip("curl is not installed, so its examples were not run: apt install curl")
    usual = settings.load({})
    session = Session(tmp_path, {usual.port: stack.config.port, usual.sample_port: stack.config.sample_port})
    run = [block for block in blocks(page) if block.language == language]
    assert run
    for block in run:
        session.run(block)


def test_each_operation_has_a_section_with_examples_for_curl_and_python() -> None:
    text = (ROOT / "docs/api.md").read_text()
    for operation in OPERATIONS:
        heading = re.search(rf"^## .*: `{operation.method.upper()} {re.escape(operation.path)}`$", text, re.MULTILINE)
        assert heading, f"{operation.id} has no section"
        section = text[heading.end() :].partition("\n## ")[0]
        for language in LANGUAGES:
            assert f"\n```{language}\n" in section, f"{operation.id} has no example in {language}"


def test_each_block_of_the_api_page_is_run() -> None:
    assert {block.language for block in blocks("docs/api.md")} == set(LANGUAGES)
    fences = (ROOT / "docs/api.md").read_text().count("\n```")
    assert fences == 2 * sum(1 + (block.answer is not None) for block in blocks("docs/api.md"))


def test_the_table_of_problems_is_whole_and_right() -> None:
    text = (ROOT / "docs/api.md").read_text().partition("## When it goes wrong")[2]
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.MULTILINE)
    told = {code: int(status) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    seen_at_once = {"invalid_url": 422}  # by the address alone, so that no check is made
    assert told == {code: kind.status for code, kind in PROBLEMS.items()} | seen_at_once


@pytest.mark.parametrize(
    ("said", "came"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {"a": 0}),
        ({"a": 1}, {}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": [1]}, {"a": [1, 1]}),
        ({"at": "2026-11-21T16:29:50.407000Z"}, {"at": None}),
        ({"id": "01a1fef1-51c7-71fa-a09a-68f6349cca43"}, {"id": "7"}),
        ({"checks": {"total": 1}}, {"checks": {"all": 1}}),
        ({"hosts": [{"host": "a"}]}, {"hosts": [{"host": 1}]}),
        ({"rate_per_s": 0.3}, {"rate_per_s": 3}),
        ({"status": "queued"}, {"status": "failed"}),
    ],
)
def test_a_wrong_answer_is_noticed(said: object, came: object) -> None:
    assert list(compare(Answer(json.dumps(said)), Answer(json.dumps(came))))
    assert not list(compare(Answer(json.dumps(said)), Answer(json.dumps(said))))


def test_each_command_has_an_example() -> None:
    told = "".join(block.text for block in blocks("docs/cli.md") if block.language == "sh")
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert f"wordwatch {name}" in told, name


def test_a_wrong_text_is_noticed() -> None:
    id_, other = "01a1fef1-51c7-71fa-a09a-68f6349cca43", "01a20341-7142-762b-874f-b36800000000"
    assert is_told(f"id {id_}\n…\nend\n", f"id {other}\n1\n2\nend\n")
    assert is_told("took 3 ms at 2026-11-21 16:29:50Z", "took 17 ms at 2026-11-22 01:00:00Z")
    for said, came in (("5  python", "6  python"), (id_, "none"), ("a\n…", "b\nc"), ("a", "a\nb")):
        assert not is_told(said, came)


def test_a_wrong_header_is_noticed() -> None:
    said = parse("HTTP/1.1 202 Accepted\nLocation: /a\n")
    assert said.status == 202
    for came in ("HTTP/1.1 202 Accepted\r\n\r\n", "HTTP/1.1 202 Accepted\r\nlocation: /b\r\n\r\n"):
        assert list(compare(said, parse(came)))
    assert not list(compare(said, parse("HTTP/1.1 202 Accepted\r\nlocation: /a\r\nServer: x\r\n\r\n")))
