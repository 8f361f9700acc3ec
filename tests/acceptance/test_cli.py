"""The program `wordwatch` against a stack as a person starts it."""

import csv
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import launcher
from shared.version import VERSION
from tests.acceptance.program import Program
from tests.acceptance.stack import Stack, running
from tests.integration.servers import HOST, free_port

pytestmark = pytest.mark.timeout(300)

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # Slow pages are fetched to their end, also when nobody wants them any more: the others are not to wait for them.
    quick = {"WORDWATCH_HOST_RATE_PER_S": "0", "WORDWATCH_HOST_CONCURRENCY": "50"}
    with running(tmp_path_factory.mktemp("command line"), **quick) as stack:
        yield stack


@pytest.fixture
def program(stack: Stack, tmp_path: Path) -> Program:
    offset = stack.environ["WORDWATCH_PORT_OFFSET"]
    return Program(tmp_path, {"WORDWATCH_SERVER": stack.url, "WORDWATCH_PORT_OFFSET": offset})


@pytest.fixture
def page(stack: Stack) -> Callable[[str], str]:
    return lambda name: f"{HOST}:{stack.config.sample_port}/{name}"


Ran = subprocess.CompletedProcess[str]


def documents(ran: Ran) -> list[Any]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def id_in(text: str) -> str:
    found = ID.search(text)
    assert found is not None, text
    return found[0]


