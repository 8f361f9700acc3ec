"""A fresh database with a fetcher that has just said that it is there."""

from collections.abc import AsyncIterator

import pytest

from shared.db import connect
from tests import factories
from tests.integration.recorder.database import Database


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await connect.connect(database_url, role="wordwatch_recorder")
    database = Database(database_url, connection)
    await database.flush(factories.here())
    yield database
    await connection.close()
