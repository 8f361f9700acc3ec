"""People at work: submits, shows, lists and looks at pages at a steady pace, and remembers what was answered.

async with working(stack, pages) as load:
    ...                         # trouble
await load.settle(within_s=60)  # every accepted check is there, final, and right
load.judge()                    # and every answer was one that may be given
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.acceptance.fleet import Fleet
from tests.acceptance.pages import Site, count_of

CHECKS = "/api/v1/checks"
LONGEST_S = 10.0
"""No request may take longer, but for one that asked to wait."""
_WAIT_S = 5
_CUT_AFTER_S = 30.0
_MAY_BE = frozenset({200, 202, 303, 503})
_SUBMITTERS = 8
_PACE_S = 0.25
_LOOKS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: to what, its status (0: none came), after how long, and when the request began."""

    what: str
    status: int
    took_s: float
    began_s: float
    retry_after: str | None
    text: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_allowed(self) -> bool:
        """Whether it may be given while something is missing."""
        longest_s = LONGEST_S + (_WAIT_S if self.what == "submit and wait" else 0)
        says_when = self.status != 503 or (self.retry_after or "").isdecimal()
        may_be = self.status in _MAY_BE or (self.status == 409 and self.what == "cancel")
        return may_be and says_when and self.took_s <= longest_s


