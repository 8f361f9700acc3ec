"""The transaction of one command about a batch: its outcome is stored with what it changes."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from services.recorder import sql as flush_sql
from services.recorder.batches import closing, intake, jobs, orders, sql
from services.recorder.batches.orders import BatchState, Flip, Order
from services.recorder.batches.renewing import RETRYABLE, status_of
from shared.messages import (
    BatchCommand,
    CancelBatch,
    CloseBatch,
    CommandOutcome,
    FillBatch,
    OpenBatch,
    RetryChecks,
)

_FLIPS: Final[dict[Flip, str]] = {
    "give up": sql.GIVE_UP,
    "cancel": sql.CANCEL,
    "pause": sql.PAUSE,
    "resume": sql.RESUME,
    "reopen": sql.REOPEN,
    "delete": sql.DELETE,
}
_NOTHING_MORE_COMES: Final[frozenset[Flip]] = frozenset({"give up", "delete"})


@dataclass(frozen=True, slots=True)
class Settled:
    """What a command has come to; `again`, if it had before."""

    outcome: CommandOutcome
    again: bool = False


async def apply(connection: asyncpg.Connection, command: BatchCommand, *, refused: bool = False) -> Settled:
    """Applies a command once, however often it comes, and commits.

    Args:
        connection: with nothing under way.
        command: the command.
        refused: PostgreSQL can't take it: that becomes its outcome, and nothing else changes.

    Raises:
        asyncpg.PostgresError, OSError, …: nothing was committed.
    """
    about: UUID | None = getattr(command, "batch_id", None)
    async with connection.transaction():
        now = await connection.fetchval(sql.TAKE_COMMAND, command.id, about)
        if now is None:
            (known,) = await connection.fetch(sql.READ_OUTCOME, command.id)
            return Settled(CommandOutcome(id=command.id, outcome=known["outcome"], batch_id=known["batch_id"]), True)
        outcome, batch = "applied", about
        if refused:
            outcome = "refused"
        elif command.expires_at < now:
            outcome = "expired"
        else:
            outcome, batch = await _apply(connection, command, about)
        if (outcome, batch) != ("applied", about):
            await connection.execute(sql.SET_OUTCOME, command.id, outcome, batch)
    return Settled(CommandOutcome(id=command.id, outcome=outcome, batch_id=batch))


async def _apply(connection: asyncpg.Connection, command: BatchCommand, about: UUID | None) -> tuple[str, UUID | None]:
    match command:
        case OpenBatch():
            return await intake.open_batch(connection, command), about
        case FillBatch():
            return await intake.fill(connection, command), about
        case CloseBatch():
            return await closing.close(connection, command)
        case RetryChecks():
            return await _retry_checks(connection, command), about
        case _:
            return await _order(connection, command), about


async def _retry_checks(connection: asyncpg.Connection, command: RetryChecks) -> str:
    if status_of(command.filter) not in RETRYABLE:
        return "not_retryable"
    await jobs.begin(connection, "retry_checks", command, command.filter)
    return "applied"


async def _order(connection: asyncpg.Connection, order: Order) -> str:
    """Flips the batch at once; its rows follow."""
    await connection.execute(sql.LOCK_JOBS, order.batch_id)
    # Counted before the batch is held: all who change one of its checks would wait for that.
    unfiled = await connection.fetchval(sql.UNFILED, order.batch_id) if isinstance(order, CancelBatch) else None
    row = await connection.fetchrow(sql.LOCK_BATCH, order.batch_id)
    decision = orders.decide(None if row is None else BatchState(**row), order)
    if decision.flip is not None:
        await _flip(connection, decision.flip, order, unfiled)
    if decision.outcome == "deleted":  # only now: the close that took its key held the batch
        await connection.execute(flush_sql.FREE_KEYS, [order.batch_id])
    if decision.flip in _NOTHING_MORE_COMES:
        await connection.execute(sql.DROP_CHUNKS, order.batch_id)
    if ending := [*decision.end, *([decision.begin] if decision.begin else [])]:
        await connection.execute(sql.END_JOBS, order.batch_id, ending)
    if decision.begin is not None:
        await jobs.begin(connection, decision.begin, order)
    return decision.outcome


async def _flip(connection: asyncpg.Connection, flip: Flip, order: Order, unfiled: int | None) -> None:
    arguments: list[str | int | None] = [order.reason] if isinstance(order, CancelBatch) else []
    if flip == "cancel":
        if unfiled is None:  # it was closed, or asked for again, between the count and the lock
            unfiled = await connection.fetchval(sql.UNFILED, order.batch_id)
        arguments.append(unfiled)
    await connection.execute(_FLIPS[flip], order.batch_id, *arguments)
