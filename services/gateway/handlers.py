"""The HTTP API: awaits and calls, decides nothing itself."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from aiohttp import hdrs, web

from services.gateway import cursors, headers
from services.gateway.middlewares import TRACE, read_body
from services.gateway.problems import FieldError, Problem
from services.gateway.requests import check_request, list_request, no_parameters, parse_object
from services.gateway.stats import StatsReader
from services.gateway.store import Store, StoreUnavailable
from services.gateway.submit import NotCommitted, Submitter
from services.gateway.views import CheckList, CheckView
from services.gateway.waiting import Ticket, TooManyWaiting, Waiting
from shared.version import RULE_VERSION, VERSION

log = structlog.get_logger(__name__)

API: Final = "/api/v1"
LIST_OF_CHECKS: Final = "checks"
"""What cursors of the list of checks belong to."""
READ_BACK_TIMEOUT_S: Final = 3.0
"""For reading what was just committed: who asked has its id either way, and has waited already."""


class Api:
    """The handlers of `/api/v1` and what they need."""

    def __init__(self, *, submitter: Submitter, store: Store, waiting: Waiting, stats: StatsReader) -> None:
        self._submitter = submitter
        self._store = store
        self._waiting = waiting
        self._stats = stats

    def routes(self) -> list[web.RouteDef]:
        """Where each handler answers."""
        return [
            web.post(f"{API}/checks", self.create_check),
            web.get(f"{API}/checks", self.list_checks),
            web.get(f"{API}/checks/{{id}}", self.show_check),
            web.get(f"{API}/stats", self.show_stats),
            web.get(f"{API}/version", self.show_version),
        ]

    async def create_check(self, request: web.Request) -> web.Response:
        """`POST /checks`: 202 once it is committed, 200 if it is final (which `Prefer: wait` gives time for)."""
        no_parameters(request.query.items())
        if not headers.is_json(request.content_type, request.charset):
            accepted = {"Accept-Post": "application/json"}
            raise Problem("unsupported_media_type", "A check is asked for in JSON.", headers=accepted)
        key = headers.idempotency_key(request.headers.getall("Idempotency-Key", []))
        asked = check_request(parse_object(await read_body(request)))
        wait_s = headers.wait_s(request.headers.getall("Prefer", []))
        submitted = await self._submitter.submit(asked, key=key, trace=request[TRACE])
        check = await self._wait_for_final(submitted.check_id, wait_s or 0)
        told: dict[str, str] = {hdrs.LOCATION: f"{API}/checks/{check.id}"}
        if wait_s is not None:
            told["Preference-Applied"] = f"wait={wait_s}"
        at_once = check.is_final and (wait_s is not None or submitted.repeated)
        return _json(check, status=200 if at_once else 202, headers=told)

    async def _wait_for_final(self, check_id: UUID, wait_s: float) -> CheckView:
        """The committed check as soon as it is final, or as it is after `wait_s` seconds.

        Raises:
            NotCommitted: it can't be read.
        """
        try:
            if wait_s:
                # Whatever cuts the waiting short, the check is committed.
                with suppress(TimeoutError, TooManyWaiting), self._waiting.interest(check_id) as ticket:
                    async with asyncio.timeout(wait_s):
                        await self._final(check_id, ticket)
            check = await self._store.check(check_id, timeout_s=READ_BACK_TIMEOUT_S)
        except StoreUnavailable as error:
            log.warning("committed check can't be read back", check=str(check_id), error=str(error))
            raise NotCommitted(check_id) from error  # of all answers, the one that tells where to look for it
        if check is None:  # deleted in this moment
            raise NotCommitted(check_id)
        return check

    async def _final(self, check_id: UUID, ticket: Ticket) -> None:
        """Returns when the check is final; it may be so already, from before there was interest in it."""
        check = await self._store.check(check_id, timeout_s=READ_BACK_TIMEOUT_S)
        if check is not None and not check.is_final:
            await ticket.final()

    async def show_check(self, request: web.Request) -> web.Response:
        """`GET /checks/{id}`."""
        no_parameters(request.query.items())
        return _json(await self.find_check(request.match_info["id"]))

    async def find_check(self, text: str) -> CheckView:
        """The check of this id.

        Raises:
            Problem: `not_found`.
        """
        check_id = parse_id(text)
        check = None if check_id is None else await self._store.check(check_id)
        if check is None:
            raise Problem("not_found", "There is no check of this id.")
        return check

    async def list_checks(self, request: web.Request) -> web.Response:
        """`GET /checks`: newest first, page by page."""
        asked = list_request(request.query.items())
        page = await self.page_of_checks(limit=asked.limit, cursor=asked.cursor)
        told: dict[str, str] = {}
        if page.next_cursor is not None:
            following = request.rel_url.update_query(limit=str(asked.limit), cursor=page.next_cursor)
            told[hdrs.LINK] = f'<{following}>; rel="next"'
        return _json(page, headers=told)

    async def page_of_checks(self, *, limit: int, cursor: str | None) -> CheckList:
        """A page of the list of checks.

        Raises:
            Problem: the cursor is none of this list's.
        """
        before = None
        if cursor is not None:
            try:
                before = cursors.decode(cursor, belongs_to=LIST_OF_CHECKS)
            except cursors.InvalidCursor as error:
                wrong = FieldError("/cursor", str(error))
                raise Problem("invalid_request", f"/cursor: {wrong.message}", errors=[wrong]) from None
        items, more = await self._store.checks(limit=limit, before=before)
        following = cursors.encode(items[-1].id, belongs_to=LIST_OF_CHECKS) if more else None
        return CheckList(items=items, next_cursor=following)

    async def show_stats(self, request: web.Request) -> web.Response:
        """`GET /stats`."""
        no_parameters(request.query.items())
        return _json(await self._stats.read())

    async def show_version(self, request: web.Request) -> web.Response:
        """`GET /version`."""
        no_parameters(request.query.items())
        return _json({"version": VERSION, "api": "v1", "rule_version": RULE_VERSION})


def parse_id(text: str) -> UUID | None:
    """An id as the API writes it, in either case; None for anything else."""
    try:
        id_ = UUID(text)
    except ValueError:
        return None
    return id_ if str(id_) == text.lower() else None


def _json(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )
