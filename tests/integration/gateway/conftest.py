from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.stack import Stack
from tests.integration.servers import Nsqd


@pytest.fixture
async def parts(database_url: str) -> AsyncIterator[Stack]:
    """An nsqd and a database; the test starts what it needs of the services."""
    async with Nsqd() as nsqd, Stack(database_url, nsqd) as stack:
        yield stack


@pytest.fixture
async def stack(parts: Stack) -> AsyncIterator[Stack]:
    """A gateway and a recorder that run."""
    async with parts.recorder(), parts.gateway():
        yield parts


@pytest.fixture
async def door(parts: Stack) -> AsyncIterator[Stack]:
    """A gateway, without a recorder: nothing here gets that far."""
    async with parts.gateway():
        yield parts
