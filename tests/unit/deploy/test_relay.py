"""That nobody has to watch a stack for it to go on."""

import threading
from collections.abc import Iterator

from deploy.local.relay import relay

HELD = 10
LINES = [str(number) for number in range(1_000)]


def test_lines_are_taken_though_nobody_reads_and_what_is_left_out_is_said() -> None:
    shown: list[str] = []
    reads, caught_up, ended = threading.Event(), threading.Event(), threading.Event()

    def show(line: str) -> None:
        assert reads.wait(20)
        shown.append(line)
        if len(shown) == HELD:
            caught_up.set()
        if line == "last":
            ended.set()

    def lines() -> Iterator[str]:
        yield from LINES
        reads.set()  # all of them were taken before anybody read one
        assert caught_up.wait(20)
        yield "last"

    relay(lines(), show, most_held=HELD)
    assert ended.wait(20)
    said = [int(line.split()[1]) for line in shown if line.startswith("…")]
    kept = [line for line in shown[:-1] if not line.startswith("…")]
    assert kept[:HELD] == LINES[:HELD]
    assert HELD <= len(kept) <= HELD + 1  # one may have been about to be shown
    assert len(kept) + sum(said) == len(LINES)
