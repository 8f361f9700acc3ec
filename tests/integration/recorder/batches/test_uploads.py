"""An upload as it comes in: opened, filled, closed, with all that comes twice, late, never, or in another order."""

from datetime import timedelta
from typing import Any

import pytest

from services.recorder.batches import commands
from shared import ids
from shared.messages import CancelBatch, CloseBatch, DeleteBatch, FillBatch, Idempotency, OpenBatch, Question
from tests import factories
from tests.integration.recorder.batches.desk import Desk, records

KEY = Idempotency(key="k", digest="d")


async def test_what_has_come_is_what_was_sent(desk: Desk) -> None:
    own = Question(words=("ruby",), scope="source")
    sent = (
        factories.record(3, label="team", question=0),
        factories.invalid_record(4, "Is no address."),
        factories.record(7),
    )
    opened = await desk.receive([], label="all", trace="t")
    chunk = factories.about_batch(
        FillBatch, batch_id=opened.batch_id, number=0, first_seq=1, records=sent, questions=(own,), file="a.csv"
    )
    assert await desk.send(chunk) == ["applied"]
    batch = await desk.batch(opened.batch_id)
    assert (batch["status"], batch["label"], batch["trace"], batch["total"]) == ("receiving", "all", "t", 0)
    rows = await desk.db.recorder.fetch("SELECT * FROM lines ORDER BY seq")
    shown = [(r["seq"], r["file"], r["line"], r["text"], r["url"], r["label"], r["fate"], r["reason"]) for r in rows]
    assert shown == [
        (1, "a.csv", 3, "http://example.org/3", "http://example.org/3", "team", None, None),
        (2, "a.csv", 4, "?", None, None, "invalid", "Is no address."),
        (3, "a.csv", 7, "http://example.org/7", "http://example.org/7", None, None, None),
    ]
    asked = await desk.db.recorder.fetchrow("SELECT * FROM questions WHERE id = $1", rows[0]["question"])
    assert asked is not None
    assert (asked["words"], asked["scope"]) == (["ruby"], "source")
    chunks = await desk.db.recorder.fetchrow("SELECT number, records, invalid FROM chunks")
    assert chunks is not None
    assert tuple(chunks) == (0, 3, 1)


async def test_chunks_may_come_in_any_order_and_twice(desk: Desk) -> None:
    opened = factories.open_batch()
    chunks = factories.uploads(opened, records(50), most=10)
    order = [chunks[4], chunks[0], chunks[2], chunks[0], chunks[1], chunks[4], chunks[3]]
    assert set(await desk.send(opened, opened, *order)) == {"applied"}
    # A second gateway process may send a chunk anew, under another command.
    again = factories.about_batch(FillBatch, **{n: getattr(chunks[1], n) for n in ("batch_id", "number", "first_seq")})
    assert await desk.send(again) == ["applied"]
    close = factories.close_batch(opened, chunks)
    assert await desk.send(close, close) == ["applied", "applied"]
    assert await desk.counters(opened.batch_id) == {"total": 50, "queued": 50}
    await desk.work_off()
    assert await desk.send(close, *chunks) == ["applied"] * 6
    assert await desk.db.count("lines") == await desk.db.count("checks") == 50


async def test_an_empty_chunk_has_a_number_and_says_that_the_upload_goes_on(desk: Desk) -> None:
    opened = await desk.receive(records(3))
    await desk.let_time_pass(50)
    quiet = factories.about_batch(FillBatch, batch_id=opened.batch_id, number=1, first_seq=4)
    assert await desk.send(quiet) == ["applied"]
    close = factories.about_batch(CloseBatch, batch_id=opened.batch_id, chunks=2, total=3)
    assert await desk.send(close) == ["applied"]
    assert await desk.counters(opened.batch_id) == {"total": 3, "queued": 3}


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": -1},
        {"first_seq": 0},
        {"records": (factories.record(1, question=0),)},
        {"records": (factories.record(1, question=-1),), "questions": (Question(words=("a",)),)},
    ],
    ids=["number", "seq", "question", "question below 0"],
)
async def test_a_chunk_that_contradicts_itself_is_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    opened = await desk.receive([])
    chunk = {"batch_id": opened.batch_id, "number": 0, "first_seq": 1, "records": (factories.record(),)} | wrong
    assert await desk.send(factories.about_batch(FillBatch, **chunk)) == ["refused"]
    assert await desk.db.count("lines") == await desk.db.count("chunks") == 0


async def test_what_postgresql_can_not_take_gets_its_outcome_and_changes_nothing(desk: Desk) -> None:
    opened = await desk.receive([])
    (chunk,) = factories.uploads(opened, [factories.record(text="a\0b")])
    settled = await commands.apply(desk.db.recorder, chunk, refused=True)
    assert settled.outcome.outcome == "refused"
    assert await desk.send(chunk) == ["refused"], "and so when it comes again"
    assert await desk.db.count("chunks") == 0


