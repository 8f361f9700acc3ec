"""What the tests of fetching share: a fetcher that may reach loopback, and a look at failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp.abc import AbstractResolver

from services.fetcher.fetching.addresses import parse_allow
from services.fetcher.fetching.client import open_session, tls_context
from services.fetcher.fetching.fetch import Fetcher, FetchLimits, Trail
from shared.errors import FetchError

_TLS = tls_context()  # reading the system's certificates takes longer than most of these tests
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def text_only(content_type: str) -> bool:
    return content_type.startswith("text/")


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
) -> AsyncIterator[Fetcher]:
    tls = _TLS if ca_file is None else tls_context(ca_file)
    async with open_session(
        allow=parse_allow(allow), user_agent="wordwatch-test", tls=tls, resolver=resolver
    ) as session:
        limits = FetchLimits(deadline_s, max_bytes, connect_timeout_s, read_timeout_s)
        yield Fetcher(session, limits, text_only, utc_now=lambda: NOW)


async def failure(fetcher: Fetcher, url: str) -> tuple[FetchError, Trail]:
    """Fetch what must fail; return how it failed and how far it came."""
    trail = Trail()
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(url, trail=trail)
    return caught.value, trail


async def eventually(holds: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for something that sets no event."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)
