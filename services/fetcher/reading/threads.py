"""Threads that count pages, and that do not keep a process from ending when one of them never returns."""

import asyncio
import queue
import threading
from dataclasses import dataclass

from services.fetcher.counting import PageCount, Question
from services.fetcher.reading.counter import Count

Page = tuple[bytes, str | None, Question]


class StuckThread(Exception):
    """A thread has been at one page for far too long. It can't be ended: the process has to."""


@dataclass(eq=False, slots=True)
class _Job:
    page: Page
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[PageCount]
    name: str
    ticks: int = 0


class CountingThreads:
    """Counts pages in daemon threads: the interpreter waits at its end for those of `ThreadPoolExecutor`.

    How many pages wait here is bounded by the checks in flight.
    """

    def __init__(self, threads: int, count: Count, *, stuck_ticks: int) -> None:
        """Starts the threads; a page that is still under way after so many calls of `tick` is stuck."""
        self._count = count
        self._stuck_ticks = stuck_ticks
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._under_way: set[_Job] = set()
        self._threads = [
            threading.Thread(target=self._work, name=f"count-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> int:
        """Pages that are being counted at this moment."""
        return len(self._under_way)

    async def count(self, page: Page, name: str) -> PageCount:
        """Counts a page. Cancelling only gives up the outcome.

        Raises:
            StuckThread: See there; also raised by `tick`.
            Exception: Whatever the counting function raises.
        """
        loop = asyncio.get_running_loop()
        job = _Job(page, loop, loop.create_future(), name)
        self._jobs.put(job)
        return await job.outcome

    def tick(self) -> None:
        """Called once a second while the event loop runs: a process that is stopped does not age its pages.

        Raises:
            StuckThread: A page is stuck; whoever waits for it gets the same.
        """
        for job in list(self._under_way):
            job.ticks += 1
            if job.ticks > self._stuck_ticks:
                error = StuckThread(f"check {job.name}: its page is still being counted after {job.ticks} s")
                if not job.outcome.done():
                    job.outcome.set_exception(error)
                raise error

    def close(self) -> None:
        """Lets the threads end that are not at a page."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.outcome.cancelled():
                continue
            self._under_way.add(job)
            try:
                found: PageCount | Exception = self._count(*job.page)
            except Exception as error:  # raised where the page is waited for
                found = error
            self._under_way.discard(job)
            try:
                job.loop.call_soon_threadsafe(_settle, job.outcome, found)
            except RuntimeError:
                return  # the loop has been closed: nobody waits any more
            del job, found


def _settle(outcome: asyncio.Future[PageCount], found: PageCount | Exception) -> None:
    if outcome.done():
        return
    if isinstance(found, Exception):
        outcome.set_exception(found)
    else:
        outcome.set_result(found)
