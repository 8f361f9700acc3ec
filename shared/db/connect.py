"""Connections to PostgreSQL, each under the role of its service."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import asyncpg
import structlog

from shared.db.metrics import DatabaseMetrics, Use
from shared.redaction import secrets_of

log = structlog.get_logger(__name__)

Role = Literal["wordwatch_gateway", "wordwatch_recorder", "wordwatch_scheduler"]

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 30.0
OLDEST_MAJOR = 15
_UNREADABLE = (
    "it can't be read as postgres://USER:PASSWORD@HOST:PORT/DATABASE (is each of : / ? # [ ] @ % in the password "
    "written as %XX?)"
)

# InternalClientError is no PostgresError, though a killed server can cause one.
_PARAMETERS = {"jit": "off"}
"""Nothing we ask takes as long as to compile it would, and the planner thinks otherwise of what it can't estimate."""

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # its disk, its memory, its connections
    asyncpg.PostgresSystemError,  # its disk fails
    asyncpg.InterfaceError,
)
"""What asyncpg raises when the server is gone, going, not there yet, or has nothing left to work with."""


class DatabaseError(Exception):
    """The database can't be used; the text says why and what would do."""


class DatabaseUnavailableError(DatabaseError):
    """No server answers, or it refuses us."""


class DatabaseTooOldError(DatabaseError):
    """The server is older than `OLDEST_MAJOR`."""


class RoleMissingError(DatabaseError):
    """The service's role can't be taken."""


async def connect(
    database_url: str,
    *,
    role: Role | None = None,
    parameters: Mapping[str, str] | None = None,
    command_timeout_s: float | None = None,
) -> asyncpg.Connection:
    """Opens one connection, within `CONNECT_TIMEOUT_S` whatever the server does.

    Args:
        database_url: where.
        role: the role that it takes.
        parameters: PostgreSQL's run-time parameters for it, such as `lock_timeout`.
        command_timeout_s: how long each of its statements may take, unless it is told otherwise.

    Raises:
        DatabaseUnavailableError: no server answers, or it refuses us.
        DatabaseTooOldError: it is older than PostgreSQL 15.
        RoleMissingError: `role` does not exist, or may not be taken.
    """
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await asyncpg.connect(
                database_url, command_timeout=command_timeout_s, server_settings={**_PARAMETERS, **(parameters or {})}
            )
            try:
                await _prepare(connection, role)
            except BaseException:
                connection.terminate()  # to close it in order would wait for a server that may be silent
                raise
    except (*UNAVAILABLE, asyncpg.PostgresError, ValueError) as error:
        quotes = _quotes_password(database_url, error)
        why = _UNREADABLE if quotes else repr(error)
        text = f"PostgreSQL at WORDWATCH_DATABASE_URL can't be used: {why}"
        raise DatabaseUnavailableError(text) from (None if quotes else error)
    return connection


def _quotes_password(database_url: str, error: Exception) -> bool:
    """Whether an error that quotes what it can't take apart quotes a piece of the password."""
    return isinstance(error, ValueError) and any(piece in str(error) for piece in secrets_of(database_url))


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
    database_url: str, *, role: Role, application: str, max_size: int = 4, metrics: DatabaseMetrics | None = None
) -> asyncpg.Pool:
    """Makes a pool of connections that have taken `role`, for a service that only reads.

    Each is opened when it is needed, by `connect`: to acquire one can raise what that raises. No minimum of them is
    kept open, since asyncpg would see to it in the background, with a traceback in the log for each try that fails.

    Raises:
        DatabaseUnavailableError, DatabaseTooOldError, RoleMissingError: as `connect`, of its first connection.
    """
    counted = metrics or DatabaseMetrics()

    async def keep(_connection: asyncpg.Connection) -> None:
        """What only reads leaves nothing to reset; asyncpg's default would cost a round trip each time."""

    async def open_one(*_: Any, **__: Any) -> asyncpg.Connection:
        # A plan that is kept would be one for the tables as they were, however long ago that is.
        parameters = {"application_name": application, "plan_cache_mode": "force_custom_plan"}
        try:
            made = await connect(database_url, role=role, parameters=parameters, command_timeout_s=COMMAND_TIMEOUT_S)
        except DatabaseError:
            counted.failed.inc()
            raise
        counted.opened.inc()
        return made

    first = await open_one()  # raises what tells a person what to do
    await first.close()
    pool = await asyncpg.create_pool(connect=open_one, reset=keep, min_size=0, max_size=max_size)
    counted.watch(lambda: Use(pool.get_size(), pool.get_size() - pool.get_idle_size()), most=max_size)
    return pool


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
