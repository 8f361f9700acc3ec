"""The end of an upload: is all of it there, is its key free, and which of its records are the same."""

from uuid import UUID

import asyncpg

from services.recorder import sql as flush_sql
from services.recorder.batches import jobs, sql
from shared.messages import CloseBatch

_ADDED = "INSERT 0 1"
"""What PostgreSQL says of a statement that has added or replaced one row."""
Closed = tuple[str, UUID]
"""The outcome, and the batch that it is about."""


async def close(connection: asyncpg.Connection, command: CloseBatch) -> Closed:
    """Sets a batch going, or says why not; returns the outcome.

    Of two uploads with one key the second to be closed goes away, all of it.
    """
    key, took = command.idempotency, False
    if key is not None:
        done = await connection.execute(flush_sql.TAKE_KEYS, [key.key], [key.digest], [command.batch_id])
        took = done == _ADDED
        (holder,) = await connection.fetch(flush_sql.READ_KEYS, [key.key])
        if holder["made_id"] != command.batch_id:
            await _discard(connection, command)
            if holder["digest"] == key.digest:
                return "repeated", holder["made_id"]
            return "idempotency_key_reused", command.batch_id
    outcome = await _close(connection, command)
    if key is not None and took and outcome != "applied":
        await connection.execute(sql.GIVE_KEY_BACK, key.key)
    return outcome, command.batch_id


async def _discard(connection: asyncpg.Connection, command: CloseBatch) -> None:
    batch = await connection.fetchrow(sql.LOCK_BATCH, command.batch_id)
    if batch is not None and batch["status"] == "receiving":
        await connection.execute(sql.DELETE, command.batch_id)
        await connection.execute(sql.DROP_CHUNKS, command.batch_id)
        await jobs.begin(connection, "delete", command)


async def _close(connection: asyncpg.Connection, command: CloseBatch) -> str:
    batch = await connection.fetchrow(sql.LOCK_BATCH, command.batch_id)
    if batch is None or batch["status"] != "receiving":
        return "not_receiving"
    (came,) = await connection.fetch(sql.READ_CHUNKS, command.batch_id)
    if (came["chunks"], came["last"] + 1, came["records"]) != (command.chunks, command.chunks, command.total):
        reason = f"Only {came['records']:,} of {command.total:,} lines came."
        await connection.execute(sql.GIVE_UP, command.batch_id, reason)
        await connection.execute(sql.DROP_CHUNKS, command.batch_id)
        return "incomplete"
    await connection.execute(sql.JOIN_SETS)
    marked: str = await connection.execute(sql.MARK_DUPLICATES, command.batch_id)
    duplicates = int(marked.removeprefix("UPDATE "))
    queued = command.total - came["invalid"] - duplicates
    await connection.execute(sql.CLOSE, command.batch_id, command.total, came["invalid"], duplicates, queued)
    await connection.execute(sql.DROP_CHUNKS, command.batch_id)
    if queued:
        await jobs.begin(connection, "file", command)
    return "applied"
