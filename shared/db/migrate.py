"""Brings the database up to the present schema: `python -m shared.db.migrate`.

Any number may run at once: they take turns by an advisory lock, and those that come later find nothing to do.
"""

import asyncio
import sys
from pathlib import Path

import asyncpg
import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared import logs, settings
from shared.db import connect

log = structlog.get_logger(__name__)

ADVISORY_LOCK = 0x776F726477617463  # "wordwatc": taken by nothing else
LOCK_TIMEOUT_S = 120
_EXIT_FAILED = 1


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def newest_revision() -> str | None:
    """The schema's revision that this code expects."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _upgrade(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def migrate(database_url: str) -> None:
    """Runs what is missing of the migrations, all in one transaction.

    Raises:
        connect.DatabaseUnavailableError: no server answers there, or it refuses us.
        connect.DatabaseTooOldError: the server is older than PostgreSQL 15.
    """
    probe = await connect.connect(database_url)
    await probe.close()

    async def creator() -> asyncpg.Connection:
        return await asyncpg.connect(database_url, timeout=connect.CONNECT_TIMEOUT_S)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def main() -> int:
    """Migrates the database of WORDWATCH_DATABASE_URL."""
    config = settings.from_environment()
    logs.configure(service="migrate", instance="migrate", form=config.log_format, level=config.log_level)
    if config.database_url is None:
        log.error("WORDWATCH_DATABASE_URL is not set: say which database to migrate, as postgres://…")
        return _EXIT_FAILED
    try:
        asyncio.run(migrate(config.database_url))
    except connect.DatabaseError as error:
        log.error(str(error))
        return _EXIT_FAILED
    log.info("schema is up to date", revision=newest_revision())
    return 0


if __name__ == "__main__":
    sys.exit(main())
