"""What the tests of fetching share: a fetcher that may reach loopback, and a look at how fetches end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from services.fetcher.counting import UnsupportedType, kind_of
from services.fetcher.fetching.addresses import parse_allow
from services.fetcher.fetching.client import open_session, tls_context
from services.fetcher.fetching.fetch import Fetcher, FetchLimits, Trail
from shared.errors import FetchError
from tests.integration.pages import Route, answer, page_server

_TLS = tls_context()  # reading the system's certificates takes longer than most of these tests
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE_S = (5.0, 2.0)
WAITED_FOR_S: dict[bytes | str, tuple[float, float]] = {"deadline_exceeded": (0.5, 2.0), "read_timeout": (5.0, 0.2)}
"""For codes that are waited for: the deadline, and the longest silence. The other one is far off, whatever holds up."""


def text_only(content_type: str) -> bool:
    try:
        kind_of(content_type)
    except UnsupportedType:
        return False
    return True


@asynccontextmanager
async def open_fetcher(
    *,
    allow: str = "127.0.0.0/8",
    ca_file: str | None = None,
    deadline_s: float = 5.0,
    connect_timeout_s: float = 2.0,
    read_timeout_s: float = 2.0,
    max_bytes: int = 100_000,
    resolver: AbstractResolver | None = None,
    utc_now: Callable[[], datetime] = lambda: NOW,
) -> AsyncIterator[Fetcher]:
    tls = _TLS if ca_file is None else tls_context(ca_file)
    async with open_session(
        allow=parse_allow(allow), user_agent="wordwatch-test", tls=tls, resolver=resolver
    ) as session:
        limits = FetchLimits(deadline_s, max_bytes, connect_timeout_s, read_timeout_s)
        yield Fetcher(session, limits, text_only, utc_now=utc_now)


async def failure(fetcher: Fetcher, url: str) -> tuple[FetchError, Trail]:
    """Fetch what must fail; return how it failed and how far it came."""
    trail = Trail()
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(url, trail=trail)
    return caught.value, trail


async def outcome(fetcher: Fetcher, url: str) -> bytes | str:
    """Fetch what may fail; return the body, or the code of the error."""
    try:
        return (await fetcher.fetch(url)).body
    except FetchError as error:
        return error.code


async def still_works(fetcher: Fetcher, url: str) -> bool:
    """Tell whether an ordinary page can be had.

    A server may just be closing the kept-alive connection that it is asked for over: that is repeated by attempts.
    """
    found = await outcome(fetcher, url)
    return (await outcome(fetcher, url) if found == "connect_failed" else found) == b"ordinary"


@asynccontextmanager
async def nothing_said() -> AsyncIterator[None]:
    """See to it that asyncio has nothing to complain of: no lost exception, no connection that nobody closed."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    yield
    gc.collect(1)  # what is lost is complained of when it goes
    assert said == []


async def check_hazard(route: Route, expected: bytes | str, *, max_bytes: int = 1_000_000) -> None:
    """Fetch what misbehaves: it ends as expected and in time, quietly, and leaves nothing to the next fetch."""
    deadline_s, read_s = WAITED_FOR_S.get(expected, PATIENCE_S)
    async with (
        nothing_said(),
        page_server({"/": route, "/ordinary": answer("ordinary")}) as pages,
        open_fetcher(deadline_s=deadline_s, read_timeout_s=read_s, max_bytes=max_bytes) as fetcher,
    ):
        async with asyncio.timeout(deadline_s + 5):
            assert await outcome(fetcher, pages.url()) == expected
        assert len(pages.requests) == 1
        assert await still_works(fetcher, pages.url("/ordinary"))


async def eventually(holds: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for something that sets no event."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)
