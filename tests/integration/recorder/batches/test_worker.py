"""The worker of jobs: one that fails for good keeps no other from its turn."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from services.recorder import app
from services.recorder.batches.jobs import MOST_PER_SLICE
from services.recorder.batches.turns import TRIES, Turn
from services.recorder.batches.worker import JobWorker
from services.recorder.metrics import Metrics
from services.recorder.persistence import Persistent
from shared import settings
from shared.db.single import SingleConnection
from tests.integration.recorder.batches.desk import Desk, records
from tests.integration.servers import eventually

FAILURES = {
    "refused": "RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'",
    "takes too long": "PERFORM pg_sleep(60)",
}


@asynccontextmanager
async def working(desk: Desk, registry: CollectorRegistry, **options: Any) -> AsyncIterator[None]:
    """A worker of jobs whose statements may take half a second."""
    parameters = app.PARAMETERS | app.IN_ORDER | {"statement_timeout": "500ms"}
    metrics = Metrics(registry)
    worker = JobWorker(
        database=Persistent(
            SingleConnection(desk.db.url, role=app.ROLE, parameters=parameters),
            within_s=15,
            on_retry=metrics.batch_retries.inc,
        ),
        config=settings.load({}),
        metrics=metrics,
        hears=lambda: False,
        **{"is_busy": lambda: False} | options,
    )
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_job_that_fails_each_time_gives_way_to_others(desk: Desk, failure: str) -> None:
    bad = await desk.upload(records(3), filed=False)
    good = await desk.upload(records(3), filed=False)
    owner = await asyncpg.connect(desk.db.url)
    await owner.execute(FAILING.format(batch=bad, failure=FAILURES[failure]))
    registry = CollectorRegistry()
    async with working(desk, registry):
        await eventually(lambda: is_done(desk, good), timeout_s=30, what="the other batch")
        await eventually(lambda: sample(registry, "oldest_job_seconds") > 0, timeout_s=30, what="the gauge")
    (job,) = await desk.db.recorder.fetch(
        "SELECT batch_id, touched_at > clock_timestamp() + interval '20 s' AS later FROM jobs WHERE finished_at IS NULL"
    )
    assert (job["batch_id"], job["later"]) == (bad, True), "it stays, and is put off"
    assert sample(registry, "jobs_put_off_total", kind="file") == 1
    await owner.execute("DROP TRIGGER failing ON checks")
    await owner.close()
    await desk.db.recorder.execute("UPDATE jobs SET touched_at = clock_timestamp()")
    await desk.work_off()
    assert await desk.counters(bad) == {"total": 3, "queued": 3}


async def test_a_slice_that_took_minutes_is_not_rested_from_for_longer(desk: Desk) -> None:
    batch = await desk.upload(records(2 * MOST_PER_SLICE), filed=False)
    # As where PostgreSQL did not answer for half a minute under each of them: later slices waited eight times as long.
    slow = itertools.count(step=30).__next__
    async with working(desk, CollectorRegistry(), is_busy=lambda: True, clock=lambda: float(slow())):
        await eventually(lambda: is_done(desk, batch), timeout_s=10, what="the batch is filed")


async def test_a_database_that_is_away_is_held_against_no_job(desk: Desk) -> None:
    bad = await desk.upload(records(3), filed=False)
    owner = await asyncpg.connect(desk.db.url)
    await owner.execute(FAILING.format(batch=bad, failure=FAILURES["takes too long"]))
    await desk.db.recorder.execute("SET statement_timeout = '200ms'")
    turn = Turn(settings.load({}))

    async def fails() -> bool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await turn.run(desk.db.recorder)
        return turn.may_go_on()

    assert await fails()
    assert all(turn.may_go_on() for _ in range(2 * TRIES)), "tries that did not even reach the database"
    assert [await fails() for _ in range(TRIES - 1)] == [True] * (TRIES - 2) + [False]
    assert turn.blamed is not None
    assert turn.blamed.batch_id == bad
    await owner.close()


FAILING = """
CREATE FUNCTION failing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF batch_of(NEW.id) = '{batch}' THEN {failure}; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER failing BEFORE INSERT ON checks FOR EACH ROW EXECUTE FUNCTION failing();
"""


async def is_done(desk: Desk, batch: UUID) -> bool:
    query = "SELECT EXISTS (SELECT FROM jobs WHERE batch_id = $1 AND finished_at IS NOT NULL)"
    return bool(await desk.db.recorder.fetchval(query, batch))


def sample(registry: CollectorRegistry, name: str, **labels: Any) -> float:
    return registry.get_sample_value(f"wordwatch_recorder_{name}", labels) or 0
