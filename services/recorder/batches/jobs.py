"""Jobs: what touches many rows and is done in slices, each a transaction of its own.

A slice holds the row of its job from beginning to end. Whoever is killed in one leaves a job that another recorder goes
on with, where the last committed slice has ended.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from services.recorder.batches import sql
from services.recorder.batches.orders import JobKind
from shared.ids import MAX_SEQ, check_of
from shared.messages import BatchCommand, Filter

MOST_PER_SLICE: Final = 500
"""Rows: 5,000 hold the locks of a flush that has a person behind it for a tenth of a second."""
NOWHERE: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`."""

    id: UUID
    kind: JobKind
    batch_id: UUID | None
    filter: Filter
    after: UUID
    changed: int
    asked_at: datetime
    trace: str

    @property
    def batch(self) -> UUID:
        """The batch, of a job that is about one."""
        assert self.batch_id is not None  # noqa: S101 - by its kind
        return self.batch_id

    @property
    def last(self) -> UUID:
        """The last id that a check of the batch may have."""
        return check_of(self.batch, MAX_SEQ)


@dataclass(frozen=True, slots=True)
class Slice:
    """How far a slice got: all up to the check `after`, and how many of them it has changed."""

    after: UUID
    changed: int = 0
    finished: bool = False


class Withdrawn(Exception):
    """The batch has changed its state under a slice: it is rolled back."""


async def begin(
    connection: asyncpg.Connection, kind: JobKind, command: BatchCommand, wanted: Filter | None = None
) -> None:
    """Adds the job that a command asks for; the caller has ended an open one of the same kind and batch."""
    batch_id: UUID | None = getattr(command, "batch_id", None)
    stored = None if wanted is None else msgspec.json.encode(wanted).decode()
    await connection.execute(sql.BEGIN_JOB, command.id, kind, batch_id, stored, batch_id or NOWHERE, command.trace)


async def take(connection: asyncpg.Connection) -> Job | None:
    """Locks the job that nobody has touched for longest; None if there is none to do."""
    row = await connection.fetchrow(sql.TAKE_JOB)
    if row is None:
        return None
    wanted = Filter() if row["filter"] is None else msgspec.json.decode(row["filter"], type=Filter)
    return Job(**{**dict(row), "filter": wanted})


async def move(connection: asyncpg.Connection, job: Job, done: Slice) -> None:
    """Notes how far a job has come."""
    await connection.execute(sql.MOVE_JOB, job.id, done.after, done.changed, done.finished)
