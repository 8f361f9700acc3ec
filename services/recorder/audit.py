"""Holds all that is stored against what must be true of it: `python -m services.recorder audit`.

It only reads, in one snapshot, so that it may run while everything else does. What it holds up meanwhile is the
clearing away of old versions of rows.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg

from services.recorder.audit_rules import RULES
from shared import claims, settings
from shared.db import connect

MOST_SHOWN = 20
"""Ids that are shown of what breaks a rule."""
_HOLDS, _BROKEN, _NOT_LOOKED = 0, 1, 2

# Sets of a million rows are sorted and hashed, here and nowhere else.
_PREPARE = "SET LOCAL work_mem = '128MB'"
_FIND = "SELECT count(*) OVER () AS number, id::text FROM ({rule}) AS broken (id) ORDER BY 2 LIMIT {most}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, what breaks it, and how long it took to find out."""

    rule: str
    number: int
    ids: Sequence[str]
    took_s: float

    def __str__(self) -> str:
        if not self.number:
            return f"ok      {self.took_s:6.2f} s  {self.rule}"
        more = ", …" if self.number > len(self.ids) else ""
        return f"BROKEN  {self.took_s:6.2f} s  {self.rule}: {self.number}, {', '.join(self.ids)}{more}"


async def look(connection: asyncpg.Connection, trusted: Sequence[str] = ()) -> AsyncIterator[Finding]:
    """Looks at one rule after another: in one snapshot, if the transaction that it is called in has one."""
    for rule, query in RULES.items():
        began_s = time.perf_counter()
        arguments = [list(trusted)] if "$1" in query else []
        rows = await connection.fetch(_FIND.format(rule=query, most=MOST_SHOWN), *arguments)
        number = rows[0]["number"] if rows else 0
        yield Finding(rule, number, [row["id"] for row in rows], time.perf_counter() - began_s)


async def findings(connection: asyncpg.Connection, trusted: Sequence[str] = ()) -> AsyncIterator[Finding]:
    """Looks at all rules in one snapshot.

    Args:
        connection: in no transaction; its role may read all tables.
        trusted: host keys without limits, which have no row in `hosts`.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(_PREPARE)
        async for finding in look(connection, trusted):
            yield finding


async def broken_rules(connection: asyncpg.Connection, trusted: Sequence[str] = ()) -> list[str]:
    """The rules that do not hold, with what breaks each; none when all is well."""
    return [str(finding) for finding in [each async for each in findings(connection, trusted)] if finding.number]


async def _audit(config: settings.Settings) -> int:
    if config.database_url is None:
        raise settings.SettingError("WORDWATCH_DATABASE_URL is not set: say which database, as postgres://…")
    connection = await connect.connect(config.database_url, role="wordwatch_recorder")
    try:
        broken = 0
        async for finding in findings(connection, claims.trusted(config)):
            broken += finding.number > 0
            print(finding, flush=True)
    finally:
        await connection.close()
    print(f"{broken} of {len(RULES)} rules do not hold" if broken else f"all {len(RULES)} rules hold")
    return _BROKEN if broken else _HOLDS


def main() -> int:
    """Prints a line a rule; returns 0 if all hold, 1 if one does not, 2 if that could not be found out."""
    try:
        return asyncio.run(_audit(settings.from_environment()))
    except (settings.SettingError, connect.DatabaseError, asyncpg.PostgresError, *connect.UNAVAILABLE) as error:
        print(f"audit: {error}", file=sys.stderr)
        return _NOT_LOOKED
