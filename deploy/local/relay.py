"""Hands the log of all processes on to whoever watches, and does not wait for them."""

import queue
import threading
from collections.abc import Callable, Iterable

MOST_HELD = 2_000
"""Lines; a terminal that was stopped (Ctrl-S) or a pager that is not read has so many to come."""


def relay(lines: Iterable[str], show: Callable[[str], None], *, most_held: int = MOST_HELD) -> None:
    """Shows each line, until there are no more.

    A process whose output nobody takes stands still at its next line, and everything with it. So lines are taken at
    once, and those that can't be shown in time are left out, and counted: the files have all of them.
    """
    held: queue.Queue[str] = queue.Queue(most_held)
    threading.Thread(target=_show_all, args=(held, show), daemon=True).start()
    left_out = 0
    for line in lines:
        try:
            if left_out:
                held.put_nowait(f"… {left_out} lines were not read in time; the files in `logs` have them")
                left_out = 0
            held.put_nowait(line)
        except queue.Full:
            left_out += 1


def _show_all(held: "queue.Queue[str]", show: Callable[[str], None]) -> None:
    while True:
        show(held.get())
