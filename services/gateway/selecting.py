"""What somebody does to some checks of a list at once: each is a command of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web
from yarl import URL

from services.gateway import filters, forms
from services.gateway.answers import parse_id
from services.gateway.commands import Commands, Refused
from services.gateway.middlewares import TRACE, read_form

_DID: Final = "did"
"""In the URL of the list that is led to: what was done, to how many, and how many it could not be done to."""
_CHANGES: Final = ("retry", "cancel", "delete")
_WRITTEN: Final = re.compile(rf"({'|'.join(_CHANGES)})-([0-9]{{1,3}})-([0-9]{{1,3}})")
_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Did:
    """What was done to those that were selected."""

    what: str
    done: int
    refused: int


def did(request: web.Request) -> Did | None:
    """What has led to this list, if it was that."""
    found = _WRITTEN.fullmatch(request.query.get(_DID, ""))
    return None if found is None else Did(found[1], int(found[2]), int(found[3]))


class Selecting:
    """The handler, and what it needs."""

    def __init__(self, commands: Commands) -> None:
        each = (commands.retry, commands.cancel, commands.delete)
        self._changes: Mapping[str, Callable[..., Awaitable[None]]] = dict(zip(_CHANGES, each, strict=True))

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [web.post(f"/checks/selected/{{what:{'|'.join(_CHANGES)}}}", self.change)]

    async def change(self, request: web.Request) -> web.Response:
        """Does what the path says to each selected check, and leads back to the list."""
        pairs = forms.parse_pairs(await read_form(request))
        ids = dict.fromkeys(id_ for name, value in pairs if name == "id" and (id_ := parse_id(value)) is not None)
        what = request.match_info["what"]
        one_of_few = asyncio.Semaphore(_AT_ONCE)

        async def change_one(check_id: UUID) -> bool:
            async with one_of_few:
                try:
                    await self._changes[what](check_id, trace=request[TRACE])
                except Refused:  # it has ended meanwhile, or is gone
                    return False
                return True

        async with asyncio.TaskGroup() as group:
            changing = [group.create_task(change_one(check_id)) for check_id in ids]
        done = sum(each.result() for each in changing)
        back = {name: value for name, value in pairs if name in filters.NAMES and value}
        told = {_DID: f"{what}-{done}-{len(ids) - done}"} if ids else {}
        raise web.HTTPSeeOther(URL.build(path="/", query=back | told))
