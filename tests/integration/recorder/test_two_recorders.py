"""Two recorders at once, with sets of messages that overlap in every way."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.recorder import faults
from services.recorder.audit import broken_rules
from services.recorder.batches.slices import do_slice
from services.recorder.items import Asked, Flushed
from services.recorder.store import flush
from shared import messages
from shared.db import connect
from shared.ids import new_id
from shared.messages import (
    AttemptsLate,
    AttemptsStarted,
    BatchCommand,
    CancelBatch,
    CancelCheck,
    ClaimedCheck,
    DeleteBatch,
    DeleteCheck,
    Idempotency,
    PauseBatch,
    ResumeBatch,
    RetryBatch,
    RetryCheck,
)
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.recorder.uploads import checks_of, send, upload, work_off

CONFIG = config(host_concurrency=3, host_rate_per_s=0)
ORDERS: list[type[messages.CheckCommand]] = [CancelCheck, RetryCheck, RetryCheck, DeleteCheck]
OF_BATCHES: list[type[BatchCommand]] = [PauseBatch, ResumeBatch, ResumeBatch, RetryBatch, CancelBatch, DeleteBatch]
ROUNDS = 80
RECENT = 60
HOSTS = [f"{n}.example" for n in range(6)]
LINES_EACH = 5
MOST_BATCHES = 6


@dataclass
class Traffic:
    """Messages as two recorders get them: each several times, in no order."""

    rng: random.Random
    recent: list[Any] = field(default_factory=list)
    submits: list[messages.SubmitCheck] = field(default_factory=list)
    claims: list[ClaimedCheck] = field(default_factory=list)
    outcomes: dict[UUID, set[str]] = field(default_factory=dict)
    batches: list[UUID] = field(default_factory=list)
    deadlocks: int = 0

    def some(self) -> list[Any]:
        """A set of messages: half of them are on their way to the other recorder, too."""
        for _ in range(self.rng.randint(1, 8)):
            self.recent.append(self._new())
        self.recent = self.recent[-RECENT:]
        return self.rng.sample(self.recent, min(len(self.recent), 24))

    def _new(self) -> Any:
        kind = self.rng.choice(["submit"] * 4 + ["report"] * 6 + ["order"] * 3)
        if kind == "report" and self.claims:
            return self._report(self.rng.choice(self.claims[-40:]))
        if kind == "order" and self.submits:
            order = self.rng.choice(ORDERS)
            check_id = self.rng.choice([each.check_id for each in self.submits[-40:]] + self._lines())
            return order(id=new_id(), expires_at=factories.now() + timedelta(seconds=60), check_id=check_id)
        key = Idempotency(key=str(self.rng.randint(0, 20)), digest="d") if self.rng.random() < 0.3 else None
        self.submits.append(factories.submit(host=self.rng.choice(HOSTS), idempotency=key))
        return self.submits[-1]

    def _lines(self) -> list[UUID]:
        """Checks of a batch."""
        lines = range(1, LINES_EACH * len(HOSTS) + 1)
        return checks_of(self.rng.choice(self.batches), lines) if self.batches else []

    def _report(self, check: ClaimedCheck) -> messages.Report:
        match self.rng.randint(0, 5):
            case 0:
                return AttemptsStarted(fetcher="f", attempts=(factories.ref(check),))
            case 1:
                return AttemptsLate(fetcher="f", attempts=(factories.ref(check),))
            case 2 | 3:
                return factories.failed(check, *self.rng.choice([("connect_failed",), ("poison",)]))
            case _:
                return factories.counted(check)

    def failed(self, error: BaseException) -> None:
        """Notes what may pass; recorders that wait for each other in a circle would be a defect."""
        self.deadlocks += isinstance(error, asyncpg.DeadlockDetectedError)

    def learn(self, done: Flushed) -> None:
        self.claims += done.claimed
        for outcome in done.outcomes:
            self.outcomes.setdefault(outcome.id, set()).add(outcome.outcome)


async def _record(url: str, traffic: Traffic) -> None:
    """A recorder's life, as far as the database sees it: what may pass is tried again."""
    connection = await connect.connect(url, role="wordwatch_recorder")
    for _ in range(ROUNDS):
        items = [Asked(item) if isinstance(item, messages.LoneCommand) else item for item in traffic.some()]
        while True:
            try:
                traffic.learn(await flush(connection, items, CONFIG, lambda: 1.0))
                break
            except faults.DATABASE as error:
                if not faults.may_pass(error):
                    raise
                traffic.failed(error)
    await connection.close()


async def _batches(url: str, traffic: Traffic) -> None:
    """A recorder's other life: uploads and what people ask of them, jobs done slice by slice beside all else."""
    connection = await connect.connect(url, role="wordwatch_recorder")
    try:
        while True:
            try:
                if len(traffic.batches) < MOST_BATCHES:
                    traffic.batches.append(await upload(connection, dict.fromkeys(HOSTS, LINES_EACH), CONFIG))
                kind, batch = traffic.rng.choice(OF_BATCHES), traffic.rng.choice(traffic.batches)
                if await send(connection, kind, batch_id=batch) == "deleted":
                    traffic.batches.remove(batch)
                await do_slice(connection, CONFIG)
            except asyncpg.DeadlockDetectedError as error:
                traffic.failed(error)
            await asyncio.sleep(0.005)
    finally:
        await connection.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_recorders_with_overlapping_sets_leave_no_row_wrong(db: Database, seed: int) -> None:
    traffic = Traffic(random.Random(seed))
    await db.recorder.execute("UPDATE fetchers SET seen_at = clock_timestamp() + interval '1 day', capacity = 1000")

    async def look() -> None:
        """A scheduler besides, and somebody who looks that all is well at any moment."""
        while True:
            traffic.claims += await db.claim(CONFIG)
            assert await broken_rules(db.recorder) == []
            await asyncio.sleep(0.02)

    besides = [asyncio.create_task(look()), asyncio.create_task(_batches(db.url, traffic))]
    await asyncio.gather(_record(db.url, traffic), _record(db.url, traffic))
    for task in besides:
        assert not task.done(), task.result()
        task.cancel()
    await asyncio.gather(*besides, return_exceptions=True)
    await work_off(db.recorder, CONFIG)
    print(f"seed {seed}: {len(traffic.claims)} claims, {len(traffic.outcomes)} outcomes, {traffic.deadlocks} deadlocks")

    assert await broken_rules(db.recorder) == []
    different = {id_: said for id_, said in traffic.outcomes.items() if len(said) > 1}
    assert different == {}, "a repeated command announces the same outcome"
    attempts = [(check.check_id, check.attempt) for check in traffic.claims]
    assert len(attempts) == len(set(attempts)), "attempt numbers never repeat"
    assert sum(check.lane == "bulk" for check in traffic.claims) > 0
    assert traffic.deadlocks == 0