def test_the_set_up_installs_it_for_any_folder(stack: Stack, tmp_path: Path) -> None:
    program = stack.config.tools_dir / "venv" / "bin" / launcher.NAME
    assert str(program) in stack.output
    ran = subprocess.run([program, "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"wordwatch {VERSION}\n")


def test_a_check_shows_counts_and_why_there_are_none(program: Program, page: Callable[[str], str]) -> None:
    ran = program.run("check", page("plain.html"), page("nope.html"), "mailto:x", "-w", "python", "-w", "open source")

    assert ran.returncode == 1
    assert re.search(r"plain\.html  \S+\n  5  python\n  2  open source\n", ran.stdout)
    assert "http_error: " in ran.stdout
    assert "look for a typing error" in ran.stdout
    assert "/url: The address begins with mailto:" in ran.stderr
    assert "/docs/problems/invalid_url" in ran.stderr
    assert ESCAPE not in ran.stdout + ran.stderr
    assert program.run("check", page("plain.html")).returncode == 0


def test_options_of_a_check_are_sent(program: Program, page: Callable[[str], str]) -> None:
    options = ("--source", "--no-whole-word", "--case-sensitive", "--label", "sent", "-w", "Pytho", "--json")
    (check,) = documents(program.run("check", page("plain.html"), *options))
    assert (check["scope"], check["whole_word"], check["case_sensitive"]) == ("source", False, True)
    assert (check["label"], check["words"], check["status"]) == ("sent", ["Pytho"], "done")


def test_addresses_come_from_standard_input_too(program: Program, page: Callable[[str], str]) -> None:
    lines = f"{page('plain.html')}\n\n  {page('joined.html')}\n"
    for arguments in ((), ("-",)):
        ran = program.run("check", "--json", *arguments, stdin=lines)
        assert [check["total"] for check in documents(ran)] == [5, 5]
    assert program.run("check", stdin="\n").returncode == 2
    many = program.run("check", stdin="example.org\n" * 1001)
    assert many.returncode == 2
    assert "wordwatch batch" in many.stderr


def test_the_life_of_a_check(program: Program, page: Callable[[str], str]) -> None:
    late = program.run("check", page("slow.html"), "--wait", "0.5")
    id_ = id_in(late.stdout)
    assert late.returncode == 4
    assert program.run("check", page("slow.html"), "--no-wait").returncode == 0

    cancelled = program.run("cancel", id_, "--json")
    assert [each["status"] for each in documents(cancelled)] == ["cancelled"]
    retried = program.run("retry", id_)
    assert retried.returncode == 0
    assert re.search("queued|running", retried.stdout)
    program.run("cancel", id_)
    assert "no such" not in program.run("show", id_).stdout
    unsure = program.run("delete", id_)
    assert unsure.returncode == 2
    assert "--yes" in unsure.stderr
    assert program.run("delete", id_, "--yes").returncode == 0
    gone = program.run("show", id_)
    assert gone.returncode == 1
    assert "error: There is nothing here" in gone.stderr


def test_a_failed_check_is_shown_with_its_attempts_and_begun_anew(program: Program, page: Callable[[str], str]) -> None:
    (failed,) = documents(program.run("check", page("missing.html"), "--json"))
    again = program.run("retry", failed["id"], "--wait")
    assert again.returncode == 1
    shown = program.run("show", failed["id"])
    assert shown.returncode == 0
    assert len(re.findall(r"^ +\d +\d  .*http_error", shown.stdout, re.MULTILINE)) == 2
    (document,) = documents(program.run("show", failed["id"], "--json"))
    assert [attempt["run"] for attempt in document["attempts_made"]] == [1, 2]
    refused = program.run("cancel", failed["id"])
    assert refused.returncode == 1
    assert "It has ended already" in refused.stderr


@pytest.fixture(scope="module")
def finished(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A batch of all sorts of lines, waited for."""
    program = Program(tmp_path_factory.mktemp("finished"), {"WORDWATCH_SERVER": stack.url})
    place = f"{HOST}:{stack.config.sample_port}"
    lines = ["url,label", *(f"{place}/plain.html?{n},row {n}" for n in range(30))]
    lines += [f"{place}/nope.html,", f"{place}/nope2.html,", f"{place}/plain.html?1,", "mailto:x,"]
    (program.folder / "pages.csv").write_text("\n".join(lines), encoding="utf-8")
    return program.run("batch", "pages.csv", "--wait", "-w", "python", "--label", "all sorts")


def test_a_batch_is_waited_for_and_summed_up(finished: Ran) -> None:
    assert finished.returncode == 1
    assert "34: 30 done, 2 failed, 1 invalid, 1 duplicates" in finished.stdout
    assert re.search(r"^ +2  http_error +The server answered", finished.stdout, re.MULTILINE)
    assert re.search(r"^ +150  python$", finished.stdout, re.MULTILINE)
    assert "mailto:x" in finished.stdout
    assert ESCAPE not in finished.stdout + finished.stderr
    assert "━" not in finished.stderr


def test_a_batch_is_found_and_shown(program: Program, finished: Ran) -> None:
    id_ = id_in(finished.stdout)
    assert "all sorts" in program.run("show", id_).stdout
    (batch,) = documents(program.run("show", id_, "--json"))
    assert batch["errors_by_code"] == {"http_error": 2}
    (page,) = documents(program.run("list", "--batches", "--label", "all sorts", "--json"))
    assert [each["id"] for each in page["items"]] == [id_]
    failed = program.run("list", "--batch-id", id_, "--status", "failed")
    assert len(failed.stdout.splitlines()) == 3
    every = program.run("list", "--batch-id", id_, "--limit", "10", "--all", "--json")
    assert len(documents(every)) == 32
    retried = program.run("retry", id_, "--wait")
    assert retried.returncode == 1
    assert "2 failed" in retried.stdout


def test_results_are_exported_whole_and_nothing_is_overwritten(program: Program, finished: Ran) -> None:
    id_ = id_in(finished.stdout)
    target = program.folder / "results.csv"
    assert program.run("export", id_, "-o", "results.csv").returncode == 0
    with target.open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 34
    before = target.read_bytes()
    again = program.run("export", id_, "-o", "results.csv")
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert program.run("export", id_, "-o", "results.csv", "--format", "ndjson", "--force").returncode == 0
    assert target.read_bytes() != before
    assert sorted(path.name for path in program.folder.iterdir()) == ["bin", "results.csv"]
    lines = program.run("export", id_, "--json").stdout.splitlines()
    assert [json.loads(line)["line"] for line in lines] == list(range(2, 36))
    assert program.run("export", "01a1fef1-51c7-71fa-a09a-68f600000000", "-o", "none.csv").returncode == 1
    assert not (program.folder / "none.csv").exists()


def test_a_batch_of_standard_input_that_is_done(program: Program, page: Callable[[str], str]) -> None:
    ran = program.run("batch", "-", "--wait", "--json", stdin=f"{page('plain.html?a')}\n{page('plain.html?b')}\n")
    assert ran.returncode == 0
    assert [batch["done"] for batch in documents(ran)] == [2]
    left = program.run("batch", "-", "--format", "csv", stdin=f"url\n{page('plain.html?c')}\n")
    assert left.returncode == 0
    followed = program.run("show", id_in(left.stdout), "--wait")
    assert followed.returncode == 0
    assert "1 done" in followed.stdout


def test_an_archive_is_a_batch_too(program: Program, page: Callable[[str], str]) -> None:
    (program.folder / "pages.txt").write_text(page("plain.html?z") + "\n")
    packed = program.shell("python3 -m zipfile -c pages.zip pages.txt && wordwatch batch pages.zip --wait")
    assert packed.returncode == 0, packed.stderr
    assert "1 done" in packed.stdout


def test_what_is_no_batch_is_not_taken(program: Program) -> None:
    (program.folder / "empty.txt").write_text("\n")
    (program.folder / "pages").write_text("example.org\n")
    empty = program.run("batch", "empty.txt")
    assert empty.returncode == 3
    assert "error: The upload has no lines" in empty.stderr
    for name in ("pages", "missing.txt"):
        ran = program.run("batch", name)
        assert ran.returncode == 2
        assert "Traceback" not in ran.stderr
    assert program.run("batch", "pages", "--format", "txt", "-w", "a;b").returncode == 2


def test_ctrl_c_ends_the_waiting_and_not_the_batch(program: Program, page: Callable[[str], str]) -> None:
    (program.folder / "slow.txt").write_text(page("slow.html?c") + "\n")
    code, shown = program.interrupted("batch", "slow.txt", "--wait", when=lambda shown: "0 of 1" in shown)

    assert code == 130
    assert re.search(r"0 of 1.*\n.*The batch goes on\..* --wait\r?\n.*wordwatch cancel", shown, re.DOTALL)
    assert shown.rindex("0 of 1") < shown.index("The batch goes on")
    assert "Traceback" not in shown
    (batch,) = documents(program.run("show", id_in(shown), "--json"))
    assert batch["status"] == "running"
    assert program.run("cancel", batch["id"]).returncode == 0


def test_a_terminal_gets_a_bar_and_colours(program: Program, page: Callable[[str], str]) -> None:
    lines = [page(f"plain.html?t{n}") for n in range(20)]
    (program.folder / "pages.txt").write_text("\n".join(lines))
    code, shown = program.at_terminal("batch", "pages.txt", "--wait")
    assert code == 0
    assert "counting" in shown
    assert "━" in shown
    assert "20 of 20" in shown
    assert f"{ESCAPE}[" in shown


def test_the_state_of_the_whole(program: Program) -> None:
    assert re.search(r"^checks +[\d,]+: ", program.run("stats").stdout)
    (stats,) = documents(program.run("stats", "--json"))
    assert stats["fetchers"]
    assert program.run("stats", "--live").returncode == 2


def test_the_state_of_the_whole_as_it_changes(program: Program) -> None:
    code, text = program.interrupted("stats", "--live", when=lambda shown: shown.count("checks.bulk") > 1)
    assert code == 0
    assert "Traceback" not in text


def test_the_doctor_looks_at_the_whole_stack(program: Program, stack: Stack) -> None:
    ran = program.run("doctor")
    assert ran.returncode == 0, ran.stdout
    for what in ("gateway", "version", "clock", "database", "fetchers", "nsqlookupd", "nsqadmin", "PostgreSQL"):
        assert re.search(rf"^ok +{what} ", ran.stdout, re.MULTILINE), what
    assert str(stack.config.pg_port) in ran.stdout
    wrong = program.run("doctor", "--json", environ={"WORDWATCH_NSQADMIN_PORT": str(free_port())})
    assert wrong.returncode == 1
    (document,) = documents(wrong)
    assert [each["what"] for each in document["findings"] if each["state"] == "wrong"] == ["nsqadmin"]


@pytest.mark.parametrize(
    "command",
    [
        ("check", "example.org"),
        ("batch", "pages.txt", "--wait"),
        ("list",),
        ("show", "x"),
        ("retry", "x"),
        ("cancel", "x"),
        ("delete", "x", "--yes"),
        ("export", "x", "-o", "x.csv"),
        ("stats",),
    ],
    ids=lambda command: command[0],
)
def test_a_server_that_is_not_there(tmp_path: Path, command: tuple[str, ...]) -> None:
    server = f"http://{HOST}:{free_port()}"
    program = Program(tmp_path, {"WORDWATCH_SERVER": server})
    (tmp_path / "pages.txt").write_text("example.org\n")
    ran = program.run(*command)
    assert ran.returncode == 3
    assert ran.stderr.startswith(f"error: {server}: the connection was refused\n")
    (document,) = documents(program.run(*command, "--json"))
    assert document["code"] == "unreachable"
    assert not (tmp_path / "x.csv").exists()


def test_the_doctor_says_what_to_do_when_nothing_runs(tmp_path: Path) -> None:
    offset = str(free_port() - 8080)
    program = Program(tmp_path, {"WORDWATCH_SERVER": f"{HOST}:{free_port()}", "WORDWATCH_PORT_OFFSET": offset})
    ran = program.run("doctor")
    assert ran.returncode == 1
    assert re.search(
        r"^WRONG +gateway +the connection was refused\n +→ start it with make run", ran.stdout, re.MULTILINE
    )
    assert re.search(r"^WRONG +PostgreSQL +nothing listens", ran.stdout, re.MULTILINE)


def test_the_server_stands_in_a_file_or_an_option(program: Program, stack: Stack) -> None:
    here = {"WORDWATCH_SERVER": ""}
    (program.folder / ".config" / "wordwatch").mkdir(parents=True)
    file = program.folder / ".config" / "wordwatch" / "config.toml"
    file.write_text(f'server = "{stack.url}"\n')
    assert program.run("stats", environ=here).returncode == 0
    assert program.run("stats", "--server", "http://127.0.0.1:1").returncode == 3
    file.write_text("sever = 1\n")
    ran = program.run("stats", environ=here)
    assert ran.returncode == 2
    assert "sever is no setting" in ran.stderr


def test_a_reader_that_leaves_is_no_error_to_speak_of(program: Program, finished: Ran) -> None:
    id_ = id_in(finished.stdout)
    for command in (
        f"list --batch-id {id_} --all --limit 1",
        f"export {id_} --json",
        f"list --batch-id {id_} --all --json",
    ):
        ran = program.shell(f"wordwatch {command} | head -n 1")
        assert ran.stdout.count("\n") == 1
        assert "Traceback" not in ran.stderr
        assert "Exception" not in ran.stderr
        assert "rror" not in ran.stderr


def test_wrong_usage_is_told_without_a_server(tmp_path: Path) -> None:
    program = Program(tmp_path, {"WORDWATCH_SERVER": f"{HOST}:{free_port()}"})
    for arguments in (("--no-such",), ("check", "--wait", "x"), ("list", "--batches", "--host", "a"), ("nonsense",)):
        ran = program.run(*arguments)
        assert ran.returncode == 2, arguments
        assert ran.stderr
        assert "Traceback" not in ran.stderr
    assert "Commands" in program.run("--help").stdout
