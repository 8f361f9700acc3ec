"""The one connection of a service that works through its transactions in order."""

from collections.abc import Mapping

import asyncpg

from shared.db.connect import Role, connect


class SingleConnection:
    """A connection that is opened when it is asked for, and opened anew after it was dropped.

    Args:
        database_url: where.
        role: the role that it takes.
        parameters: PostgreSQL's run-time parameters for it.
    """

    def __init__(self, database_url: str, *, role: Role, parameters: Mapping[str, str]) -> None:
        self._database_url = database_url
        self._role = role
        self._parameters = parameters
        self._connection: asyncpg.Connection | None = None

    def is_open(self) -> bool:
        """Whether it is there, as far as is known."""
        return self._connection is not None and not self._connection.is_closed()

    async def get(self) -> asyncpg.Connection:
        """The connection.

        Raises:
            DatabaseError: it can't be opened.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._database_url, role=self._role, parameters=self._parameters)
        return self._connection

    def drop(self) -> None:
        """Gives it up at once, whatever it was doing."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
