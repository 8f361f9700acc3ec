"""A recorder's desk; whatever a test has done at it, nothing stored may be wrong afterwards."""

from collections.abc import AsyncIterator

import pytest

from services.recorder.audit import broken_rules
from tests.integration.recorder.batches.desk import Desk
from tests.integration.recorder.database import Database


@pytest.fixture
async def desk(db: Database) -> AsyncIterator[Desk]:
    yield Desk(db)
    assert await broken_rules(db.recorder) == []
