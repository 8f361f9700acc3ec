"""A caller who follows what changes, as a browser's EventSource does."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from tests import described

EVENTS = "/api/v1/events"
WITHIN_S = 10.0


class Event(NamedTuple):
    """One event; `at_s` is when it was there."""

    id: str
    kind: str
    data: dict[str, Any]
    at_s: float

    def states(self) -> dict[str, str]:
        """The states of the checks that it tells of, by id."""
        return {check["id"]: check["status"] for check in self.data["checks"]}


class Stream:
    """An open stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.comments = 0

    async def next(self, within_s: float = WITHIN_S) -> Event:
        """The next event, which has to be as the OpenAPI document says.

        Raises:
            TimeoutError: there is none.
            EOFError: the stream has ended.
        """
        async with asyncio.timeout(within_s):
            while True:
                fields: dict[str, str] = {}
                while line := (await self._answer.content.readline()).decode():
                    if line == "\n":
                        break
                    name, _, value = line.rstrip("\n").partition(": ")
                    self.comments += not name
                    fields[name] = value
                if not line:
                    raise EOFError
                if "data" in fields:
                    data = json.loads(fields["data"])
                    described.validator_of("Event").validate(data)
                    return Event(fields["id"], fields["event"], data, time.monotonic())

    async def to_its_end(self) -> None:
        """Reads what is left; the stream has to end in order."""
        async with asyncio.timeout(WITHIN_S):
            await self._answer.content.read()

    async def until_told(self, wanted: Mapping[str, str], within_s: float = WITHIN_S) -> Event:
        """The event after which all of the checks have been told to be in these states."""
        told: dict[str, str] = {}
        async with asyncio.timeout(within_s):
            while True:
                event = await self.next(within_s)
                told |= event.states()
                if wanted.items() <= told.items():
                    return event


@asynccontextmanager
async def following(url: str, last: str | None = None, **query: str) -> AsyncIterator[Stream]:
    """Follows at the gateway of this address."""
    headers = {} if last is None else {"Last-Event-ID": last}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=WITHIN_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(url, timeout=timeout, connector=connector, read_bufsize=2**20) as http,
        http.get(EVENTS, params=query, headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield Stream(answer)