async def test_a_chunk_of_a_batch_that_takes_none_changes_nothing(desk: Desk) -> None:
    opened = await desk.receive(records(2))
    late = factories.about_batch(FillBatch, batch_id=opened.batch_id, number=1, first_seq=3, records=(records(3)[2],))
    assert await desk.send(factories.close_batch(opened, factories.uploads(opened, records(2)))) == ["applied"]
    assert await desk.send(late) == ["not_receiving"]
    nowhere = factories.about_batch(FillBatch, batch_id=ids.batch_id(ids.new_id()), number=0, first_seq=1)
    assert await desk.send(nowhere) == ["not_receiving"]
    assert await desk.db.count("lines") == 2


async def test_what_is_expired_changes_nothing(desk: Desk) -> None:
    over = factories.now() - timedelta(seconds=1)
    assert await desk.send(factories.open_batch(expires_at=over)) == ["expired"]
    opened = await desk.receive(records(1))
    (chunk,) = factories.uploads(opened, records(1))
    late = factories.about_batch(FillBatch, batch_id=opened.batch_id, number=1, first_seq=2, expires_at=over)
    close = factories.close_batch(opened, [chunk], expires_at=over)
    cancel = factories.about_batch(CancelBatch, batch_id=opened.batch_id, expires_at=over)
    assert await desk.send(late, close, cancel, close) == ["expired"] * 4
    assert await desk.status(opened.batch_id) == "receiving"
    assert await desk.db.count("chunks") == 1


async def test_a_command_that_was_applied_is_so_after_its_end_too(desk: Desk) -> None:
    opened = await desk.receive(records(1))
    over = factories.now() - timedelta(seconds=1)
    again = factories.open_batch(id=opened.id, batch_id=opened.batch_id, expires_at=over)
    assert await desk.send(again) == ["applied"]


@pytest.mark.parametrize(
    ("chunks", "total"), [(3, 25), (2, 26), (1, 20), (2, 24), (3, 26)], ids=["missing", "more", "fewer", "less", "both"]
)
async def test_an_upload_of_which_something_is_missing_is_cancelled(desk: Desk, chunks: int, total: int) -> None:
    sent = [*records(24), factories.invalid_record(25)]
    opened = await desk.receive(sent, most=20)
    close = factories.about_batch(CloseBatch, batch_id=opened.batch_id, chunks=chunks, total=total, idempotency=KEY)
    assert await desk.send(close, close) == ["incomplete", "incomplete"]
    batch = await desk.batch(opened.batch_id)
    assert (batch["status"], batch["stopped"]) == ("cancelled", True)
    assert batch["reason"] == f"Only 25 of {total} lines came."
    assert await desk.counters(opened.batch_id) == {"total": 25, "cancelled": 24, "invalid": 1}
    assert await desk.db.count("keys") == await desk.db.count("chunks") == 0, "the key is free"
    assert await desk.work_off() == 0


async def test_a_chunk_in_the_middle_that_is_missing_is_noticed(desk: Desk) -> None:
    opened = factories.open_batch()
    chunks = factories.uploads(opened, records(30), most=10)
    assert await desk.send(opened, chunks[0], chunks[2]) == ["applied"] * 3
    assert await desk.send(factories.close_batch(opened, chunks)) == ["incomplete"]


async def test_duplicates_ask_for_the_same_page_and_words_whatever_their_order_and_label(desk: Desk) -> None:
    ab, ba, source, cased = (
        Question(words=("a", "b")),
        Question(words=("b", "a")),
        Question(words=("a", "b"), scope="source"),
        Question(words=("a", "b"), case_sensitive=True),
    )
    page: dict[str, Any] = {"host": "example.org", "url": "http://example.org/", "text": "example.org"}
    lines = (
        factories.record(1, **page, question=0),
        factories.invalid_record(2),
        factories.record(3, **page, question=1),  # 1 again: the same words
        factories.record(4, **page, question=2),
        factories.record(5, **page, question=0, label="other"),  # 1 again: the label does not count
        factories.record(6, **page, question=3),
        factories.record(7, **page),  # the batch's own question, which is the first one's
        factories.record(8, **page | {"url": "http://example.org/?"}),
        factories.record(9, **page, question=2),  # 4 again
    )
    opened = factories.open_batch(question=ba)
    chunks = [
        factories.about_batch(
            FillBatch,
            batch_id=opened.batch_id,
            number=n,
            first_seq=first,
            records=lines[first - 1 : last],
            questions=(ab, ba, source, cased),
        )
        for n, (first, last) in enumerate([(1, 4), (5, 9)])
    ]
    assert set(await desk.send(opened, *chunks, factories.close_batch(opened, chunks))) == {"applied"}
    duplicate_of = [first for _, first in await desk.lines(opened.batch_id)]
    assert duplicate_of == [None, None, 1, None, 1, None, 1, None, 4]
    assert await desk.counters(opened.batch_id) == {"total": 9, "queued": 4, "duplicates": 4, "invalid": 1}
    await desk.work_off()
    filed = await desk.db.recorder.fetch("SELECT id, url, label, bulk, status FROM checks ORDER BY id")
    assert [ids.seq_of(row["id"]) for row in filed] == [1, 4, 6, 8]
    assert {ids.batch_of(row["id"]) for row in filed} == {opened.batch_id}
    assert {(row["bulk"], row["status"]) for row in filed} == {(True, "queued")}


