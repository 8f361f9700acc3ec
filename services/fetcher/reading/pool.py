"""The children of one fetcher: at most two, made when they are wanted, kept warm, and ended when nothing comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.fetcher.counting import PageCount, Question
from services.fetcher.reading import wire
from services.fetcher.reading.deaths import Cause, cause_of, code_of
from services.fetcher.reading.limits import Limits
from services.fetcher.reading.metrics import Metrics
from services.fetcher.reading.process import Child, Died, NotBegun, Stuck
from shared.clock import MonotonicClock
from shared.errors import FetchError

log = structlog.get_logger(__name__)

_TICK_S = 1.0
_JUDGE_S = 0.5  # from a death at the limit to its verdict, which has to be there before the time is over
_LEAST_S = 0.2  # nearly every page is read in less; there is no use in beginning with even less time
_CLOSE_WITHIN_S = 5.0


class OutOfTime(Exception):
    """No child, or no processor, was free in time, or there was too little time to judge a page fairly."""


class ChildFailed(Exception):
    """The page could not be read by a fault that is not the page's."""


class Pool:
    """Reads pages in child processes; the death of one is told as an error of the page that it had.

    Args:
        path: Of the counting function, see `counter.path_of`.
        limits: Of each page.
        metrics: Where to count.
        clock: Monotonic seconds, those of `until_s`.
        size: Children at once.
        idle_s: A child that had nothing to do for so long is ended.
        recycle_bytes: A child that has ever held so much is not used again: it would keep the memory, and its peak,
            by which deaths are judged, would be another page's.
    """

    def __init__(
        self,
        path: str,
        *,
        limits: Limits,
        metrics: Metrics,
        clock: MonotonicClock,
        size: int = 2,
        idle_s: float = 60.0,
        recycle_bytes: int = 256 * 2**20,
    ) -> None:
        self._path = path
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._idle_s = idle_s
        self._recycle_bytes = recycle_bytes
        self._places = asyncio.Semaphore(size)
        self._killers = asyncio.Semaphore(max(1, size - 1))
        self._idle: list[tuple[Child, float]] = []
        self._busy: set[Child] = set()
        self._ending: set[Child] = set()

    @property
    def pids(self) -> list[int]:
        """Process ids of all children that live."""
        return [child.pid for child in (*(child for child, _ in self._idle), *self._busy, *self._ending)]

    async def read(
        self, body: bytes, content_type: str | None, question: Question, *, until_s: float, killer: bool, name: str
    ) -> PageCount:
        """Counts a page in a child. Cancelling kills the child.

        Args:
            body: The page, as for the counting function.
            content_type: Likewise.
            question: Likewise.
            until_s: Monotonic seconds until which the answer is of use.
            killer: The page has killed a child before: such ones never have all children.
            name: Of the check, for the log.

        Raises:
            FetchError: The page has no count; `poison` or `too_complex` when the child died of it.
            OutOfTime: See there.
            ChildFailed: See there.
        """
        async with self._place(until_s, killer=killer):
            try:
                answer = await self._ask(body, content_type, question, until_s, name)
            except (NotBegun, Stuck):
                # Not the page's doing, as far as one can tell: it gets a fresh child, once.
                answer = await self._ask_again(body, content_type, question, until_s, name)
        match answer:
            case wire.Read(page=page):
                return page
            case wire.Refused(code=code, detail=detail):
                raise FetchError(code, detail=detail)
            case wire.Failed(error=error):
                raise ChildFailed(error)

    async def run(self) -> None:
        """Ends what is idle and buries what has ended, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            since_s = self._clock() - self._idle_s
            for child, idle_at in list(self._idle):
                if idle_at <= since_s or not child.is_usable:
                    self._idle.remove((child, idle_at))
                    self._end(child)
            self._bury()

    async def close(self) -> None:
        """Kills all children and waits until they are gone."""
        for child in (*(child for child, _ in self._idle), *self._busy):
            self._end(child)
        self._idle.clear()
        self._busy.clear()
        async with asyncio.timeout(_CLOSE_WITHIN_S):
            await asyncio.gather(*(child.reap() for child in self._ending))
        self._ending.clear()

    @asynccontextmanager
    async def _place(self, until_s: float, *, killer: bool) -> AsyncIterator[None]:
        waited_for = (self._killers, self._places) if killer else (self._places,)
        taken: list[asyncio.Semaphore] = []
        try:
            try:
                async with asyncio.timeout(until_s - _LEAST_S - self._clock()):
                    for semaphore in waited_for:
                        await semaphore.acquire()
                        taken.append(semaphore)
            except TimeoutError as error:
                raise OutOfTime from error
            yield
        finally:
            for semaphore in taken:
                semaphore.release()

    async def _ask_again(
        self, body: bytes, content_type: str | None, question: Question, until_s: float, name: str
    ) -> wire.Answer:
        try:
            return await self._ask(body, content_type, question, until_s, name)
        except NotBegun as error:
            raise ChildFailed(f"no child could be started: {error}") from error
        except Stuck as error:
            raise ChildFailed("the child neither answered nor ended") from error

    async def _ask(
        self, body: bytes, content_type: str | None, question: Question, until_s: float, name: str
    ) -> wire.Answer:
        wall_s = min(self._limits.wall_s, until_s - self._clock() - _JUDGE_S)
        if wall_s < _LEAST_S:
            raise OutOfTime
        child = self._take()
        try:
            answer = await child.ask(body, content_type, question, limits=self._limits, wall_s=wall_s)
        except Died as died:
            self._end(child)
            self._judge(died, wall_s, name, child.pid)
            raise NotBegun(str(died)) from died
        except BaseException:
            self._end(child)
            raise
        self._put_back(child, answer)
        return answer

    def _judge(self, died: Died, wall_s: float, name: str, pid: int) -> None:
        cause = cause_of(died.death, memory_bytes=self._limits.memory_bytes, wall_s=wall_s)
        self._metrics.deaths.labels(cause.value).inc()
        log.warning("reading child died", check=name, cause=cause.value, how=str(died.death), pid=pid)
        too_short = wall_s < min(self._limits.wall_s, self._limits.cpu_s)  # one that is merely slow would look stuck
        if too_short and cause in {Cause.STARVED, Cause.TIME}:
            raise OutOfTime from died
        if cause is Cause.STARVED:  # an outcome all the same: hostile pages would starve each other for ever
            raise FetchError("deadline_exceeded", detail=f"{cause.value}: {died.death}") from died
        if cause is not Cause.OUTSIDE:
            raise FetchError(code_of(cause), detail=f"{cause.value}: {died.death}") from died

    def _take(self) -> Child:
        while self._idle:
            child, _ = self._idle.pop()
            if child.is_usable:
                self._busy.add(child)
                return child
            self._end(child)
        try:
            child = Child.start(self._path, self._limits.memory_bytes)
        except OSError as error:
            raise NotBegun(repr(error)) from error
        self._metrics.started.inc()
        self._busy.add(child)
        return child

    def _put_back(self, child: Child, answer: wire.Answer) -> None:
        if answer.peak_bytes >= self._recycle_bytes:
            self._end(child)
        elif child in self._busy:
            self._busy.discard(child)
            self._idle.append((child, self._clock()))

    def _end(self, child: Child) -> None:
        child.kill()
        self._busy.discard(child)
        self._ending.add(child)
        self._bury()

    def _bury(self) -> None:
        self._ending = {child for child in self._ending if child.reaped() is None}
