"""A stream of checks through the API while things die, and what became of each of them.

The client is the one that the API's documents ask for: it sends the same Idempotency-Key again after a 503 or a broken
connection, to the next gateway, and takes nothing for accepted before it has an answer with an id.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import aiohttp

from tests.acceptance.fleet import Fleet
from tests.acceptance.pages import Site, count_of, number_of
from tests.integration.servers import eventually

FINAL = ("done", "failed", "cancelled")
ACCEPTED_WITHIN_S = 60.0
_ASK_AGAIN_S = 0.2
_LOOK_EVERY_S = 0.4
_CLOCKS_S = 5.0  # what was asked for later than it was created is off by no more
_BROKEN = (aiohttp.ClientError, TimeoutError, ConnectionError)


@dataclass
class Check:
    """One check that was asked for, alone or as a line of a batch. Times are seconds since 1970."""

    number: int
    asked_at: float
    batch_id: str | None = None
    accepted_at: float | None = None
    ids: set[str] = field(default_factory=set)
    """All ids that its Idempotency-Key was answered with, or that its batch has for it."""
    final_at: float | None = None
    """When its final state was first seen."""
    final: dict[str, Any] | None = None
    """The check as it was then."""

    @property
    def id(self) -> str:
        (found,) = self.ids
        return found


class Stream:
    """Submits the pages of a site as checks, watches them, and judges.

    Attributes:
        pages: what it asks for.
        checks: by number of the page.
        refusals: when a request was answered with 503, or not at all: (time, what).
        faults: what must never be: any other answer from 400 up, final states that changed.
    """

    def __init__(self, sessions: Sequence[aiohttp.ClientSession], pages: Site) -> None:
        self.checks: dict[int, Check] = {}
        self.refusals: list[tuple[float, str]] = []
        self.faults: list[str] = []
        self._sessions = sessions
        self.pages = pages
        self._by_id: dict[str, Check] = {}
        self._open: dict[int, Check] = {}
        self._batches: set[str] = set()

    async def submit(self, number: int) -> Check:
        """Asks for page `number` until it is accepted."""
        check = self.checks.setdefault(number, Check(number, time.time()))
        body, headers = {"url": self.pages.url(number)}, {"Idempotency-Key": f"stream-{number}"}
        for turn in count(number):
            answer = await self.ask("POST", "/api/v1/checks", turn=turn, json=body, headers=headers)
            if answer is not None:
                self._accepted(check, answer)
                return check
            assert time.time() - check.asked_at < ACCEPTED_WITHIN_S, f"check {number} is not accepted"
            await asyncio.sleep(_ASK_AGAIN_S)
        raise AssertionError

    async def submit_all(self, numbers: Iterable[int], *, per_s: float) -> list[Check]:
        """Submits one after the other at a steady pace, whatever becomes of those before."""
        tasks = []
        async with asyncio.TaskGroup() as group:
            for number in numbers:
                tasks.append(group.create_task(self.submit(number)))
                await asyncio.sleep(1 / per_s)
        return [task.result() for task in tasks]

    def _accepted(self, check: Check, answer: dict[str, Any]) -> None:
        check.ids.add(answer["id"])
        self._by_id[answer["id"]] = check
        check.accepted_at = check.accepted_at or time.time()
        if check.final is None:
            self._open[check.number] = check

    def batch_accepted(self, batch_id: str, numbers: Iterable[int], *, asked_at: float) -> None:
        """Watches the checks of an accepted batch, too; `numbers` are those of its pages, each once."""
        self._batches.add(batch_id)
        for number in numbers:
            check = Check(number, asked_at, batch_id, accepted_at=time.time())
            self.checks[number] = self._open[number] = check

    @property
    def under_way(self) -> list[Check]:
        """Accepted, and not seen in a final state."""
        return list(self._open.values())

    async def look(self, *, whole: bool = True) -> bool:
        """Goes through the list of checks once; returns whether it got to its end.

        Args:
            whole: the list of all; else of those down to the oldest one that is under way.
        """
        cursor: str | None = None
        until = -math.inf if whole else min((each.asked_at for each in self._open.values()), default=math.inf)
        while True:
            query = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
            asked_at = time.time()
            page = await self.ask("GET", "/api/v1/checks", turn=len(self.refusals), params=query)
            if page is None:
                return False
            for item in page["items"]:
                self._saw(item, asked_at)
            cursor = page["next_cursor"]
            if cursor is None or _created(page["items"][-1]) < until - _CLOCKS_S:
                return True

    def _known(self, item: dict[str, Any]) -> Check | None:
        check = self._by_id.get(item["id"])
        if check is None and item["batch_id"] in self._batches:
            check = self.checks[number_of(item["url"])]
            check.ids.add(item["id"])
            self._by_id[item["id"]] = check
        return check

    def _saw(self, item: dict[str, Any], asked_at: float) -> None:
        check = self._known(item)
        if check is None:
            return  # its acceptance is still on its way to us
        if check.final_at is not None and asked_at > check.final_at and item != check.final:
            self.faults.append(f"a final state changed: {check.final} became {item}")
        if item["status"] in FINAL and check.final is None:
            check.final, check.final_at = item, time.time()
            self._open.pop(check.number, None)

    async def ask(self, method: str, path: str, *, turn: int, **options: Any) -> dict[str, Any] | None:
        """The answer's body; None after a broken connection and any other status than 200 and 202."""
        session = self._sessions[turn % len(self._sessions)]
        try:
            async with session.request(method, path, **options) as answer:
                body: dict[str, Any] = await answer.json()
                if answer.status in (200, 202):
                    return body
                self.refusals.append((time.time(), f"{answer.status} {body.get('code')} to {method}"))
                if answer.status != 503:
                    self.faults.append(f"{method} {path}: {answer.status} {body}")
        except _BROKEN as error:
            self.refusals.append((time.time(), f"{error!r} to {method}"))
        return None

    async def finish(self, check: Check, *, timeout_s: float) -> float:
        """Waits until a check is seen in a final state; returns how long that took, in seconds."""
        began = time.monotonic()

        async def seen() -> bool:
            if check.final is None:
                asked_at = time.time()
                item = await self.ask("GET", f"/api/v1/checks/{check.id}", turn=len(self.refusals))
                if item is not None:
                    self._saw(item, asked_at)
            return check.final is not None

        await eventually(seen, timeout_s=timeout_s, what=f"check {check.number} in a final state")
        return time.monotonic() - began

    async def settled(self, *, timeout_s: float) -> None:
        """Waits until nothing is under way, and looks once more."""
        await eventually(lambda: not self.under_way, timeout_s=timeout_s, what=f"all settled: {self.story()}")
        assert await self.look()

    def story(self) -> str:
        """Where it stands, for a message."""
        under_way = self.under_way
        return f"{len(under_way)} of {len(self.checks)} under way, as {[c.number for c in under_way[:10]]}"

    @property
    def lost(self) -> list[int]:
        """Accepted, and without a final state."""
        return [check.number for check in self.under_way]

    @property
    def wrong(self) -> list[dict[str, Any]]:
        """Final with anything else than what the page is made for: its count, after as many attempts as it fails."""
        return [final for final in self._finals() if not (self._is_right(final) and self._took_its_attempts(final))]

    @property
    def tried_more(self) -> list[dict[str, Any]]:
        """Of the wrong ones, those that ended right, after attempts that failed though their page did not."""
        return [final for final in self.wrong if self._is_right(final)]

    def _finals(self) -> list[dict[str, Any]]:
        return [check.final for check in self.checks.values() if check.final is not None]

    def _is_right(self, final: dict[str, Any]) -> bool:
        number = number_of(final["url"])
        is_gone = self.pages.page(number).gone
        wanted = ("failed", "http_error", None) if is_gone else ("done", None, {"python": count_of(number)})
        found = (final["status"], final["error"] and final["error"]["code"], final["counts"])
        return found == wanted

    def _took_its_attempts(self, final: dict[str, Any]) -> bool:
        """Of attempts whose outcome was lost, one may be a failure that the page is made for."""
        most = self.pages.page(number_of(final["url"])).attempts
        return final["attempts"] in range(1, most + 1)

    @property
    def doubled(self) -> list[int]:
        """Numbers whose one key was answered with several checks."""
        return [check.number for check in self.checks.values() if len(check.ids) > 1]

    async def extra_fetches(self) -> int:
        """Fetches beyond one for each attempt that had an outcome, as the pages' own server counted them."""
        told: int = sum(final["attempts"] for final in self._finals())
        return sum((await self.pages.seen()).hits.values()) - told


