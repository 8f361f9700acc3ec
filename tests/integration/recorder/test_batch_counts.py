"""What a flush and a sweep change of checks is counted in their batches: on a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.recorder.audit import broken_rules
from shared.ids import check_of, new_id
from shared.messages import (
    AttemptsLate,
    AttemptsStarted,
    CancelBatch,
    CancelCheck,
    CheckCommand,
    ClaimedCheck,
    Counted,
    DeleteCheck,
    RetryCheck,
)
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.recorder.uploads import pause, send, upload, work_off

UNPACED = config(host_rate_per_s=0, host_concurrency=10, retry_base_s=0)
COUNTERS = ("queued", "running", "done", "failed", "cancelled")


@pytest.fixture(autouse=True)
async def nothing_is_wrong_afterwards(db: Database) -> AsyncIterator[None]:
    yield
    assert await broken_rules(db.recorder) == []


async def claimed(db: Database, pages: int = 1) -> tuple[UUID, list[ClaimedCheck]]:
    """A batch of so many pages of one host, all of them claimed, in their order."""
    batch = await upload(db.recorder, {"example.org": pages}, UNPACED)
    checks = await db.claim(UNPACED)
    assert len(checks) == pages
    return batch, sorted(checks, key=lambda check: check.check_id)


def order(kind: type[CheckCommand], check: ClaimedCheck | UUID) -> CheckCommand:
    check_id = check if isinstance(check, UUID) else check.check_id
    return kind(id=new_id(), expires_at=factories.now() + timedelta(seconds=60), check_id=check_id)


def started(check: ClaimedCheck) -> AttemptsStarted:
    return AttemptsStarted(fetcher="f", attempts=(factories.ref(check),))


def late(check: ClaimedCheck) -> AttemptsLate:
    return AttemptsLate(fetcher="f", attempts=(factories.ref(check),))


def counting(check: ClaimedCheck, **counts: int) -> Any:
    counted = Counted(counts=counts, total=sum(counts.values()), rule_version=1)
    return factories.counted(check, counted=counted)


async def row(db: Database, batch: UUID) -> asyncpg.Record:
    found = await db.recorder.fetchrow("SELECT * FROM batches WHERE id = $1", batch)
    assert found is not None
    return found


async def counters(db: Database, batch: UUID) -> dict[str, int]:
    """Those that are not 0."""
    found = await row(db, batch)
    return {name: found[name] for name in COUNTERS if found[name]}


async def errors(db: Database) -> dict[str, int]:
    return {row["code"]: row["checks"] for row in await db.recorder.fetch("TABLE batch_errors")}


async def words(db: Database) -> dict[str, int]:
    return {row["word"]: row["total"] for row in await db.recorder.fetch("TABLE batch_words")}


async def test_each_end_is_counted_with_its_error_and_its_words_and_the_last_one_finishes_the_batch(
    db: Database,
) -> None:
    batch, checks = await claimed(db, 5)
    await db.flush(*map(started, checks), config=UNPACED)
    assert await counters(db, batch) == {"running": 5}

    await db.flush(
        counting(checks[0], python=3, nothing=0), factories.failed(checks[1], "blocked", retry=False), config=UNPACED
    )
    assert await counters(db, batch) == {"running": 3, "done": 1, "failed": 1}
    assert ((await row(db, batch))["status"], (await row(db, batch))["finished_at"]) == ("running", None)
    await db.flush(
        counting(checks[2], python=4, ruby=1),
        factories.failed(checks[3], "blocked", retry=False),
        factories.failed(checks[4], "too_large", retry=False),
        config=UNPACED,
    )

    assert await counters(db, batch) == {"done": 2, "failed": 3}
    assert (await errors(db), await words(db)) == ({"blocked": 2, "too_large": 1}, {"python": 7, "ruby": 1})
    finished = await row(db, batch)
    assert finished["status"] == "finished"
    assert abs(finished["finished_at"] - factories.now()) < timedelta(seconds=30)


async def test_what_ended_lately_is_kept_and_fades(db: Database) -> None:
    batch, checks = await claimed(db, 6)
    await db.flush(*map(factories.counted, checks[:4]), config=UNPACED)
    assert (await row(db, batch))["recent"] == pytest.approx(4)
    await db.recorder.execute("UPDATE batches SET recent_at = recent_at - interval '30 s'")
    await db.flush(factories.failed(checks[4], retry=False), order(CancelCheck, checks[5]), config=UNPACED)
    faded = await row(db, batch)
    assert faded["recent"] == pytest.approx(1 + 4 / 2.71828, rel=0.05), "giving up is no progress"
    assert abs(faded["recent_at"] - factories.now()) < timedelta(seconds=30)


async def test_rule_22_a_report_that_comes_again_is_counted_once(db: Database) -> None:
    batch, (first, second) = await claimed(db, 2)
    reports = [factories.counted(first), factories.failed(second, "blocked", retry=False)]
    for items in (reports, reports[::-1], [started(first), started(second)], [*reports, *reports]):
        await db.flush(*items, config=UNPACED)
        assert await counters(db, batch) == {"done": 1, "failed": 1}
    assert (await errors(db), await words(db)) == ({"blocked": 1}, {"python": 3})
    assert (await row(db, batch))["recent"] == pytest.approx(2, rel=0.1)


async def test_what_goes_back_to_the_queue_is_counted_as_queued(db: Database) -> None:
    batch, (first, second, third) = await claimed(db, 3)
    await db.flush(started(first), started(second), config=UNPACED)
    assert await counters(db, batch) == {"queued": 1, "running": 2}
    slow = config(host_rate_per_s=0, host_concurrency=10)
    await db.flush(factories.failed(first), late(second), factories.failed(third), config=slow)
    assert await counters(db, batch) == {"queued": 3}
    assert (await errors(db), (await row(db, batch))["recent"]) == ({}, 0)


async def test_one_check_of_a_finished_batch_that_is_asked_for_again_sets_it_going(db: Database) -> None:
    batch, (first, second) = await claimed(db, 2)
    await db.flush(counting(first, python=2), factories.failed(second, "blocked", retry=False), config=UNPACED)
    done = await db.flush(order(RetryCheck, second), config=UNPACED)
    again = await row(db, batch)
    assert (again["status"], again["finished_at"], again["recent"]) == ("running", None, 0)
    assert (await counters(db, batch), await errors(db)) == ({"queued": 1, "done": 1}, {})
    (check,) = done.claimed
    await db.flush(counting(check, python=5), config=UNPACED)
    assert (await counters(db, batch), await words(db)) == ({"done": 2}, {"python": 7})
    assert (await row(db, batch))["status"] == "finished"


async def test_retry_and_cancel_in_one_flush_leave_no_error_counted(db: Database) -> None:
    batch, (check,) = await claimed(db)
    await db.flush(factories.failed(check, "blocked", retry=False), config=UNPACED)
    await db.flush(order(RetryCheck, check), order(CancelCheck, check), config=UNPACED)
    assert (await counters(db, batch), await errors(db)) == ({"cancelled": 1}, {})
    # Its old error is still stored, and is none of this run.
    await db.flush(order(RetryCheck, check), config=UNPACED)
    assert (await counters(db, batch), await errors(db)) == ({"queued": 1}, {})


async def test_a_deleted_check_leaves_a_line_that_says_so_and_counts_as_cancelled(db: Database) -> None:
    ends: dict[str, Callable[[ClaimedCheck], Any]] = {
        "queued": lambda check: order(RetryCheck, check),
        "running": started,
        "done": lambda check: counting(check, python=9),
        "failed": lambda check: factories.failed(check, "blocked", retry=False),
        "cancelled": lambda check: order(CancelCheck, check),
    }
    for state, end in ends.items():
        batch, (first, second) = await claimed(db, 2)
        await db.flush(counting(second, python=1), end(first), config=UNPACED)
        assert (await counters(db, batch))[state] == 1 + (state == "done")

        await db.flush(order(DeleteCheck, first), config=UNPACED)

        assert (await counters(db, batch), await errors(db)) == ({"done": 1, "cancelled": 1}, {}), state
        assert (await row(db, batch))["status"] == "finished"
        found = await db.recorder.fetch("SELECT fate, reason FROM lines WHERE batch_id = $1 ORDER BY seq", batch)
        assert [tuple(line) for line in found] == [("deleted", "Its check was deleted."), (None, None)]
        await db.flush(counting(first, python=9), order(RetryCheck, first), config=UNPACED)
        assert await counters(db, batch) == {"done": 1, "cancelled": 1}
    totals = await db.recorder.fetch("SELECT total FROM batch_words")
    assert [total["total"] for total in totals] == [1] * len(ends)


async def test_words_are_counted_as_they_are_stored_and_those_that_come_to_nothing_leave_no_row(db: Database) -> None:
    _, (first, second) = await claimed(db, 2)
    await db.flush(counting(first, **{"a\0": 1, "a\ufffd": 1, "b": 2}), config=UNPACED)
    assert await words(db) == {"a\ufffd": 1, "b": 2}
    await db.flush(factories.failed(second, "blocked", retry=False), config=UNPACED)
    await db.flush(order(DeleteCheck, first), order(DeleteCheck, second), config=UNPACED)
    assert (await db.count("batch_words"), await db.count("batch_errors")) == (0, 0)


async def test_a_result_of_a_cancelled_batch_changes_no_counter(db: Database) -> None:
    batch, (first, second) = await claimed(db, 2)
    await db.flush(started(first), config=UNPACED)
    assert await send(db.recorder, CancelBatch, batch_id=batch) == "applied"
    await work_off(db.recorder)
    await db.flush(factories.counted(first), late(second), config=UNPACED)
    assert (await counters(db, batch), await words(db)) == ({"cancelled": 2}, {})
    assert await db.count("leases") == 0


async def test_a_cancelled_batch_stays_so_when_one_check_of_it_is_asked_for_again(db: Database) -> None:
    batch, (check, _) = await claimed(db, 2)
    await send(db.recorder, CancelBatch, batch_id=batch)
    await work_off(db.recorder)
    await db.flush(factories.counted(check), config=UNPACED)
    (again,) = (await db.flush(order(RetryCheck, check), config=UNPACED)).claimed
    assert (await counters(db, batch), (await row(db, batch))["status"]) == ({"queued": 1, "cancelled": 1}, "cancelled")
    await db.flush(factories.counted(again), config=UNPACED)
    assert (await counters(db, batch), (await row(db, batch))["status"]) == ({"done": 1, "cancelled": 1}, "cancelled")


async def test_what_goes_back_to_the_queue_of_a_paused_batch_is_parked(db: Database) -> None:
    for way in ("failure", "late", "retry", "sweep"):
        batch, (check, _) = await claimed(db, 2)
        await db.flush(started(check), config=UNPACED)
        await pause(db.recorder, batch)
        if way == "sweep":
            end = "UPDATE leases SET not_after = clock_timestamp() - interval '1 ms' WHERE check_id = $1"
            await db.recorder.execute(end, check.check_id)
            assert await db.sweep() == 1
        elif way == "retry":
            await db.flush(factories.failed(check, "blocked", retry=False), config=UNPACED)
            assert (await db.flush(order(RetryCheck, check), config=UNPACED)).claimed == []
        else:
            report = late(check) if way == "late" else factories.failed(check)
            assert (await db.flush(report, config=UNPACED)).claimed == [], way
        assert await counters(db, batch) == {"queued": 2}, way
        assert await db.recorder.fetchval("SELECT parked FROM queue WHERE check_id = $1", check.check_id) is True, way
        await db.let_pauses_pass()
        assert await db.claim(UNPACED) == [], way


async def test_the_last_check_of_a_paused_batch_finishes_it(db: Database) -> None:
    batch, (check,) = await claimed(db)
    await pause(db.recorder, batch)
    await db.flush(factories.counted(check), config=UNPACED)
    assert (await row(db, batch))["status"] == "finished"


async def test_rule_18_a_swept_lease_is_counted_from_running_to_queued(db: Database) -> None:
    batch, (first, _) = await claimed(db, 2)
    await db.flush(started(first), config=UNPACED)
    await db.end_leases()
    assert await db.sweep() == 2
    assert await counters(db, batch) == {"queued": 2}
    assert await db.recorder.fetchval("SELECT bool_or(parked) FROM queue") is False


async def test_what_is_of_no_batch_asks_for_none(db: Database) -> None:
    await upload(db.recorder, {"elsewhere.example": 3})
    said: list[str] = []
    with db.recorder.query_logger(lambda query: said.append(query.query)):
        (check,) = (await db.flush(factories.submit())).claimed
        await db.flush(started(check), factories.failed(check, "blocked", retry=False))
        (again,) = (await db.flush(order(RetryCheck, check))).claimed
        await db.flush(factories.counted(again))
        await db.flush(order(DeleteCheck, check))
    assert said
    assert [query for query in said if "batch" in query.replace("batch_id", "") or "FROM lines" in query] == []


async def test_checks_of_two_batches_and_of_none_are_counted_apart(db: Database) -> None:
    one, other = await upload(db.recorder, {"a.example": 2}), await upload(db.recorder, {"a.example": 3})
    lone = factories.submit(host="a.example")
    checks = (await db.flush(lone, config=UNPACED)).claimed + await db.claim(UNPACED)
    assert len(checks) == 6
    await db.flush(*map(factories.counted, checks), config=UNPACED)
    assert (await counters(db, one), await counters(db, other)) == ({"done": 2}, {"done": 3})
    totals = await db.recorder.fetch("SELECT batch_id, total FROM batch_words ORDER BY 1")
    assert [tuple(total) for total in totals] == [(one, 6), (other, 9)]
    assert check_of(one, 1) in {check.check_id for check in checks}
