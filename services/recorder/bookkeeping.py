"""Writes into the rows of batches what a transaction changed of their checks.

Called last: batches come after everything else in the order of locks.
"""

from collections.abc import Collection, Mapping
from dataclasses import astuple
from datetime import datetime
from uuid import UUID

import asyncpg

from services.recorder import rows
from services.recorder.tallies import BatchState, Tally
from shared.ids import batch_of

# The order by which everybody who locks several of them does.
_LOCK_BATCHES = """
SELECT id, status, queued, running, done, failed, cancelled, finished_at, running_since, recent, recent_at
FROM batches WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
"""
# Of those that are locked; in a statement of its own, which sees what was committed before that.
_RETRIED = "SELECT batch_id FROM jobs WHERE batch_id = ANY ($1::uuid[]) AND kind = 'retry' AND finished_at IS NULL"
_CHANGE_BATCHES = """
UPDATE batches b
SET status = n.status, queued = n.queued, running = n.running, done = n.done, failed = n.failed,
    cancelled = n.cancelled, finished_at = n.finished_at, running_since = n.running_since, recent = n.recent,
    recent_at = n.recent_at
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::integer[], $7::integer[],
            $8::timestamptz[], $9::timestamptz[], $10::float8[], $11::timestamptz[])
    AS n (id, status, queued, running, done, failed, cancelled, finished_at, running_since, recent, recent_at)
WHERE b.id = n.id
"""
_ADD_ERRORS = """
INSERT INTO batch_errors (batch_id, code, checks)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::integer[])
ON CONFLICT (batch_id, code) DO UPDATE SET checks = batch_errors.checks + EXCLUDED.checks
"""
_DROP_ERRORS = "DELETE FROM batch_errors WHERE batch_id = ANY ($1::uuid[]) AND checks = 0"
_ADD_WORDS = """
INSERT INTO batch_words (batch_id, word, total)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[])
ON CONFLICT (batch_id, word) DO UPDATE SET total = batch_words.total + EXCLUDED.total
"""
_DROP_WORDS = "DELETE FROM batch_words WHERE batch_id = ANY ($1::uuid[]) AND total = 0"
_PARK = "UPDATE queue SET parked = true WHERE check_id = ANY ($1::uuid[])"

_Sums = dict[tuple[UUID, str], int]


async def book(
    connection: asyncpg.Connection, tallies: Mapping[UUID, Tally], requeued: Collection[UUID], now: datetime
) -> None:
    """Adds the sums to their batches, and parks what went to the queue of a paused one.

    Args:
        connection: in the transaction that changed the checks; it holds their rows.
        tallies: what is added, by batch.
        requeued: checks of batches that this transaction put into the queue.
        now: PostgreSQL's time.
    """
    touched = sorted(tallies.keys() | {batch_of(check_id) for check_id in requeued})
    if not touched:
        return
    found = await connection.fetch(_LOCK_BATCHES, touched)
    before = {row["id"]: BatchState(**{name: row[name] for name in BatchState.__slots__}) for row in found}
    after = {id_: state.after(tallies[id_], now) for id_, state in before.items() if id_ in tallies}
    if ending := [id_ for id_, state in after.items() if state.status == "finished"]:
        for row in await connection.fetch(_RETRIED, ending):  # the end of that job is to say whether they are
            id_ = row["batch_id"]
            after[id_] = before[id_].after(tallies[id_], now, more_to_come=True)
    if changed := [(id_, state) for id_, state in after.items() if state != before[id_]]:
        await connection.fetch(_CHANGE_BATCHES, *rows.columns([(id_, *astuple(state)) for id_, state in changed]))
    errors = {(id_, code): number for id_ in after for code, number in tallies[id_].errors.items()}
    words = {(id_, word): total for id_ in after for word, total in tallies[id_].words.items()}
    await _add(connection, _ADD_ERRORS, _DROP_ERRORS, errors)
    await _add(connection, _ADD_WORDS, _DROP_WORDS, words)
    paused = {id_ for id_, state in before.items() if after.get(id_, state).status == "paused"}
    if parked := sorted(check_id for check_id in requeued if batch_of(check_id) in paused):
        await connection.fetch(_PARK, parked)


async def _add(connection: asyncpg.Connection, add: str, drop: str, sums: _Sums) -> None:
    """Adds sums that are not 0; where something was taken away, rows that have come to 0 go."""
    if wanted := sorted((*name, number) for name, number in sums.items() if number):
        await connection.fetch(add, *rows.columns(wanted))
    if lowered := sorted({id_ for id_, _, number in wanted if number < 0}):
        await connection.fetch(drop, lowered)
