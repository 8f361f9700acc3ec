"""The part of the API that changes checks: awaits and calls, decides nothing itself."""

from __future__ import annotations

from uuid import UUID

from aiohttp import hdrs, web

from services.gateway import headers
from services.gateway.answers import CHECKS, check_id_of, check_place, json_answer
from services.gateway.commands import Commands
from services.gateway.following import Follower
from services.gateway.json_bodies import parse_object
from services.gateway.middlewares import TRACE, read_body
from services.gateway.problems import Problem
from services.gateway.requests import check_request, no_fields, no_parameters
from services.gateway.views import CheckView, new_check_view


class Changes:
    """The handlers, and what they need."""

    def __init__(self, commands: Commands, follower: Follower) -> None:
        self._commands = commands
        self._follower = follower

    def routes(self) -> list[web.RouteDef]:
        """Where each handler answers."""
        return [
            web.post(CHECKS, self.create),
            web.post(f"{CHECKS}/{{id}}/cancel", self.cancel),
            web.post(f"{CHECKS}/{{id}}/retry", self.retry),
            web.delete(f"{CHECKS}/{{id}}", self.delete),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """`POST /checks`: 202 once it is committed, 200 if it is final (which `Prefer: wait` gives time for)."""
        no_parameters(request.query.items())
        require_json(request)
        key = headers.idempotency_key(request.headers.getall("Idempotency-Key", []))
        asked = check_request(parse_object(await read_body(request)), latest=self._commands.latest_start())
        wait_s = _wait_s(request)
        submitted = await self._commands.submit(asked, key=key, trace=request[TRACE])
        if submitted.repeated or wait_s or asked.run_at is not None:
            check = await self._follower.follow(submitted.check_id, wait_s=wait_s or 0, is_new=not submitted.repeated)
        else:
            check = new_check_view(submitted.check_id, url=asked.url, question=asked.question, label=asked.label)
        return _committed(check, wait_s, final_at_once=submitted.repeated)

    async def cancel(self, request: web.Request) -> web.Response:
        """`POST /checks/{id}/cancel`: 200 with the check as that left it."""
        check_id = await _asked_about(request)
        await self._commands.cancel(check_id, trace=request[TRACE])
        return json_answer(await self._follower.follow(check_id))

    async def retry(self, request: web.Request) -> web.Response:
        """`POST /checks/{id}/retry`: answers as `POST /checks` does, of a check that begins anew."""
        check_id = await _asked_about(request)
        wait_s = _wait_s(request)
        await self._commands.retry(check_id, trace=request[TRACE])
        return _committed(await self._follower.follow(check_id, wait_s=wait_s or 0), wait_s)

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE /checks/{id}`: 204 once it is gone."""
        check_id = await _asked_about(request)
        await self._commands.delete(check_id, trace=request[TRACE])
        return web.Response(status=204)


async def _asked_about(request: web.Request) -> UUID:
    """The check that a request without parameters and fields is about."""
    no_parameters(request.query.items())
    check_id = check_id_of(request)
    await no_content(request)
    return check_id


async def no_content(request: web.Request) -> None:
    """Refuses a body that says something; none, and an empty object, say nothing.

    Raises:
        Problem: it does, or can't be read.
    """
    body = await read_body(request)
    if body:
        require_json(request)
        no_fields(parse_object(body))


def require_json(request: web.Request) -> None:
    """Refuses a body of another type.

    Raises:
        Problem: `unsupported_media_type`.
    """
    if not headers.is_json(request.content_type, request.charset):
        accepted = {"Accept-Post": "application/json"}
        raise Problem("unsupported_media_type", "A body has to be JSON here.", headers=accepted)


def _wait_s(request: web.Request) -> int | None:
    return headers.wait_s(request.headers.getall("Prefer", []))


def _committed(check: CheckView, wait_s: int | None, *, final_at_once: bool = False) -> web.Response:
    """200 with a check that is final, where that was waited for or has long been so; else 202."""
    told: dict[str, str] = {hdrs.LOCATION: check_place(check.id)}
    if wait_s is not None:
        told["Preference-Applied"] = f"wait={wait_s}"
    at_once = check.is_final and (wait_s is not None or final_at_once)
    return json_answer(check, status=200 if at_once else 202, headers=told)
