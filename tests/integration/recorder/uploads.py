"""Batches as an upload leaves them: opened, filled, closed, and filed by the jobs of a recorder."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.recorder.batches import commands
from services.recorder.batches.slices import do_slice
from shared import ids, settings
from shared.ids import new_id
from shared.messages import BatchCommand, CloseBatch, FillBatch, OpenBatch, PauseBatch, Question, Record
from tests import factories

ASKED = Question(words=("python",))
MOST_SLICES = 1_000


def records(of_host: Mapping[str, int]) -> list[Record]:
    """So many pages of each host, its pages next to each other."""
    places = [(host, n) for host, pages in of_host.items() for n in range(pages)]
    return [
        Record(line=line, text=f"http://{host}/{n}", url=f"http://{host}/{n}", host=host)
        for line, (host, n) in enumerate(places, 1)
    ]


async def send(connection: asyncpg.Connection, kind: type[BatchCommand], **fields: Any) -> str:
    """What a recorder does with a command about a batch; returns its outcome."""
    given: dict[str, Any] = {"id": new_id(), "expires_at": factories.now() + timedelta(minutes=10)}
    settled = await commands.apply(connection, kind(**given | fields))
    return settled.outcome.outcome


async def receive(connection: asyncpg.Connection, lines: Sequence[Record]) -> UUID:
    """An upload whose end has not come yet; returns the batch."""
    batch = ids.batch_id(new_id())
    assert await send(connection, OpenBatch, batch_id=batch, question=ASKED) == "applied"
    fill = {"batch_id": batch, "number": 0, "first_seq": 1, "records": tuple(lines)}
    assert await send(connection, FillBatch, **fill) == "applied"
    return batch


async def upload(
    connection: asyncpg.Connection,
    lines: Mapping[str, int] | Sequence[Record],
    config: settings.Settings | None = None,
) -> UUID:
    """A batch all of whose checks are there and due, of these records or so many pages of each host; returns it."""
    lines = records(lines) if isinstance(lines, Mapping) else lines
    batch = await receive(connection, lines)
    assert await send(connection, CloseBatch, batch_id=batch, chunks=1, total=len(lines)) == "applied"
    await work_off(connection, config)
    return batch


async def pause(connection: asyncpg.Connection, batch: UUID) -> None:
    """Pauses a batch, and parks all that is queued of it."""
    assert await send(connection, PauseBatch, batch_id=batch) == "applied"
    await work_off(connection)


async def work_off(connection: asyncpg.Connection, config: settings.Settings | None = None) -> None:
    """Does jobs until none is left."""
    for _ in range(MOST_SLICES):
        if await do_slice(connection, config or settings.load({})) is None:
            return
    raise AssertionError(f"after {MOST_SLICES} slices there are jobs")


def checks_of(batch: UUID, seqs: Iterable[int]) -> list[UUID]:
    """The checks of these records."""
    return [ids.check_of(batch, seq) for seq in seqs]
