import asyncpg

from shared.db import migrate
from tests.integration.postgres import Cluster


async def test_a_test_gets_a_migrated_database_of_its_own(postgres: Cluster, database_url: str) -> None:
    other = postgres.create_database()
    try:
        assert postgres.url(other) != database_url
        for url in (database_url, postgres.url(other)):
            connection = await asyncpg.connect(url)
            assert await connection.fetchval("SELECT version_num FROM alembic_version") == migrate.newest_revision()
            await connection.execute("SET ROLE wordwatch_gateway")
            assert await connection.fetchval("SELECT count(*) FROM checks") == 0
            await connection.close()
    finally:
        postgres.drop_database(other)


def test_a_database_can_be_dropped_and_made_quickly(postgres: Cluster) -> None:
    for _ in range(3):
        postgres.drop_database(postgres.create_database())