def _created(item: dict[str, Any]) -> float:
    return datetime.fromisoformat(item["created_at"]).timestamp()


async def tell_wrong(stream: Stream, stack: Fleet, most: int = 5) -> None:
    """Prints what the attempts of checks that ended wrong came to, and what the services said of them."""
    for final in stream.wrong[:most]:
        query = """SELECT string_agg(format('%s %s after %s', attempt, error_code, finished_at - started_at), ', ')
                   FROM attempts WHERE check_id = $1"""
        print(f"wrong: {final['url']} {final['counts']}, {await stack.postgres.ask(query, UUID(final['id']))}")
        for service in stack.services:
            print(
                *(f"wrong: {service.name} {line}" for line in service.log.splitlines() if final["id"] in line), sep="\n"
            )


@asynccontextmanager
async def streaming(
    sessions: Sequence[aiohttp.ClientSession], pages: Site, *, whole: bool = True
) -> AsyncIterator[Stream]:
    """A stream whose checks are watched all the time, until the block ends; `whole` as in `Stream.look`."""
    stream = Stream(sessions, pages)

    async def watch() -> None:
        while True:
            await stream.look(whole=whole)
            await asyncio.sleep(_LOOK_EVERY_S)

    watching = asyncio.create_task(watch())
    try:
        yield stream
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
