import io
import json

from services.cli import render
from services.cli.outcomes import ApiError, Unreachable
from services.cli.output import Output
from tests.unit.cli import documents


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_plain_lines_of_any_length() -> None:
    stdout = io.StringIO()
    long = documents.check(url="http://example.org/" + "a" * 3000)
    Output(as_json=False, stdout=stdout, stderr=io.StringIO()).show(render.checks([long]), render.check(long, []))
    lines = stdout.getvalue().splitlines()
    assert "\x1b" not in stdout.getvalue()
    assert lines[1].endswith("aaa")
    assert all(line == line.rstrip() for line in lines)


def test_a_terminal_gets_colours() -> None:
    stdout = Terminal()
    output = Output(as_json=False, stdout=stdout, stderr=io.StringIO())
    output.show(render.check_briefly(documents.failed_check()))
    assert output.is_terminal
    assert "\x1b[" in stdout.getvalue()


def test_documents_stand_in_one_line_each_and_hold_nothing_that_a_terminal_obeys() -> None:
    stdout = io.StringIO()
    value = {"title": "straße \x1b[2J \x9b2J \u2028 \x7f", "n": [1]}
    output = Output(as_json=True, stdout=stdout, stderr=io.StringIO())
    output.tell(value, "not this")
    output.document([])
    first, second = stdout.getvalue().split("\n")[:2]
    assert json.loads(first) == value
    assert "straße" in first
    assert not {"\x1b", "\x9b", "\u2028", "\x7f"} & set(first)
    assert second == "[]"


def test_problems_go_to_standard_error_or_are_documents() -> None:
    problem = {"title": "Gone", "detail": "It was deleted.", "code": "not_found", "errors": []}
    for error in (ApiError(404, problem), Unreachable("http://h", "gone")):
        stdout, stderr = io.StringIO(), io.StringIO()
        Output(as_json=False, stdout=stdout, stderr=stderr).problem(error)
        assert stdout.getvalue() == ""
        assert stderr.getvalue().startswith("error: ")
        stdout, stderr = io.StringIO(), io.StringIO()
        Output(as_json=True, stdout=stdout, stderr=stderr).problem(error)
        assert json.loads(stdout.getvalue())["code"] in {"not_found", "unreachable"}
        assert stderr.getvalue() == ""
