"""An upload as it comes in: a batch is opened, and filled chunk by chunk."""

import asyncpg

from services.recorder import questions
from services.recorder.batches import rows, sql
from services.recorder.store import hold_questions
from shared.messages import FillBatch, OpenBatch


async def open_batch(connection: asyncpg.Connection, command: OpenBatch) -> str:
    """Makes the batch; returns the outcome."""
    await hold_questions(connection, [command.question])
    question = questions.id_of(command.question)
    await connection.execute(sql.OPEN, command.batch_id, command.label, question, command.trace)
    return "applied"


async def fill(connection: asyncpg.Connection, command: FillBatch) -> str:
    """Adds a chunk's records, unless the chunk has come before; returns the outcome."""
    if not rows.is_sound(command):
        return "refused"
    if command.questions:
        await hold_questions(connection, command.questions)
    batch = await connection.fetchrow(sql.SHARE_BATCH, command.batch_id)
    if batch is None or batch["status"] != "receiving":
        return "not_receiving"
    counts = len(command.records), sum(map(rows.is_invalid, command.records))
    lines = rows.lines(command, batch["same"])
    await connection.execute(sql.FILL, command.batch_id, command.number, *counts, command.file, *lines)
    return "applied"
