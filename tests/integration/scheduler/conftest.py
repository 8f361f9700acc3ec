"""A fresh database, and an nsqd of one's own."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.recorder.conftest import db
from tests.integration.servers import Nsqd

__all__ = ["db"]


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server
