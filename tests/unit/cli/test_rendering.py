import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from services.cli import render, render_batches, render_state
from services.cli.outcomes import Unreachable
from services.cli.render_state import Finding
from tests.unit.cli import documents


def drawn(part: RenderableType, width: int = 100) -> list[str]:
    """The lines of it on a terminal without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(part)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_check_is_its_words_with_their_counts() -> None:
    assert drawn(render.check_briefly(documents.check())) == [
        f"http://example.org/about  {documents.ID}",
        "  1,234  python",
        "      0  open source",
    ]


def test_a_check_without_a_count_says_why_and_what_to_do() -> None:
    assert drawn(render.check_briefly(documents.failed_check()))[1:] == [
        "  http_error: The server answered.",
        "  Look for a typing error.",
    ]


def test_a_check_that_goes_on_shows_no_count() -> None:
    shown = drawn(render.check_briefly(documents.check(status="queued", counts=None, total=None)))
    assert shown[1:] == ["  queued"]


def test_all_of_a_check_has_its_matches_and_attempts() -> None:
    attempt = {"run": 1, "attempt": 2, "finished_at": "2026-11-21T16:29:50.6Z", "http_status": None, "fetcher": None}
    error = {"code": "lost", "message": "", "hint": ""}
    shown = "\n".join(drawn(render.check(documents.check(), [{**attempt, "error": error}])))
    for told in ("team page", "48,211 bytes", "…we write Python since…", "2026-11-21 16:29:50Z (took 3 ms)", "lost"):
        assert told in shown
    assert "batch" not in shown


def test_a_list_keeps_ids_whole_and_cuts_addresses() -> None:
    long = documents.check(url="http://example.org/" + "a" * 200)
    shown = drawn(render.checks([long, documents.failed_check()]), width=80)
    assert [line.split()[0] for line in shown] == ["id", documents.ID, documents.ID]
    assert all(len(line) <= 80 for line in shown)
    assert shown[1].endswith("…")
    assert "http_error" in shown[2]
    assert drawn(render.checks([])) == ["no checks"]


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    cleaned = render.clean(text)
    assert len(cleaned) == len(text)
    assert not {"\x1b", "\x9b", "\r", "\n", "\u202e", "\x00", "\x07", "\x08"} & set(cleaned)


def test_the_page_of_a_stranger_can_not_move_the_cursor_or_mark_text_up() -> None:
    bad = documents.check(title="\x1b[2J[red]x", snippets={"a": [{"before": "\x9b2J", "match": "[b]", "after": "\r"}]})
    shown = "\n".join(drawn(render.check(bad, [])))
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "[2J[red]x" in shown


def test_a_problem_shows_each_field_that_is_wrong() -> None:
    found = {"title": "Not valid", "detail": "both", "errors": [{"pointer": "/url", "message": "No."}]}
    page = "http://h/docs/problems/x"
    assert drawn(render.problem(found, "Change it.", page)) == [
        "error: Not valid",
        "  /url: No.",
        "  Change it.",
        f"  {page}",
    ]
    assert drawn(render.problem({"title": "Gone", "detail": "It was deleted.", "errors": []}, "", None)) == [
        "error: Gone",
        "  It was deleted.",
    ]


def test_who_does_not_answer_is_named_with_what_to_do() -> None:
    shown = drawn(render.unreachable(Unreachable("http://h:1", "the connection was refused")))
    assert shown[0] == "error: http://h:1: the connection was refused"
    assert "wordwatch doctor" in shown[2]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567, "1,234,567"), (98.64, "98.6"), (100.0, "100"), (1234.5, "1,234.5")]
)
def test_numbers_are_parted_by_thousands(value: float, text: str) -> None:
    assert render.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (85, "1 min 25 s"), (7500, "2 h 5 min")]
)
def test_durations_are_told_in_what_people_count_in(value: float, text: str) -> None:
    assert render.seconds(value) == text


def test_a_batch_is_told_by_its_states_errors_and_words() -> None:
    found = documents.batch(done=900, failed=91, errors_by_code={"dns_not_found": 11, "http_error": 80})
    shown = drawn(render_batches.batch(found))
    assert "lines      1,000: 900 done, 91 failed, 9 duplicates" in shown
    codes = [line.split()[1] for line in shown if "error" in line or "dns" in line]
    assert codes == ["http_error", "dns_not_found"]  # the most frequent first
    assert "8,812  python" in shown


def test_a_code_of_a_newer_server_is_shown_too() -> None:
    assert "quite_new" in drawn(render_batches.failures(documents.batch(errors_by_code={"quite_new": 1})))[1]


@pytest.mark.parametrize(
    ("different", "text"),
    [
        ({"status": "running", "rate_per_s": 210.44, "eta_s": 3}, "210.4/s, 3 s left"),
        ({"status": "running"}, ""),
        ({"status": "running", "rate_per_s": 2.0, "eta_s": None}, "2/s"),
        ({"status": "paused"}, "paused"),
    ],
)
def test_the_pace_is_told_as_far_as_it_is_known(different: dict[str, object], text: str) -> None:
    assert render_batches.pace(documents.batch(**different)) == text


def test_only_the_largest_words_are_shown() -> None:
    many = {f"w{number}": number for number in range(50)}
    shown = drawn(render_batches.words(documents.batch(word_totals=many)))
    assert shown[1].split() == ["49", "w49"]
    assert shown[-1] == "and 30 words more, which the export has"


def test_invalid_lines_say_why() -> None:
    items = [{"line": 7, "text": "mailto:x", "reason": "No."}, {"line": 1007, "text": "y", "reason": None}]
    assert drawn(render_batches.invalid_lines(items, 3)) == [
        "invalid lines",
        "    7  mailto:x",
        "       No.",
        "1,007  y",
        "",
        "and 3 more, which the export has",
    ]


def test_the_state_of_the_whole_fits_on_a_screen() -> None:
    shown = drawn(render_state.stats(documents.stats()))
    assert "due now  2, the first for 1 min 1 s" in shown
    assert any(line.startswith("example.org") for line in shown)
    down = drawn(render_state.stats(documents.stats(queues=None, fetchers=[], hosts=[])))
    assert "no nsqd answers the gateway" in down
    assert "no fetcher runs" in down


def test_a_finding_has_its_advice_below() -> None:
    found = [
        Finding("server", "well", "x"),
        Finding("nsqd", "wrong", "nothing", "start it"),
        Finding("a", "unknown", "-"),
    ]
    assert drawn(render_state.findings(found)) == [
        "ok     server  x",
        "WRONG  nsqd    nothing",
        "       → start it",
        "-      a       -",
    ]