class Load:
    """Several people, each with a task; they take the gateways in turn.

    Attributes:
        accepted: Ids of accepted checks, each with the number of its page.
        cancelled: Those of them of which it was said that they are cancelled.
        answers: All answers so far.
    """

    def __init__(self, stack: Fleet, pages: Site, *, first_number: int = 0) -> None:
        self.accepted: dict[str, int] = {}
        self.cancelled: set[str] = set()
        self.answers: list[Answer] = []
        timeout = aiohttp.ClientTimeout(total=60)
        self._sessions = [aiohttp.ClientSession(gateway.url, timeout=timeout) for gateway in stack.gateways]
        self._pages = pages
        self._number = first_number
        self._turn = 0
        self._stopping = asyncio.Event()

    def _session(self) -> aiohttp.ClientSession:
        self._turn += 1
        return self._sessions[self._turn % len(self._sessions)]

    async def run(self) -> None:
        """Works until `stop`, and then until each check begun is accepted."""
        people: list[Callable[[], Awaitable[Any]]] = [
            *[self._submit] * _SUBMITTERS,
            lambda: self._submit(wait=True),
            self._submit_form,
            self._cancel,
            lambda: self.ask("list", "GET", CHECKS, params={"limit": "20"}),
            lambda: self.ask("stats", "GET", "/api/v1/stats"),
            lambda: self.ask("version", "GET", "/api/v1/version"),
            lambda: self.ask("page", "GET", "/", headers={"Accept": "text/html"}),
            self._show,
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for person in people:
                    group.create_task(self._repeat(person))
        finally:
            await asyncio.gather(*(session.close() for session in self._sessions))

    def stop(self) -> None:
        """Begins nothing more."""
        self._stopping.set()

    async def _repeat(self, work: Callable[[], Awaitable[Any]]) -> None:
        while not self._stopping.is_set():
            await work()
            await asyncio.sleep(_PACE_S)

    async def ask(self, what: str, method: str, path: str, **options: Any) -> tuple[Answer, Any]:
        """One request, remembered; returns the answer and its JSON."""
        began_s = time.monotonic()
        status, headers, text, body = 0, {}, "", None
        try:
            async with self._session().request(method, path, allow_redirects=False, **options) as answer:
                status, headers = answer.status, dict(answer.headers)
                if answer.content_type.endswith("json"):
                    body = await answer.json()
                text = (await answer.text())[:300]
        except (aiohttp.ClientError, TimeoutError) as error:
            text = repr(error)
        took_s = time.monotonic() - began_s
        found = Answer(what, status, took_s, began_s, headers.get("Retry-After"), text, headers)
        self.answers.append(found)
        return found, body

    async def _submit(self, *, wait: bool = False) -> str | None:
        """One check, with a key, asked for again as often as told to; returns its id."""
        self._number += 1
        number = self._number
        headers = {"Idempotency-Key": f"load-{number}"} | ({"Prefer": f"wait={_WAIT_S}"} if wait else {})
        json = {"url": self._pages.url(number)}
        answer, body = await self._insist("submit and wait" if wait else "submit", CHECKS, json=json, headers=headers)
        if answer.status not in (200, 202):
            return None  # `judge` tells
        self.accepted[body["id"]] = number
        return str(body["id"])

    async def _insist(self, what: str, path: str, **options: Any) -> tuple[Answer, Any]:
        """POSTs, and again after each Retry-After."""
        while True:
            answer, body = await self.ask(what, "POST", path, **options)
            if answer.status != 503 or answer.retry_after is None:
                return answer, body
            await asyncio.sleep(float(answer.retry_after))

    async def _cancel(self) -> None:
        """One check, cancelled if it is not done before."""
        id_ = await self._submit()
        if id_ is not None:
            answer, _ = await self._insist("cancel", f"{CHECKS}/{id_}/cancel")
            if answer.status == 200:
                self.cancelled.add(id_)

    async def _submit_form(self) -> None:
        self._number += 1
        data = {"address": self._pages.url(self._number)}
        await self.ask("form", "POST", "/tasks", data=data, headers={"Accept": "text/html"})

    async def _show(self) -> None:
        if self.accepted:
            await self.ask("show", "GET", f"{CHECKS}/{next(reversed(self.accepted))}")
            await self.ask("check's page", "GET", f"/checks/{next(reversed(self.accepted))}")

    async def settle(self, api: aiohttp.ClientSession, *, within_s: float) -> float:
        """Waits until every accepted check is done with the right count, or cancelled.

        Returns:
            After how many seconds that was.
        """
        began_s, gate = time.monotonic(), asyncio.Semaphore(_LOOKS_AT_ONCE)
        open_ = dict(self.accepted)

        async def look(id_: str) -> None:
            async with gate:
                if await self._is_settled(api, id_, open_[id_]):
                    del open_[id_]

        while open_:
            await asyncio.gather(*(look(id_) for id_ in list(open_)))
            took_s = time.monotonic() - began_s
            left = f"{len(open_)} of {len(self.accepted)} not final after {took_s:.0f} s: {list(open_)[:5]}"
            assert took_s < within_s, left
            await asyncio.sleep(0.2)
        return time.monotonic() - began_s

    async def _is_settled(self, api: aiohttp.ClientSession, id_: str, number: int) -> bool:
        async with api.get(f"{CHECKS}/{id_}") as answer:
            check = await answer.json()
        if answer.status == 503:
            return False
        assert answer.status == 200, f"accepted and lost: {id_}: {check}"
        if check["status"] not in ("done", "failed", "cancelled"):
            return False
        counts = None if id_ in self.cancelled else {"python": count_of(number)}
        assert (check["status"] == "cancelled", check["counts"]) == (counts is None, counts), check
        return True

    def judge(self) -> None:
        """Raises AssertionError with the answers that may not be given."""
        wrong = [answer for answer in self.answers if not answer.is_allowed]
        assert not wrong, f"{len(wrong)} of {len(self.answers)}: {wrong[:10]}"

    def summary(self, since_s: float = 0.0) -> str:
        """How many answers of each status, and the slowest of each kind, for people."""
        answers = [answer for answer in self.answers if answer.began_s >= since_s]
        statuses = Counter(answer.status for answer in answers)
        slowest: dict[str, float] = {}
        for answer in answers:
            slowest[answer.what] = max(slowest.get(answer.what, 0.0), answer.took_s)
        slow = ", ".join(f"{what} {took_s:.1f}" for what, took_s in sorted(slowest.items(), key=lambda p: -p[1]))
        return f"{dict(sorted(statuses.items()))}; slowest [s]: {slow}"


@asynccontextmanager
async def working(stack: Fleet, pages: Site, *, first_number: int = 0) -> AsyncIterator[Load]:
    """People at work for as long as the block lasts; when it ends, what they have begun is accepted."""
    load = Load(stack, pages, first_number=first_number)
    task = asyncio.create_task(load.run())
    try:
        yield load
        load.stop()
        async with asyncio.timeout(_CUT_AFTER_S):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
