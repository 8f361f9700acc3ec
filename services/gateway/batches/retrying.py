"""`POST /checks/retry`: beginning all checks of a filter anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from services.gateway import filters
from services.gateway.answers import CHECKS, json_answer
from services.gateway.batches.commands import BatchCommands
from services.gateway.batches.inputs import RETRIED, RetryInput
from services.gateway.batches.store import BatchStore
from services.gateway.batches.views import RetriedView
from services.gateway.changes import require_json
from services.gateway.fields import Fields, escape
from services.gateway.filters import CheckFilter
from services.gateway.json_bodies import parse_object
from services.gateway.middlewares import TRACE, read_body
from services.gateway.problems import FieldError
from services.gateway.requests import parameters
from services.gateway.store import LOOK_TIMEOUT_S, StoreUnavailable

FOLLOW_S: Final = 2.0
"""So long the answer waits for all checks to have begun anew; most filters have few."""
_LOOK_EVERY_S: Final = 0.05
_DEFAULT: Final = RetryInput()


class Retrying:
    """The handler, and what it needs.

    Args:
        commands: asks for it.
        store: tells how far it is.
        follow_s: how long to wait for its end.
    """

    def __init__(self, commands: BatchCommands, store: BatchStore, *, follow_s: float = FOLLOW_S) -> None:
        self._commands = commands
        self._store = store
        self._follow_s = follow_s

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        place = f"{CHECKS}/retry"
        # Other methods would else be those of a check with this name for an id.
        return [web.post(place, self.create), web.route(hdrs.METH_ANY, place, self.refuse)]

    async def refuse(self, request: web.Request) -> web.Response:
        """Any other method.

        Raises:
            web.HTTPMethodNotAllowed: always.
        """
        raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_POST])

    async def create(self, request: web.Request) -> web.Response:
        """`POST /checks/retry`: 202 once it is committed; the filter is given as for `GET /checks`, or as JSON."""
        body = await read_body(request)
        if body:
            require_json(request)
        wanted = filter_to_retry(request.query.items(), parse_object(body) if body else {})
        return json_answer(await self.retry(wanted, trace=request[TRACE]), status=202)

    async def retry(self, wanted: CheckFilter, *, trace: str) -> RetriedView:
        """Begins all failed or cancelled checks of a filter anew, as its `status` says.

        Raises:
            NotCommitted, Refused, TooManyWaiting: see BatchCommands.
        """
        id_ = await self._commands.retry_checks(wanted, trace=trace)
        retried, finished = 0, False
        try:
            async with asyncio.timeout(self._follow_s):
                while not finished:
                    retried, finished = await self._store.retried(id_, timeout_s=LOOK_TIMEOUT_S)
                    if not finished:
                        await asyncio.sleep(_LOOK_EVERY_S)
        except (TimeoutError, StoreUnavailable):
            pass  # it is committed all the same
        return RetriedView(id=id_, retried=retried, finished=finished)


def filter_to_retry(query: Iterable[tuple[str, str]], body: Mapping[str, Any]) -> CheckFilter:
    """The filter out of query parameters and the fields of a JSON object, which go before those.

    Without a state, failed checks are meant.

    Raises:
        Problem: `invalid_request` with every invalid or unknown one.
    """
    fields = parameters(query)
    wanted = _read(fields)
    if not body:
        return wanted
    values = fields.values = dict(fields.values)
    for name, value in body.items():
        if isinstance(value, str):
            values[name] = value
        elif name == "http_status":
            values[name] = _digits(value)
        elif name in RetryInput.__struct_fields__:
            values.pop(name, None)
            fields.errors.append(FieldError(f"/{escape(name)}", "Must be a string."))
        else:
            values[name] = ""  # unknown, whatever it says
    return _read(fields)


def _digits(value: Any) -> str:
    """A whole number as it stands in a query, 404.0 too (JSON Schema, 6.1.1); "" for what is none."""
    return str(int(value)) if type(value) in {int, float} and value == int(value) else ""


def _read(fields: Fields) -> CheckFilter:
    wanted = filters.read_filter(fields, statuses=RETRIED)
    fields.refuse_unknown(RetryInput.__struct_fields__)
    fields.check()
    return wanted if wanted.status is not None else msgspec.structs.replace(wanted, status=_DEFAULT.status)
