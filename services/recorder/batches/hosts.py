"""The rows of hosts that a slice touches: locked before its checks, planned after them."""

from collections.abc import Iterable
from typing import Final

import asyncpg

from services.recorder import sql as flush_sql
from services.recorder.batches import sql
from shared import claims
from shared.settings import Settings

# How far the first requests to two hosts are apart, on average, as long as all of them fit in one turn.
_APART_S: Final = 0.005


async def lock(connection: asyncpg.Connection, hosts: Iterable[str], config: Settings) -> list[str]:
    """Adds what is missing and locks all but those that are trusted; returns them."""
    limited = await _limited(connection, hosts, config)
    if limited:
        await connection.execute(flush_sql.LOCK_HOSTS, limited)
    return limited


async def lock_asleep(connection: asyncpg.Connection, hosts: Iterable[str], config: Settings) -> list[str]:
    """As `lock`, but leaves out those that schedulers look at in a moment anyway.

    Whoever holds a host may be putting it to sleep. So only those that nobody holds count as awake; they are held for
    the look alone, as others wait for them: whoever plans them later sees what was committed before.
    """
    limited = await _limited(connection, hosts, config)
    if not limited:
        return []
    look = connection.transaction()  # a savepoint
    await look.start()
    awake = {row["host"] for row in await connection.fetch(sql.AWAKE, limited)}
    await look.rollback()
    if asleep := [host for host in limited if host not in awake]:
        await connection.execute(flush_sql.LOCK_HOSTS, asleep)
    return asleep


async def _limited(connection: asyncpg.Connection, hosts: Iterable[str], config: Settings) -> list[str]:
    limited = sorted(set(hosts) - set(claims.trusted(config)))
    if limited:
        known = {row["host"] for row in await connection.fetch(sql.KNOWN_HOSTS, limited)}
        if missing := [host for host in limited if host not in known]:
            await connection.execute(flush_sql.ADD_HOSTS, missing)
    return limited


async def plan(connection: asyncpg.Connection, hosts: list[str], config: Settings, *, lone: bool = False) -> None:
    """Has schedulers look at the hosts, which are locked, for what has become due.

    Args:
        connection: in the transaction that holds them.
        hosts: by their keys.
        config: for their limits.
        lone: whether there may be more to do in the interactive lane, too.
    """
    if hosts:
        if config.host_rate_per_s:
            await connection.execute(sql.SPREAD_HOSTS, hosts, 1 / config.host_rate_per_s, _APART_S)
        await connection.execute(sql.PLAN_HOSTS, hosts, config.host_concurrency, config.host_rate_per_s, lone)
