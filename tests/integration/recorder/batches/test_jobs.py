"""Jobs, slice by slice: with recorders that die between two of them, and people who change their minds meanwhile."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.recorder import faults
from services.recorder.app import delete_slice
from services.recorder.audit import broken_rules
from services.recorder.batches import commands, jobs, slices, sql
from services.recorder.batches.jobs import MOST_PER_SLICE
from services.recorder.batches.slices import SliceRefused
from shared import settings
from shared.ids import check_of, new_id
from shared.messages import (
    AttemptsStarted,
    BatchCommand,
    CancelBatch,
    CheckCommand,
    DeleteBatch,
    DeleteCheck,
    PauseBatch,
    ResumeBatch,
    RetryBatch,
    RetryCheck,
)
from tests import factories
from tests.integration.recorder.batches.desk import UNPACED, Desk, records
from tests.integration.servers import eventually

SLICES = 3
WAKING = 1  # the hosts of what one slice has filed are woken by the next
MANY = (SLICES - 1) * MOST_PER_SLICE + 150


def about(kind: type[CheckCommand], check_id: UUID) -> CheckCommand:
    return kind(id=new_id(), expires_at=factories.now() + timedelta(seconds=60), check_id=check_id)


async def numbers(desk: Desk, query: str) -> list[int]:
    return [row[0] for row in await desk.db.recorder.fetch(query)]


async def test_each_record_that_can_be_checked_becomes_a_check_that_is_due(desk: Desk) -> None:
    sent = [*records(MANY), factories.record(1, host="1.example"), factories.invalid_record(2)]
    batch = await desk.upload(sent, filed=False)
    assert await desk.counters(batch) == {"total": MANY + 2, "queued": MANY, "duplicates": 1, "invalid": 1}
    assert await desk.db.count("checks") == 0, "its rows follow"
    assert await desk.work_off() == SLICES + WAKING
    assert await numbers(desk, "SELECT seq_of(check_id) FROM queue ORDER BY 1") == list(range(1, MANY + 1))
    row = await desk.batch(batch)
    assert (row["filed"], row["status"], row["queued"]) == (MANY + 2, "running", MANY)
    assert len(await desk.db.claim(UNPACED)) > 0, "their hosts are looked at"
    done = await desk.db.recorder.fetchrow("SELECT changed, finished_at FROM jobs")
    assert done is not None
    assert (done["changed"], done["finished_at"] is not None) == (MANY, True)


@pytest.mark.parametrize("kind", ["file", "park", "unpark", "cancel", "retry", "delete"])
async def test_another_recorder_goes_on_where_one_was_killed(desk: Desk, kind: str) -> None:
    batch = await desk.upload(records(MANY), filed=kind != "file")
    if kind == "retry":
        await desk.end(batch, failed=range(1, MANY + 1))
        assert await desk.counters(batch) == {"total": MANY, "failed": MANY}
    if kind == "unpark":
        await desk.order(PauseBatch, batch)
        await desk.work_off()
    orders: dict[str, type[BatchCommand]] = {
        "park": PauseBatch, "unpark": ResumeBatch, "cancel": CancelBatch, "retry": RetryBatch, "delete": DeleteBatch
    }  # fmt: skip
    if kind in orders:
        assert await desk.order(orders[kind], batch) in {"applied", "deleted"}
    assert await desk.jobs() == [kind]
    slices = 0
    while await desk.jobs():
        async with desk.connection() as killed:  # in the middle of a slice
            await killed.execute("BEGIN")
            assert (await jobs.take(killed)) is not None
            await killed.execute("UPDATE queue SET parked = NOT parked")
        async with desk.connection() as other:
            slices += await desk.slice(other) is not None
        assert await broken_rules(desk.db.recorder) == [], f"after {slices} slices"
    assert slices == SLICES + (WAKING if kind == "file" else 0)
    expected = {
        "file": {"total": MANY, "queued": MANY},
        "park": {"total": MANY, "queued": MANY},
        "unpark": {"total": MANY, "queued": MANY},
        "cancel": {"total": MANY, "cancelled": MANY},
        "retry": {"total": MANY, "queued": MANY},
    }
    if kind == "delete":
        assert await desk.is_empty()
    else:
        assert await desk.counters(batch) == expected[kind]
        parked = "SELECT count(*) FROM queue WHERE parked"
        assert await numbers(desk, parked) == [MANY if kind == "park" else 0]


async def test_two_workers_at_once_do_each_slice_once(desk: Desk) -> None:
    batches = [await desk.upload(records(MANY), filed=False) for _ in range(3)]

    async def work() -> int:
        slices = 0
        async with desk.connection() as connection:
            while await connection.fetchval("SELECT count(*) FROM jobs WHERE finished_at IS NULL"):
                slices += await desk.slice(connection) is not None
        return slices

    assert sum(await asyncio.gather(work(), work())) == (SLICES + WAKING) * len(batches)
    for batch in batches:
        assert await desk.counters(batch) == {"total": MANY, "queued": MANY}
    assert await desk.db.count("checks") == MANY * len(batches)


async def test_jobs_take_turns(desk: Desk) -> None:
    first, second = [await desk.upload(records(MANY), filed=False) for _ in range(2)]
    turns = [done[0].batch_id for done in [await desk.slice() for _ in range(4)] if done is not None]
    assert turns == [first, second, first, second]
    await desk.work_off()


async def test_what_is_filed_while_a_batch_is_paused_is_parked(desk: Desk) -> None:
    batch = await desk.upload(records(MANY), filed=False)
    await desk.slice()
    assert await desk.order(PauseBatch, batch) == "applied"
    assert await desk.jobs() == ["file", "park"]
    await desk.work_off()
    assert await numbers(desk, "SELECT count(*) FROM queue WHERE NOT parked") == [0]
    assert await desk.db.claim(UNPACED) == []
    assert await desk.order(ResumeBatch, batch) == "applied"
    await desk.work_off()
    assert await numbers(desk, "SELECT count(*) FROM queue WHERE parked") == [0]
    assert len(await desk.db.claim(UNPACED)) > 0
    row = await desk.batch(batch)
    assert (row["status"], row["recent"]) == ("running", 0)


async def test_a_pause_and_a_resume_in_a_row_leave_one_job(desk: Desk) -> None:
    batch = await desk.upload(records(MANY))
    orders: list[type[BatchCommand]] = [PauseBatch, ResumeBatch, PauseBatch]
    for order in orders:
        assert await desk.order(order, batch) == "applied"
        await desk.slice()
    assert await desk.jobs() == ["park"]
    await desk.work_off()
    assert await numbers(desk, "SELECT count(*) FROM queue WHERE NOT parked") == [0]


async def test_a_batch_that_is_cancelled_while_it_is_filed(desk: Desk) -> None:
    batch = await desk.upload([*records(MANY), factories.record(3, host="3.example")], filed=False)
    await desk.slice()
    await desk.db.wake()
    checks = list((await desk.claim()).values())
    started = AttemptsStarted(fetcher="f", attempts=tuple(factories.ref(check) for check in checks[:10]))
    await desk.db.flush(started, factories.counted(checks[0]), config=UNPACED)
    assert await desk.order(CancelBatch, batch, reason="Enough.") == "applied"
    row = await desk.batch(batch)
    assert (row["status"], row["stopped"], row["reason"], row["done"]) == ("cancelled", True, "Enough.", 1)
    assert row["cancelled"] == MANY - MOST_PER_SLICE, "what has no check is cancelled at once"
    assert await desk.jobs() == ["cancel"]
    await desk.work_off()
    expected = {"total": MANY + 1, "done": 1, "cancelled": MANY - 1, "duplicates": 1}
    assert await desk.counters(batch) == expected
    assert await desk.db.count("queue") == 0
    assert await desk.db.count("leases") == len(checks) - 1, "what is under way ends by itself"
    await desk.db.flush(*[factories.counted(check) for check in checks[1:]], config=UNPACED)
    assert await desk.counters(batch) == expected, "and changes nothing"
    assert await desk.order(CancelBatch, batch) == "applied"


async def test_a_batch_that_is_deleted_while_it_is_filed(desk: Desk) -> None:
    batch = await desk.upload(records(MANY), filed=False)
    await desk.slice()
    await desk.db.wake()
    (check, *_) = await desk.db.claim(UNPACED)
    assert await desk.order(DeleteBatch, batch) == "deleted"
    assert await desk.order(DeleteBatch, batch) == "not_found"
    assert await desk.jobs() == ["delete"]
    await desk.db.flush(factories.counted(check), config=UNPACED)
    await desk.work_off()
    assert await desk.is_empty()
    assert await desk.order(PauseBatch, batch) == "not_found"


async def test_a_batch_that_is_deleted_while_it_comes_in(desk: Desk) -> None:
    opened = await desk.receive(records(20))
    assert await desk.order(DeleteBatch, opened.batch_id) == "deleted"
    await desk.work_off()
    assert await desk.is_empty()


async def test_an_upload_that_is_cancelled_says_what_it_got(desk: Desk) -> None:
    opened = await desk.receive([*records(20), factories.invalid_record(21)], most=10)
    assert await desk.order(CancelBatch, opened.batch_id) == "applied"
    assert await desk.counters(opened.batch_id) == {"total": 21, "cancelled": 20, "invalid": 1}
    assert await desk.work_off() == 0


async def test_failed_checks_are_asked_for_again_and_only_those_that_had_failed(desk: Desk) -> None:
    batch = await desk.upload(records(6))
    await desk.end(batch, failed=[1, 2, 3], done=[4])
    assert await desk.order(RetryBatch, batch) == "applied"
    early = await desk.batch(batch)
    await desk.db.flush(
        about(RetryCheck, check_of(batch, 1)),
        about(DeleteCheck, check_of(batch, 2)),
    )
    await desk.work_off()
    assert (early["status"], early["failed"]) == ("running", 3), "the counters follow with the checks"
    assert await desk.counters(batch) == {"total": 6, "queued": 4, "done": 1, "cancelled": 1}
    assert await desk.db.count("batch_errors") == 0
    runs = await numbers(desk, "SELECT run FROM checks ORDER BY id")
    assert runs == [2, 2, 1, 1, 1]


async def test_what_fails_after_a_retry_was_asked_for_is_not_meant(desk: Desk) -> None:
    batch = await desk.upload(records(4))
    checks = await desk.claim()
    await desk.db.flush(factories.failed(checks[check_of(batch, 1)], retry=False))
    assert await desk.order(RetryBatch, batch) == "applied"
    later = factories.now() + timedelta(seconds=5)
    await desk.db.flush(factories.failed(checks[check_of(batch, 2)], retry=False, finished_at=later))
    await desk.work_off()
    assert await desk.counters(batch) == {"total": 4, "queued": 3, "failed": 1}


async def test_a_finished_batch_of_which_nothing_was_left_to_retry_is_finished_again(desk: Desk) -> None:
    batch = await desk.upload(records(2))
    await desk.end(batch, failed=[1], done=[2])
    assert await desk.status(batch) == "finished"
    assert await desk.order(RetryBatch, batch) == "applied"
    assert await desk.status(batch) == "running"
    await desk.db.flush(about(DeleteCheck, check_of(batch, 1)))
    await desk.work_off()
    assert await desk.status(batch) == "finished"


async def test_a_retry_of_a_paused_batch_is_parked_until_it_is_resumed(desk: Desk) -> None:
    batch = await desk.upload(records(3))
    await desk.end(batch, failed=[1])
    await desk.order(PauseBatch, batch)
    assert await desk.order(RetryBatch, batch) == "applied"
    await desk.work_off()
    assert await desk.status(batch) == "paused"
    assert await numbers(desk, "SELECT count(*) FROM queue WHERE NOT parked") == [0]
    await desk.order(ResumeBatch, batch)
    await desk.work_off()
    assert [check.check_id for check in await desk.db.claim(UNPACED)] == [check_of(batch, 1)]


async def test_a_pause_outlasts_a_retry_before_which_nothing_is_open_any_more(desk: Desk) -> None:
    batch = await desk.upload(records(2))
    await desk.end(batch, failed=[1])
    await desk.order(PauseBatch, batch)
    assert await desk.order(RetryBatch, batch) == "applied"
    await desk.db.flush(about(DeleteCheck, check_of(batch, 2)))
    await desk.work_off()
    assert await desk.status(batch) == "paused"
    assert await numbers(desk, "SELECT count(*) FROM queue WHERE parked") == [1]


async def test_a_paused_batch_of_which_nothing_was_left_to_retry_is_finished(desk: Desk) -> None:
    batch = await desk.upload(records(2))
    await desk.end(batch, failed=[1])
    await desk.order(PauseBatch, batch)
    assert await desk.order(RetryBatch, batch) == "applied"
    await desk.db.flush(about(DeleteCheck, check_of(batch, 1)), about(DeleteCheck, check_of(batch, 2)))
    await desk.work_off()
    assert await desk.status(batch) == "finished"


async def test_a_batch_whose_last_check_ends_beside_the_last_slice_of_a_retry_is_finished(desk: Desk) -> None:
    batch = await desk.upload(records(2))
    await desk.end(batch, failed=[1])
    assert await desk.order(RetryBatch, batch) == "applied"
    await desk.db.flush(about(DeleteCheck, check_of(batch, 1)))
    async with desk.connection() as other:
        async with desk.db.recorder.transaction():
            await desk.db.flush(about(DeleteCheck, check_of(batch, 2)))
            slicing = asyncio.create_task(desk.slice(other))
            await eventually(lambda: waits(desk, slicing), what="a slice that is done, or waits for the batch")
        await slicing
    assert await desk.status(batch) == "finished"


WAITING = """
SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()
"""


async def waits(desk: Desk, task: "asyncio.Task[object]") -> bool:
    """Whether a transaction waits for another, or has come to its end."""
    return task.done() or bool(await numbers(desk, WAITING))


async def test_a_cancel_does_not_hold_the_batch_while_it_counts_what_is_not_filed(desk: Desk) -> None:
    batch = await desk.upload(records(30), filed=False)
    async with desk.connection() as other, desk.connection() as third:
        async with desk.db.recorder.transaction():
            await desk.db.recorder.execute("LOCK TABLE lines IN ACCESS EXCLUSIVE MODE")
            cancelling = asyncio.create_task(apply(other, factories.about_batch(CancelBatch, batch_id=batch)))
            await eventually(lambda: waits(desk, cancelling), what="a cancel that counts")
            await third.fetch("SELECT FROM batches FOR UPDATE NOWAIT")
        await cancelling
    assert await desk.counters(batch) == {"total": 30, "cancelled": 30}
    await desk.work_off()


async def test_a_batch_that_is_closed_just_before_its_cancel_has_it(desk: Desk) -> None:
    sent = [*records(30), factories.record(3, host="3.example")]
    opened = await desk.receive(sent)
    close = factories.close_batch(opened, factories.uploads(opened, sent))
    async with desk.connection() as other:
        async with desk.db.recorder.transaction():
            await commands.apply(desk.db.recorder, close)
            cancel = factories.about_batch(CancelBatch, batch_id=opened.batch_id)
            cancelling = asyncio.create_task(apply(other, cancel))
            await eventually(lambda: waits(desk, cancelling), what="a cancel that waits for the close")
        await cancelling
    assert await desk.counters(opened.batch_id) == {"total": 31, "cancelled": 30, "duplicates": 1}
    await desk.work_off()


async def test_a_retry_of_a_cancelled_batch_waits_until_all_of_it_is_cancelled(desk: Desk) -> None:
    batch = await desk.upload(records(MANY))
    await desk.end(batch, failed=[1, MANY - 1])
    assert await desk.order(CancelBatch, batch) == "applied"
    assert await desk.order(RetryBatch, batch) == "applied"
    await desk.work_off()
    assert await desk.counters(batch) == {"total": MANY, "queued": 2, "cancelled": MANY - 2}
    row = await desk.batch(batch)
    assert (row["status"], row["stopped"], row["finished_at"]) == ("running", True, None)
    assert await desk.order(CancelBatch, batch) == "applied"
    await desk.work_off()
    assert await desk.counters(batch) == {"total": MANY, "cancelled": MANY}


async def test_what_was_asked_for_again_of_a_cancelled_batch_can_be_cancelled_with_it(desk: Desk) -> None:
    batch = await desk.upload(records(3))
    await desk.order(CancelBatch, batch)
    await desk.work_off()
    await desk.db.flush(about(RetryCheck, check_of(batch, 2)))
    assert await desk.counters(batch) in (
        {"total": 3, "running": 1, "cancelled": 2},
        {"total": 3, "queued": 1, "cancelled": 2},
    )
    assert await desk.order(CancelBatch, batch) == "applied"
    await desk.work_off()
    assert await desk.counters(batch) == {"total": 3, "cancelled": 3}


async def test_trusted_hosts_have_no_rows(desk: Desk) -> None:
    trusting = settings.load({"WORDWATCH_TRUSTED_HOSTS": "0.example,1.example"})
    await desk.upload(records(30), filed=False)
    for _ in range(1 + WAKING):
        await slices.do_slice(desk.db.recorder, trusting)
    hosts = {row["host"] for row in await desk.db.recorder.fetch("SELECT host FROM hosts")}
    assert hosts == {f"{n}.example" for n in range(2, 7)}
    await desk.db.wake()  # as a scheduler does that trusts nobody


async def test_a_slice_that_postgresql_refuses_does_not_hold_up_other_jobs(desk: Desk) -> None:
    bad = await desk.upload(records(3), filed=False)
    good = await desk.upload(records(3), filed=False)
    owner = await asyncpg.connect(desk.db.url)
    await owner.execute(f"ALTER TABLE checks ADD CONSTRAINT bad CHECK (batch_of(id) <> '{bad}') NOT VALID")
    with pytest.raises(SliceRefused) as refused:
        await desk.slice()
    assert refused.value.job.batch_id == bad
    await desk.db.recorder.execute(sql.PUT_OFF_JOB, refused.value.job.id, 60.0)
    await desk.work_off()
    assert await numbers(desk, "SELECT count(*) FROM checks") == [3]
    assert (await desk.batch(good))["filed"] == 3
    await owner.execute("ALTER TABLE checks DROP CONSTRAINT bad")
    await owner.close()
    await desk.db.recorder.execute("UPDATE jobs SET touched_at = clock_timestamp()")
    await desk.work_off()
    assert await desk.counters(bad) == {"total": 3, "queued": 3}


async def test_jobs_that_are_done_are_kept_for_a_day(desk: Desk) -> None:
    await desk.upload(records(1))
    (prune,) = sql.PRUNE
    assert await delete_slice(prune, desk.db.recorder) == 0
    await desk.db.recorder.execute("UPDATE jobs SET finished_at = finished_at - interval '25 h'")
    assert await delete_slice(prune, desk.db.recorder) == 1


async def test_orders_of_two_people_at_once(desk: Desk) -> None:
    batch = await desk.upload(records(MANY))

    async def order(kind: type[BatchCommand], connection: asyncpg.Connection) -> None:
        await apply(connection, factories.about_batch(kind, batch_id=batch))

    async with desk.connection() as one, desk.connection() as two:
        for _ in range(5):
            await asyncio.gather(order(PauseBatch, one), order(ResumeBatch, two), desk.slice())
    await desk.work_off()
    parked = await numbers(desk, "SELECT count(*) FROM queue WHERE parked")
    assert parked == [MANY if await desk.status(batch) == "paused" else 0]


async def apply(connection: asyncpg.Connection, command: BatchCommand) -> None:
    """What a recorder does: what may pass is tried again."""
    while True:
        try:
            await commands.apply(connection, command)
        except asyncpg.PostgresError as error:
            if not faults.may_pass(error):
                raise
        else:
            return


async def test_hosts_of_a_batch_begin_one_after_the_other(desk: Desk) -> None:
    paced = settings.load({"WORDWATCH_HOST_RATE_PER_S": "0.5"})
    await desk.upload(records(400, hosts=200), filed=False)
    before = factories.now()
    for _ in range(1 + WAKING):
        await slices.do_slice(desk.db.recorder, paced)
    starts = [row["s"] for row in await desk.db.recorder.fetch("SELECT next_start_at AS s FROM hosts ORDER BY 1")]
    assert len(starts) == 200
    took_s = (factories.now() - before).total_seconds()
    assert max(starts) - min(starts) > timedelta(seconds=0.5), "they come at random, over a second"
    assert (max(starts) - before).total_seconds() < took_s + 1.0, "none waits longer than five milliseconds for each"


async def test_the_host_of_a_small_batch_begins_at_once(desk: Desk) -> None:
    await desk.upload(records(3, hosts=1), filed=False)
    for _ in range(1 + WAKING):
        await slices.do_slice(desk.db.recorder, settings.load({"WORDWATCH_HOST_RATE_PER_S": "0.01"}))
    (start,) = [row["s"] for row in await desk.db.recorder.fetch("SELECT next_start_at AS s FROM hosts")]
    assert start <= factories.now() + timedelta(milliseconds=5)
