"""A new run of all checks that a filter means: of those, all, and no other."""

from typing import Any
from uuid import UUID

import pytest

from services.recorder.batches import jobs, renewing
from shared import ids
from shared.messages import CancelBatch, Filter, PauseBatch, Question, RetryChecks, Status, SubmitCheck
from tests import factories
from tests.integration.recorder.batches.desk import UNPACED, Desk, records


async def retry(desk: Desk, **wanted: Any) -> int:
    """How many checks such a retry has changed."""
    command = factories.about_batch(RetryChecks, filter=Filter(**wanted))
    assert await desk.send(command, command) == ["applied", "applied"]
    await desk.work_off()
    changed: int = await desk.db.recorder.fetchval("SELECT changed FROM jobs WHERE id = $1", command.id)
    return changed


async def failed_checks(desk: Desk) -> list[SubmitCheck]:
    """Lone checks that failed in different ways, one that is done, and one that was cancelled."""
    submits = [
        factories.submit(host="a.example.org", url="http://a.example.org/x/1", label="red"),
        factories.submit(
            host="b.example.org", url="http://b.example.org/x%_1", question=Question(words=("ruby", "go"))
        ),
        factories.submit(host="example.com", url="http://example.com/x/1", label="red"),
        factories.submit(host="example.net"),
        factories.submit(host="example.edu"),
    ]
    claimed = (await desk.db.flush(*submits, config=UNPACED)).claimed
    by_id = {check.check_id: check for check in claimed}
    checks = [by_id[submit.check_id] for submit in submits]
    await desk.db.flush(
        factories.failed(checks[0], "http_error", retry=False, facts=factories.counted(checks[0]).facts),
        factories.failed(checks[1], "too_large", retry=False),
        factories.failed(checks[2], "tls_expired", retry=False),
        factories.counted(checks[3]),
        config=UNPACED,
    )
    return submits


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, {0, 1, 2}),
        ({"status": "failed"}, {0, 1, 2}),
        ({"host": "example.com"}, {2}),
        ({"host": "*.example.org"}, {0, 1}),
        ({"host": "*.org"}, {0, 1}),
        ({"label": "red"}, {0, 2}),
        ({"label": "red", "host": "*.org"}, {0}),
        ({"word": "go"}, {1}),
        ({"word": "python"}, {0, 2}),
        ({"error": "too_large"}, {1}),
        ({"http_status": 200}, {0}),
        ({"url_prefixes": ("http://b.example.org/x%_", "http://example.com/")}, {1, 2}),
        ({"url_prefixes": ("http://b.example.org/x__",)}, set()),
        ({"status": "cancelled"}, set()),
    ],
    ids=str,
)
async def test_a_filter_means_what_the_list_means_by_it(desk: Desk, wanted: dict[str, Any], expected: set[int]) -> None:
    submits = await failed_checks(desk)
    assert await retry(desk, **wanted) == len(expected)
    again = await desk.db.recorder.fetch("SELECT id FROM checks WHERE run = 2")
    assert {row["id"] for row in again} == {submits[n].check_id for n in expected}
    due = {check.check_id for check in await desk.db.claim(UNPACED)}
    assert due == {submits[n].check_id for n in expected}, "and schedulers find them"


async def test_only_checks_between_two_ids(desk: Desk) -> None:
    submits = await failed_checks(desk)
    assert await retry(desk, from_id=submits[1].check_id, below_id=submits[2].check_id) == 1


async def test_cancelled_checks_are_asked_for_again(desk: Desk) -> None:
    await failed_checks(desk)
    batch = await desk.upload(records(3))
    await desk.order(CancelBatch, batch)
    await desk.work_off()
    assert await retry(desk, status="cancelled", batch_id=batch) == 3
    assert await desk.counters(batch) == {"total": 3, "queued": 3}
    assert await desk.db.count("cancelled") == 0


async def test_checks_of_batches_are_counted_there_and_parked_if_need_be(desk: Desk) -> None:
    batches = [await desk.upload(records(3)) for _ in range(2)]
    for batch in batches:
        await desk.end(batch, failed=[1, 2], done=[3])
        break
    claimed = {check.check_id: check for check in await desk.db.claim(UNPACED)}
    assert claimed == {}
    other = await leased(desk, batches[1])
    await desk.db.flush(*[factories.failed(check, "too_large", retry=False) for check in other], config=UNPACED)
    assert await desk.status(batches[0]) == await desk.status(batches[1]) == "finished"
    third = await desk.upload(records(2))
    await desk.end(third, failed=[1])
    await desk.order(PauseBatch, third)
    assert await retry(desk) == 6
    assert await desk.counters(batches[0]) == {"total": 3, "queued": 2, "done": 1}
    assert await desk.counters(batches[1]) == {"total": 3, "queued": 3}
    assert await desk.status(batches[0]) == "running"
    assert await desk.counters(third) == {"total": 2, "queued": 2}
    parked = await desk.db.recorder.fetch("SELECT check_id FROM queue WHERE parked")
    assert [row["check_id"] for row in parked] == [ids.check_of(third, 1)]
    assert await desk.db.count("batch_errors") == 0


async def leased(desk: Desk, batch: UUID) -> list[Any]:
    """Attempts of a batch that are under way, as their messages name them."""
    rows = await desk.db.recorder.fetch(
        "SELECT check_id, attempt, host FROM leases WHERE batch_of(check_id) = $1 ORDER BY check_id", batch
    )
    return [factories.claimed(**dict(row), lane="bulk") for row in rows]


async def test_a_slice_looks_through_so_many_and_changes_so_many(desk: Desk) -> None:
    submits = [factories.submit(host=f"{n % 5}.example", label="even" if n % 2 else "odd") for n in range(20)]
    await desk.db.flush(*submits, config=UNPACED)
    await desk.claim()
    rows = await desk.db.recorder.fetch("SELECT check_id, attempt, host FROM leases")
    reports = [factories.failed(factories.claimed(**dict(row)), "too_large", retry=False) for row in rows]
    await desk.db.flush(*reports, config=UNPACED)
    command = factories.about_batch(RetryChecks, filter=Filter(label="even"))
    assert await desk.send(command) == ["applied"]
    changed, slices = 0, 0
    while await desk.jobs():
        async with desk.db.recorder.transaction():
            job = await jobs.take(desk.db.recorder)
            assert job is not None
            done = await renewing.retry_checks(desk.db.recorder, job, UNPACED, most=2, looked_at=6)
            await jobs.move(desk.db.recorder, job, done)
        assert done.changed <= 2
        changed, slices = changed + done.changed, slices + 1
    assert changed == 10
    assert slices > 20 / 6
    again = await desk.db.recorder.fetch("SELECT label FROM checks WHERE run = 2")
    assert {row["label"] for row in again} == {"even"}


async def test_what_is_not_over_can_not_be_asked_for_again(desk: Desk) -> None:
    unfit: list[Status] = ["queued", "running", "done"]
    sent = [factories.about_batch(RetryChecks, filter=Filter(status=status)) for status in unfit]
    assert set(await desk.send(*sent)) == {"not_retryable"}
    assert await desk.jobs() == []
