"""Uploads of which nothing is heard any more."""

from services.recorder.batches.reaper import SILENT_S, give_up_silent
from shared.messages import CloseBatch, FillBatch
from tests import factories
from tests.integration.recorder.batches.desk import Desk, records


async def test_an_upload_that_has_fallen_silent_is_given_up_with_what_it_got(desk: Desk) -> None:
    opened = await desk.receive([*records(20), factories.invalid_record(21)], most=10, trace="t")
    await desk.let_time_pass(SILENT_S - 1)
    assert await give_up_silent(desk.db.recorder) == []
    await desk.let_time_pass(2)
    (given_up,) = await give_up_silent(desk.db.recorder)
    assert (given_up.batch_id, given_up.records, given_up.trace) == (opened.batch_id, 21, "t")
    batch = await desk.batch(opened.batch_id)
    assert (batch["status"], batch["stopped"]) == ("cancelled", True)
    assert batch["reason"] == "The upload broke off after 21 lines."
    assert await desk.counters(opened.batch_id) == {"total": 21, "cancelled": 20, "invalid": 1}
    assert await give_up_silent(desk.db.recorder) == []
    late = factories.about_batch(FillBatch, batch_id=opened.batch_id, number=3, first_seq=22)
    close = factories.about_batch(CloseBatch, batch_id=opened.batch_id, chunks=3, total=21)
    assert await desk.send(late, close) == ["not_receiving", "not_receiving"]


async def test_one_that_was_only_opened_is_given_up_too(desk: Desk) -> None:
    opened = await desk.receive([])
    await desk.let_time_pass(SILENT_S - 1)
    assert await give_up_silent(desk.db.recorder) == []
    await desk.let_time_pass(2)
    assert len(await give_up_silent(desk.db.recorder)) == 1
    assert (await desk.batch(opened.batch_id))["reason"] == "The upload broke off after 0 lines."


async def test_an_empty_chunk_keeps_an_upload_alive(desk: Desk) -> None:
    opened = await desk.receive(records(1))
    await desk.let_time_pass(SILENT_S + 1)
    quiet = factories.about_batch(FillBatch, batch_id=opened.batch_id, number=1, first_seq=2)
    assert await desk.send(quiet) == ["applied"]
    assert await give_up_silent(desk.db.recorder) == []


async def test_batches_that_are_complete_are_left_alone(desk: Desk) -> None:
    await desk.upload(records(1))
    await desk.let_time_pass(1000)
    assert await give_up_silent(desk.db.recorder) == []


async def test_a_chunk_that_is_being_committed_counts(desk: Desk) -> None:
    opened = await desk.receive(records(1))
    await desk.let_time_pass(SILENT_S + 1)
    async with desk.connection() as other, other.transaction():
        await other.execute("SELECT FROM batches WHERE id = $1 FOR SHARE", opened.batch_id)
        assert await give_up_silent(desk.db.recorder) == []
    assert len(await give_up_silent(desk.db.recorder)) == 1