async def test_a_batch_without_anything_to_do_is_finished_at_once(desk: Desk) -> None:
    batch = await desk.upload([factories.invalid_record(n) for n in (1, 2)], filed=False)
    assert await desk.status(batch) == "finished"
    assert await desk.counters(batch) == {"total": 2, "invalid": 2}
    assert await desk.jobs() == []


async def closed(desk: Desk, key: Idempotency | None, number: int = 3) -> tuple[OpenBatch, str]:
    opened = await desk.receive(records(number))
    close = factories.close_batch(opened, factories.uploads(opened, records(number)), idempotency=key)
    (outcome,) = await desk.send(close)
    assert await desk.send(close) == [outcome], "a repeat comes to the same"
    return opened, outcome


async def test_of_two_uploads_with_one_key_the_second_goes_and_leads_to_the_first(desk: Desk) -> None:
    first, _ = await closed(desk, KEY)
    second = await desk.receive(records(3))
    close = factories.close_batch(second, factories.uploads(second, records(3)), idempotency=KEY)
    settled = await commands.apply(desk.db.recorder, close)
    assert (settled.outcome.outcome, settled.outcome.batch_id) == ("repeated", first.batch_id)
    again = await commands.apply(desk.db.recorder, close)
    assert (again.outcome, again.again) == (settled.outcome, True)
    assert await desk.status(second.batch_id) == "deleted"
    await desk.work_off()
    left = await desk.db.recorder.fetch("SELECT id FROM batches")
    assert [row["id"] for row in left] == [first.batch_id]
    assert await desk.db.count("lines") == await desk.db.count("checks") == 3


async def test_a_key_with_other_contents_is_refused_and_what_came_with_it_goes(desk: Desk) -> None:
    await closed(desk, KEY)
    opened, outcome = await closed(desk, Idempotency(key="k", digest="other"), number=4)
    assert outcome == "idempotency_key_reused"
    assert await desk.status(opened.batch_id) == "deleted"
    await desk.work_off()
    assert await desk.db.count("batches") == 1


async def test_a_key_of_a_check_is_no_key_for_a_batch(desk: Desk) -> None:
    await desk.db.flush(factories.submit(idempotency=KEY))
    _, outcome = await closed(desk, Idempotency(key="k", digest="of a batch"))
    assert outcome == "idempotency_key_reused"
    await desk.work_off()
    assert await desk.db.count("batches") == 0


async def test_what_is_no_batch_keeps_its_key(desk: Desk) -> None:
    submitted = factories.submit(idempotency=KEY)
    await desk.db.flush(submitted)
    assert await desk.order(DeleteBatch, submitted.check_id) == "not_found"
    assert await desk.db.count("keys") == 1


async def test_a_key_older_than_a_day_is_free(desk: Desk) -> None:
    await closed(desk, KEY)
    await desk.db.recorder.execute("UPDATE keys SET created_at = created_at - interval '25 h'")
    second, outcome = await closed(desk, KEY)
    assert outcome == "applied"
    holder = await desk.db.recorder.fetchval("SELECT made_id FROM keys")
    assert holder == second.batch_id
    await desk.work_off()


async def test_an_upload_that_was_given_up_does_not_get_its_key_and_keeps_nobody_from_it(desk: Desk) -> None:
    opened = await desk.receive(records(2))
    assert await desk.order(CancelBatch, opened.batch_id, reason="The upload broke off.") == "applied"
    close = factories.close_batch(opened, factories.uploads(opened, records(2)), idempotency=KEY)
    assert await desk.send(close) == ["not_receiving"]
    assert await desk.db.count("keys") == 0
    assert (await desk.batch(opened.batch_id))["reason"] == "The upload broke off."


async def test_a_second_close_of_a_batch_leaves_the_key_with_it(desk: Desk) -> None:
    opened, outcome = await closed(desk, KEY)
    assert outcome == "applied"
    again = factories.close_batch(opened, factories.uploads(opened, records(3)), idempotency=KEY)
    assert await desk.send(again) == ["not_receiving"]
    assert await desk.db.count("keys") == 1
    await desk.work_off()
