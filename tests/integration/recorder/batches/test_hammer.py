"""Everything at once: recorders with jobs, commands about batches and about their checks, claims, sweeps, reports."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.recorder import faults
from services.recorder.audit import broken_rules
from services.recorder.batches import commands
from services.recorder.batches.slices import do_slice
from services.recorder.items import Asked
from services.recorder.store import flush
from shared.ids import check_of, new_id
from shared.messages import (
    AttemptsStarted,
    BatchCommand,
    CancelBatch,
    CancelCheck,
    CheckCommand,
    ClaimedCheck,
    DeleteBatch,
    DeleteCheck,
    Filter,
    PauseBatch,
    ResumeBatch,
    RetryBatch,
    RetryCheck,
    RetryChecks,
)
from tests import factories
from tests.integration.recorder.batches.desk import UNPACED, Desk, records

ORDERS: list[type[BatchCommand]] = [
    PauseBatch,
    ResumeBatch,
    ResumeBatch,
    RetryBatch,
    RetryBatch,
    CancelBatch,
    DeleteBatch,
]
LONE: list[type[CheckCommand]] = [CancelCheck, RetryCheck, RetryCheck, DeleteCheck]
ROUNDS = 50
LINES = 520


@dataclass
class World:
    """What is there, and what has happened to it."""

    desk: Desk
    rng: random.Random
    batches: list[UUID] = field(default_factory=list)
    claimed: list[ClaimedCheck] = field(default_factory=list)
    tried_again: int = 0
    over: bool = False

    async def patiently(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """As a recorder does: what may pass is tried again."""
        while True:
            try:
                return await work()
            except asyncpg.PostgresError as error:
                if not faults.may_pass(error):
                    raise
                self.tried_again += 1

    async def order(self) -> None:
        """People with batches, and their uploads."""
        async with self.desk.connection() as connection:
            for _ in range(ROUNDS):
                for command in self._commands():
                    await self.patiently(lambda command=command: commands.apply(connection, command))  # type: ignore[misc]
                await asyncio.sleep(0.02)  # so that something comes of it

    def _commands(self) -> list[BatchCommand]:
        if len(self.batches) < 3 or self.rng.random() < 0.1:
            opened = factories.open_batch()
            chunks = factories.uploads(opened, records(LINES))
            self.batches.append(opened.batch_id)
            return [opened, *chunks, factories.close_batch(opened, chunks)]
        if self.rng.random() < 0.1:
            return [factories.about_batch(RetryChecks, filter=Filter(host="*.example"))]
        kind = self.rng.choice(ORDERS)
        batch = self.rng.choice(self.batches[-4:])
        return [factories.about_batch(kind, batch_id=batch)]

    async def work(self) -> None:
        """A recorder's jobs."""
        async with self.desk.connection() as connection:
            while not self.over:
                if await self.patiently(lambda: do_slice(connection, UNPACED)) is None:
                    await asyncio.sleep(0.005)

    async def flush(self) -> None:
        """A recorder's flushes: reports of what was claimed, and people with single checks."""
        async with self.desk.connection() as connection:
            while not self.over:
                found = [self._item() for _ in range(self.rng.randint(1, 60))]
                items = [item for item in found if item is not None]
                if not items:  # nothing is there yet, and a flush of nothing lets nobody else go on
                    await asyncio.sleep(0.005)
                    continue
                done = await self.patiently(lambda: flush(connection, items, UNPACED, lambda: 1.0))  # noqa: B023
                self.claimed = (self.claimed + done.claimed)[-2000:]

    def _item(self) -> Any:
        if self.batches and self.rng.random() < 0.15:
            about = check_of(self.rng.choice(self.batches[-4:]), self.rng.randint(1, LINES))
            kind, expires_at = self.rng.choice(LONE), factories.now() + timedelta(seconds=60)
            return Asked(kind(id=new_id(), expires_at=expires_at, check_id=about))
        if not self.claimed:
            return None
        check = self.rng.choice(self.claimed)
        match self.rng.randint(0, 4):
            case 0:
                return AttemptsStarted(fetcher="f", attempts=(factories.ref(check),))
            case 1 | 2:
                return factories.failed(check, "http_error", retry=self.rng.random() < 0.2)
            case _:
                return factories.counted(check)

    async def schedule(self) -> None:
        """A scheduler, for which time flies."""
        while not self.over:
            self.claimed = (self.claimed + await self.patiently(lambda: self.desk.db.claim(UNPACED)))[-2000:]
            if self.rng.random() < 0.1:
                await self.patiently(self.desk.db.sweep)
            await asyncio.sleep(0.01)


async def test_whatever_happens_at_once_nothing_is_wrong_afterwards(desk: Desk) -> None:
    await hammer(desk, seed=1)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 12))
async def test_and_not_with_other_seeds_either(desk: Desk, seed: int) -> None:
    await hammer(desk, seed)


async def hammer(desk: Desk, seed: int) -> None:
    world = World(desk, random.Random(seed))
    await desk.db.recorder.execute("UPDATE fetchers SET seen_at = clock_timestamp() + interval '1 day', capacity = 300")
    async with asyncio.TaskGroup() as group:
        for actor in (world.work, world.work, world.flush, world.flush, world.schedule):
            group.create_task(actor())
        await world.order()
        assert await broken_rules(desk.db.recorder) == []
        world.over = True
    await desk.work_off()
    print(f"seed {seed}: {len(world.batches)} batches, {len(world.claimed)} claims, {world.tried_again} tried again")
