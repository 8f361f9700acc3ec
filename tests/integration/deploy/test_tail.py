from collections.abc import Callable
from pathlib import Path

from deploy.local.tail import follow


def rounds(*steps: Callable[[], object]) -> Callable[[], bool]:
    """A `goes_on` that takes one step before each further look, and then says that no more can come."""
    waiting = list(steps)

    def goes_on() -> bool:
        if not waiting:
            return False
        waiting.pop(0)()
        return True

    return goes_on


def test_the_end_and_what_comes_is_shown_over_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "nsqd.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    seen: list[tuple[str, str]] = []

    def append() -> None:
        with log.open("a") as file:
            file.write("half a ")

    def complete() -> None:
        with log.open("a") as file:
            file.write("line\n")

    def rotate() -> None:
        log.rename(tmp_path / "nsqd-2026-01-01.log.old")
        log.write_text("anew\n")

    assert follow(tmp_path, "nsqd", lambda name, line: seen.append((name, line)), rounds(append, complete, rotate))

    assert seen[0] == ("nsqd", "line 80")
    assert seen[-3:] == [("nsqd", "line 99"), ("nsqd", "half a line"), ("nsqd", "anew")]


def test_a_service_with_many_processes_is_followed_by_one_name(tmp_path: Path) -> None:
    for name in ("fetcher-0", "fetcher-12", "fetcher-tests", "gateway"):
        (tmp_path / f"{name}.log").write_text("hello\n")
    seen: list[str] = []

    follow(tmp_path, "fetcher", lambda name, _line: seen.append(name), rounds())

    assert seen == ["fetcher-0", "fetcher-12"]


def test_no_such_log_is_told(tmp_path: Path) -> None:
    assert not follow(tmp_path, "fetcher", lambda _name, _line: None, rounds())
