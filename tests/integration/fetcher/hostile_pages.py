"""A counting function that does what a hostile page makes a parser do, when the page says so.

hostile("abort")   # the page; any other page is counted as usual
"""

import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable

from services.fetcher.counting import PageCount, Question, count_page

_ASKED = re.compile(rb"<!-- hostile:(\w+) -->")
_FOR_EVER_S = 3600
_BLOCK_BYTES = 16 * 2**20
_libc = ctypes.PyDLL(None)  # calls that keep the GIL


def hostile(deed: str, *, padding: int = 0) -> str:
    """A page with one `python` on it; with `padding` of over 64 KiB it is not counted on the event loop."""
    return f"<!-- hostile:{deed} --><p>python</p>" + "<p>filler</p>\n" * (padding // 14)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _spin() -> None:
    re.fullmatch("(a|a)*b", "a" * 64)  # takes 2^64 steps in C, with the GIL


def _stall() -> None:
    _libc.sleep(_FOR_EVER_S)


def _balloon() -> None:
    blocks = []
    while True:
        blocks.append(b"x" * _BLOCK_BYTES)


def _be_refused() -> None:
    if threading.current_thread() is threading.main_thread() and "services.fetcher.app" in sys.modules:
        raise MemoryError  # in the fetcher; a child has not even heard of the app


def _raise() -> None:
    raise RuntimeError("a defect of ours")


DEEDS: dict[str, Callable[[], object]] = {
    "abort": os.abort,
    "crash": _crash,
    "spin": _spin,
    "stall": _stall,
    "sleep": lambda: time.sleep(_FOR_EVER_S),
    "nap": lambda: time.sleep(1.0),
    "balloon": _balloon,
    "refused": _be_refused,
    "error": _raise,
}


def count(body: bytes, content_type: str | None, question: Question) -> PageCount:
    found = _ASKED.search(body[:100])
    if found:
        DEEDS[found[1].decode()]()
    return count_page(body, content_type, question)
