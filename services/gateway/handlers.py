"""The part of the API that only reads: awaits and calls, decides nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import hdrs, web

from services.gateway import cursors
from services.gateway.answers import API, CHECKS, check_id_of, json_answer, next_page, no_such_check
from services.gateway.filters import first_at
from services.gateway.requests import ListRequest, list_request, no_parameters
from services.gateway.stats import StatsReader
from services.gateway.store import READ_TIMEOUT_S, Store
from services.gateway.views import AttemptList, CheckList, CheckView, VersionView
from shared.version import RULE_VERSION, VERSION

_DESCRIBED: Final = f'<{API}/openapi.json>; rel="service-desc", </docs>; rel="service-doc"'  # RFC 8631


class Api:
    """The handlers, and what they need."""

    def __init__(self, store: Store, stats: StatsReader) -> None:
        self._store = store
        self._stats = stats

    def routes(self) -> list[web.RouteDef]:
        """Where each handler answers."""
        return [
            web.get(CHECKS, self.list_checks),
            web.get(f"{CHECKS}/{{id}}", self.show_check),
            web.get(f"{CHECKS}/{{id}}/attempts", self.show_attempts),
            web.get(f"{API}/stats", self.show_stats),
            web.get(f"{API}/version", self.show_version),
        ]

    async def show_check(self, request: web.Request) -> web.Response:
        """`GET /checks/{id}`."""
        no_parameters(request.query.items())
        return json_answer(await self.find_check(request))

    async def find_check(self, request: web.Request) -> CheckView:
        """The check whose id stands in the path.

        Raises:
            Problem: `not_found`.
        """
        check = await self._store.check(check_id_of(request))
        if check is None:
            raise no_such_check()
        return check

    async def show_attempts(self, request: web.Request) -> web.Response:
        """`GET /checks/{id}/attempts`."""
        no_parameters(request.query.items())
        return json_answer(await self.find_attempts(request))

    async def find_attempts(self, request: web.Request) -> AttemptList:
        """The attempts of the check whose id stands in the path.

        Raises:
            Problem: `not_found`.
        """
        attempts = await self._store.attempts(check_id_of(request))
        if attempts is None:
            raise no_such_check()
        return AttemptList(items=attempts)

    async def find_trace(self, request: web.Request) -> str:
        """The id of the request that made the check whose id stands in the path; it may be empty."""
        return await self._store.trace(check_id_of(request))

    async def list_checks(self, request: web.Request) -> web.Response:
        """`GET /checks`: newest first, page by page."""
        asked = list_request(request.query.items())
        page = await self.page_of_checks(asked)
        return json_answer(page, headers=next_page(request, asked.limit, page.next_cursor))

    async def page_of_checks(self, asked: ListRequest, *, timeout_s: float = READ_TIMEOUT_S) -> CheckList:
        """A page of the list of checks.

        Raises:
            Problem: the cursor is none of this list's.
            StoreUnavailable: the database does not answer within `timeout_s`.
        """
        name = asked.name()
        before = cursors.place_of(asked.cursor, belongs_to=name)
        items, more = await self._store.checks(
            asked.wanted,
            limit=asked.limit,
            before=before,
            oldest_first=asked.sort == "oldest",
            timeout_s=timeout_s,
        )
        following = cursors.encode(items[-1].id, belongs_to=name) if more else None
        return CheckList(items=items, next_cursor=following)

    async def newest_problems(self, asked: ListRequest, *, since: datetime, most: int) -> Sequence[CheckView]:
        """The newest checks of a list that have failed and were asked for since; [] where it shows these anyway.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        wanted = asked.wanted
        if asked.cursor is not None or asked.sort != "newest" or wanted.status is not None or wanted.error is not None:
            return []
        first = max(id_ for id_ in (wanted.from_id, first_at(since)) if id_ is not None)
        failed = msgspec.structs.replace(wanted, status="failed", from_id=first)
        items, _ = await self._store.checks(failed, limit=most, before=None)
        return items

    async def show_stats(self, request: web.Request) -> web.Response:
        """`GET /stats`."""
        no_parameters(request.query.items())
        return json_answer(await self._stats.read())

    async def show_version(self, request: web.Request) -> web.Response:
        """`GET /version`."""
        no_parameters(request.query.items())
        view = VersionView(version=VERSION, api="v1", rule_version=RULE_VERSION)
        return json_answer(view, headers={hdrs.LINK: _DESCRIBED})
