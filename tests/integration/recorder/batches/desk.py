"""A recorder's work on batches, command by command and slice by slice, for tests of its transactions."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from services.recorder import app
from services.recorder.batches import commands
from services.recorder.batches.jobs import Job, Slice
from services.recorder.batches.slices import do_slice
from shared import messages, settings
from shared.db import connect
from shared.ids import check_of
from shared.messages import BatchCommand, ClaimedCheck, OpenBatch, Record
from tests import factories
from tests.integration.recorder.database import Database, config

UNPACED = config(host_rate_per_s=0, host_concurrency=1000, retry_base_s=0)
"""Whatever is due may be claimed at once."""
MOST_SLICES = 200
COUNTERS = ("total", "queued", "running", "done", "failed", "cancelled", "duplicates", "invalid")


@dataclass
class Desk:
    """What one recorder does for batches; `db` is its database."""

    db: Database

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Another connection, as a second recorder has it; given up at the end as by a kill."""
        parameters = app.PARAMETERS | app.IN_ORDER
        connection = await connect.connect(self.db.url, role=app.ROLE, parameters=parameters)
        try:
            yield connection
        finally:
            connection.terminate()

    async def send(self, *sent: BatchCommand) -> list[str]:
        """Applies commands in order; returns their outcomes."""
        return [(await commands.apply(self.db.recorder, command)).outcome.outcome for command in sent]

    async def order(self, kind: type[BatchCommand], batch: UUID, **fields: Any) -> str:
        """Applies one command about a batch; returns its outcome."""
        (outcome,) = await self.send(factories.about_batch(kind, batch_id=batch, **fields))
        return outcome

    async def receive(self, records: Sequence[Record], *, most: int = 1000, **fields: Any) -> OpenBatch:
        """An upload whose end has not come yet."""
        opened = factories.open_batch(**fields)
        outcomes = await self.send(opened, *factories.uploads(opened, records, most=most))
        assert set(outcomes) == {"applied"}
        return opened

    async def upload(self, records: Sequence[Record], *, filed: bool = True, **fields: Any) -> UUID:
        """A whole upload, closed; and its checks, unless they are not wanted yet."""
        opened = await self.receive(records, **fields)
        chunks = factories.uploads(opened, records)
        assert await self.send(factories.close_batch(opened, chunks)) == ["applied"]
        if filed:
            await self.work_off()
        return opened.batch_id

    async def slice(self, connection: asyncpg.Connection | None = None) -> tuple[Job, Slice] | None:
        """One slice of the next job."""
        return await do_slice(connection or self.db.recorder, settings.load({}))

    async def work_off(self) -> int:
        """Does jobs until none is left; returns how many slices that took."""
        for done in range(MOST_SLICES):
            if await self.slice() is None:
                return done
        raise AssertionError(f"after {MOST_SLICES} slices there are jobs")

    async def batch(self, batch: UUID) -> dict[str, Any]:
        row = await self.db.recorder.fetchrow("SELECT * FROM batches WHERE id = $1", batch)
        assert row is not None
        return dict(row)

    async def counters(self, batch: UUID) -> dict[str, int]:
        """Those that are not 0."""
        row = await self.batch(batch)
        return {name: row[name] for name in COUNTERS if row[name]}

    async def status(self, batch: UUID) -> str:
        return str((await self.batch(batch))["status"])

    async def lines(self, batch: UUID) -> list[tuple[str | None, int | None]]:
        """Fate and first of each line, in order."""
        rows = await self.db.recorder.fetch("SELECT fate, first FROM lines WHERE batch_id = $1 ORDER BY seq", batch)
        return [(row["fate"], row["first"]) for row in rows]

    async def jobs(self) -> list[str]:
        """Kinds of the jobs that are to be done."""
        rows = await self.db.recorder.fetch("SELECT kind FROM jobs WHERE finished_at IS NULL ORDER BY kind")
        return [row["kind"] for row in rows]

    async def claim(self) -> dict[UUID, ClaimedCheck]:
        """Claims all that is due, by the ids of checks."""
        await self.db.recorder.execute("UPDATE fetchers SET capacity = 10000, seen_at = clock_timestamp()")
        claimed: dict[UUID, ClaimedCheck] = {}
        while more := await self.db.claim(UNPACED):
            claimed |= {check.check_id: check for check in more}
        return claimed

    async def end(self, batch: UUID, *, failed: Sequence[int] = (), done: Sequence[int] = ()) -> None:
        """Claims all that is due, and gives these records of a batch an outcome for good."""
        claimed = await self.claim()
        reports = [factories.failed(claimed[check_of(batch, n)], "http_error", retry=False) for n in failed]
        reports += [factories.counted(claimed[check_of(batch, n)]) for n in done]
        await self.db.flush(*reports, config=UNPACED)

    async def let_time_pass(self, seconds: float) -> None:
        """Moves what has happened to uploads into the past."""
        for statement in (
            "UPDATE batches SET recent_at = recent_at - make_interval(secs => $1)",
            "UPDATE chunks SET received_at = received_at - make_interval(secs => $1)",
        ):
            await self.db.recorder.execute(statement, seconds)

    async def is_empty(self) -> bool:
        """Whether nothing at all is left of any batch."""
        tables = ("batches", "lines", "chunks", "batch_errors", "batch_words", "checks", "queue", "results", "keys")
        counts = [await self.db.count(table) for table in tables]
        return not any(counts)


def records(number: int, *, hosts: int = 7) -> list[messages.Record]:
    """So many pages, the hosts in turn."""
    return [factories.record(n, host=f"{n % hosts}.example") for n in range(1, number + 1)]
