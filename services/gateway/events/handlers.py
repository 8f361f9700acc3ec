"""The handler of `GET /events`: awaits and calls."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import hdrs, web

from services.gateway.answers import API, no_such_check
from services.gateway.batches.reading import no_such_batch
from services.gateway.events import positions
from services.gateway.events.asking import Followed, followed
from services.gateway.events.encoding import COMMENT, CONTENT_TYPE
from services.gateway.events.feed import EVERY_S, Feed, TooManyFollowers
from services.gateway.events.groups import Follower
from services.gateway.events.store import EventStore
from services.gateway.problems import Problem
from services.gateway.store import StoreUnavailable

EVENTS: Final = f"{API}/events"
COMMENT_EVERY_S: Final = 15.0
TAKEN_WITHIN_S: Final = 30.0
"""Who does not take an event for so long has gone."""
_AGAIN_AFTER_S: Final = 1.0
_LAST_EVENT_ID: Final = "Last-Event-ID"


class Events:
    """The handler, and what it needs."""

    def __init__(self, feed: Feed, store: EventStore) -> None:
        self._feed = feed
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [web.get(EVENTS, self.stream)]

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """`GET /events`: a snapshot, or what has changed since `Last-Event-ID`, and then what changes."""
        wanted = followed(request.query.items())
        last = positions.decode(request.headers.get(_LAST_EVENT_ID, ""))
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: CONTENT_TYPE, "X-Accel-Buffering": "no"})
        try:
            async with self._feed.follow(wanted) as follower:
                first = None if last is None else await self._feed.since(wanted, last)
                if first is None:
                    await self._require(wanted)
                    first = await self._feed.snapshot(wanted)
                if request.method == hdrs.METH_HEAD:
                    return response
                await response.prepare(request)
                await self._send(response, wanted, follower, first)
        except TooManyFollowers:
            raise Problem("too_many_waiting", "No connection more can follow here now.") from None
        return response

    async def _require(self, wanted: Followed) -> None:
        """Refuses to follow what is not there."""
        checks, batches = await self._store.states(
            [] if wanted.check_id is None else [wanted.check_id], [] if wanted.batch_id is None else [wanted.batch_id]
        )
        if wanted.check_id is not None and not checks:
            raise no_such_check()
        if wanted.batch_id is not None and not batches:
            raise no_such_batch()

    async def _send(self, response: web.StreamResponse, wanted: Followed, follower: Follower, first: bytes) -> None:
        """Sends until nothing more comes, or nobody takes it."""
        loop = asyncio.get_running_loop()
        try:
            await _write(response, first or COMMENT)
            while not follower.is_over:
                next_at = loop.time() + EVERY_S
                event = await self._next(wanted, follower)
                if event is not COMMENT:
                    await asyncio.sleep(next_at - loop.time())
                await _write(response, event)
        except (ConnectionError, TimeoutError):
            return  # whoever followed has gone
        await response.write_eof()

    async def _next(self, wanted: Followed, follower: Follower) -> bytes:
        """What is to be sent next: an event, or a comment that keeps the connection open."""
        try:
            async with asyncio.timeout(COMMENT_EVERY_S):
                while True:
                    await follower.has_news.wait()
                    if follower.is_lost and not follower.is_over:
                        follower.begin_anew()
                        return await self._snapshot(wanted, follower)
                    event = follower.take()
                    if event is not None or follower.is_over:
                        return event or COMMENT
        except TimeoutError:
            return COMMENT

    async def _snapshot(self, wanted: Followed, follower: Follower) -> bytes:
        """A snapshot as soon as there is one; until then it has lost the thread."""
        try:
            return await self._feed.snapshot(wanted)
        except StoreUnavailable:
            follower.lose()
            await asyncio.sleep(_AGAIN_AFTER_S)
            return COMMENT


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(TAKEN_WITHIN_S):
        await response.write(data)
