"""Connections to PostgreSQL, each under the role of its service."""

import asyncio
from collections.abc import Mapping
from typing import Literal

import asyncpg
import structlog

log = structlog.get_logger(__name__)

Role = Literal["wordwatch_gateway", "wordwatch_recorder", "wordwatch_scheduler"]

CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
OLDEST_MAJOR = 15

# InternalClientError is no PostgresError, though a killed server can cause one.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)
"""What asyncpg raises when the server is gone, going, or not there yet."""


class DatabaseError(Exception):
    """The database can't be used; the text says why and what would do."""


class DatabaseUnavailableError(DatabaseError):
    """No server answers, or it refuses us."""


class DatabaseTooOldError(DatabaseError):
    """The server is older than `OLDEST_MAJOR`."""


class RoleMissingError(DatabaseError):
    """The service's role can't be taken."""


async def connect(
    database_url: str, *, role: Role | None = None, parameters: Mapping[str, str] | None = None
) -> asyncpg.Connection:
    """Opens one connection; `parameters` are PostgreSQL's run-time parameters for it, such as `lock_timeout`.

    Raises:
        DatabaseUnavailableError: no server answers, or it refuses us.
        DatabaseTooOldError: it is older than PostgreSQL 15.
        RoleMissingError: `role` does not exist, or may not be taken.
    """
    try:
        connection = await asyncpg.connect(
            database_url, timeout=CONNECT_TIMEOUT_S, server_settings=dict(parameters or {})
        )
    except (*UNAVAILABLE, asyncpg.PostgresError, ValueError) as error:
        raise DatabaseUnavailableError(f"PostgreSQL at WORDWATCH_DATABASE_URL can't be used: {error!r}") from error
    try:
        await _prepare(connection, role)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _prepare(connection: asyncpg.Connection, role: Role | None) -> None:
    major = connection.get_server_version().major
    if major < OLDEST_MAJOR:
        raise DatabaseTooOldError(f"PostgreSQL {major} is too old: wordwatch needs {OLDEST_MAJOR} or later")
    if role is None:
        return
    try:
        await connection.execute(f"SET ROLE {role}")
    except (asyncpg.InvalidParameterValueError, asyncpg.UndefinedObjectError, asyncpg.InsufficientPrivilegeError) as e:
        raise RoleMissingError(f"role {role} can't be taken ({e}): run `python -m shared.db.migrate` first") from e


async def create_pool(
    database_url: str, *, role: Role, application: str, min_size: int = 1, max_size: int = 4
) -> asyncpg.Pool:
    """Opens a pool of connections that have taken `role`, for a service that only reads.

    Raises:
        DatabaseUnavailableError, DatabaseTooOldError, RoleMissingError: as `connect`, of its first connection.
    """
    first = await connect(database_url, role=role)  # raises what tells a person what to do
    await first.close()

    async def keep(_connection: asyncpg.Connection) -> None:
        """What only reads leaves nothing to reset; asyncpg's default would cost a round trip each time."""

    async def init(connection: asyncpg.Connection) -> None:
        await _prepare(connection, role)

    return await asyncpg.create_pool(
        database_url,
        init=init,
        reset=keep,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={"application_name": application},
    )


async def wait_for(database_url: str, *, role: Role, timeout_s: float) -> None:
    """Waits until the role can be taken: at the start of a stack the migrations may still run.

    Raises:
        DatabaseError: what was wrong at the last try, when `timeout_s` is over.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        try:
            connection = await connect(database_url, role=role)
        except DatabaseError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            await connection.close()
            return
