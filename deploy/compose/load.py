"""Checks submitted side by side, with a record of each that was accepted."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from deploy.sample_site.site import Page

SIDE_BY_SIDE = 16


class Load:
    """Submits checks of the given pages in turn; `accepted` has the right counts by id of each that was accepted.

    Args:
        submit: Has a check accepted: takes body and Idempotency-Key, returns the id.
        pages: What to check.
        site: Where the pages are, as `http://host:port`.
        label: Of these checks.
        page_takes_ms: How long each page takes.
    """

    def __init__(
        self,
        submit: Callable[[dict[str, Any], str], str],
        pages: list[Page],
        *,
        site: str,
        label: str,
        page_takes_ms: int,
    ) -> None:
        self._submit = submit
        self._pages = pages
        self._site = site
        self.label = label
        self._page_takes_ms = page_takes_ms
        self.accepted: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()
        self._enough = threading.Event()

    def submit(self, number: int) -> None:
        """Submits so many, as fast as it goes; raises what goes wrong."""
        self._run(range(number), every_s=0.0)

    @contextmanager
    def going_on(self, *, at_least: int, every_s: float) -> Iterator[None]:
        """Submits one every `every_s` for as long as the block lasts, and then until `at_least` are accepted."""
        self._enough.clear()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self._run, self._while_going_on(), every_s=every_s)
            try:
                yield
            finally:
                self._enough.set()
            running.result()
        self._run(range(len(self.accepted), at_least), every_s=every_s)

    def _while_going_on(self) -> Iterator[int]:
        number = 0
        while not self._enough.is_set():
            yield number
            number += 1

    def _run(self, numbers: Iterable[int], *, every_s: float) -> None:
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            under_way: list[Future[None]] = []
            next_s = time.monotonic()
            for number in numbers:
                under_way.append(pool.submit(self._submit_one, number))
                next_s += every_s
                time.sleep(max(0.0, next_s - time.monotonic()))
            for each in under_way:
                each.result()

    def _submit_one(self, number: int) -> None:
        page = self._pages[number % len(self._pages)]
        body = {
            "url": f"{self._site}/{page.path}?n={number}&wait_ms={self._page_takes_ms}",
            "words": list(page.counts),
            "label": self.label,
        }
        check_id = self._submit(body, f"{self.label}-{number}")
        with self._lock:
            self.accepted[check_id] = page.counts
