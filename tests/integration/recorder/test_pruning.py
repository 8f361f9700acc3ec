"""Questions that nobody asks for any more are deleted, and no other; sums stay what they are: on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.recorder.app import PARAMETERS
from services.recorder.audit import broken_rules
from services.recorder.pruning import Unasked, sum_up
from services.recorder.store import hold_questions
from shared.db import connect
from shared.ids import batch_id, new_id
from shared.messages import DeleteBatch, DeleteCheck, FillBatch, OpenBatch, Question, Record
from tests import factories
from tests.integration.recorder.database import Database
from tests.integration.recorder.uploads import send, upload, work_off
from tests.integration.servers import eventually

ASKED = Question(words=("asked",))


@pytest.fixture
async def other(db: Database) -> AsyncIterator[asyncpg.Connection]:
    """Who prunes, as it does."""
    connection = await connect.connect(db.url, role="wordwatch_recorder", parameters=PARAMETERS)
    yield connection
    await connection.close()
    assert await broken_rules(db.recorder) == []


async def words(db: Database) -> set[str]:
    return {row["words"][0] for row in await db.recorder.fetch("SELECT words FROM questions")}


def delete(check_id: UUID) -> DeleteCheck:
    return DeleteCheck(id=new_id(), expires_at=factories.now() + timedelta(seconds=60), check_id=check_id)


async def test_a_question_goes_when_nothing_asks_for_it(db: Database, other: asyncpg.Connection) -> None:
    submit = factories.submit(question=ASKED)
    await db.flush(submit)
    batch, ids = await upload(db.recorder, {"a.example": 2}), batch_id(new_id())
    await send(db.recorder, OpenBatch, batch_id=ids, question=Question(words=("opened",)))
    line = Record(line=1, text="b.example", url="http://b.example/", host="b.example", question=0)
    fill = {"batch_id": ids, "number": 0, "first_seq": 1, "records": (line,), "questions": (Question(words=("own",)),)}
    await send(db.recorder, FillBatch, **fill)
    await db.recorder.execute(
        "INSERT INTO questions SELECT gen_random_uuid(), gen_random_uuid(), ARRAY['nobody'], 'text', true, false"
    )
    assert await words(db) == {"asked", "python", "opened", "own", "nobody"}
    assert await Unasked().prune(other) is False
    assert await words(db) == {"asked", "python", "opened", "own"}
    await db.flush(delete(submit.check_id))
    await send(db.recorder, DeleteBatch, batch_id=batch)
    await Unasked().prune(other)
    assert await words(db) == {"python", "opened", "own"}, "the batch's rows follow by and by"
    await work_off(db.recorder)
    await Unasked().prune(other)
    assert await words(db) == {"opened", "own"}
    await db.flush(factories.submit(question=ASKED))
    assert await words(db) == {"opened", "own", "asked"}


async def test_it_walks_slice_by_slice_and_begins_anew(db: Database, other: asyncpg.Connection) -> None:
    add = (
        "INSERT INTO questions SELECT lpad(n::text, 32, '0')::uuid, gen_random_uuid(), '{x}', 'text', true, false "
        "FROM generate_series(1, 5) n"
    )
    walk = Unasked(most=2)
    for _ in range(2):
        await db.recorder.execute(add)
        assert [(await walk.prune(other), await db.count("questions")) for _ in range(3)] == [
            (True, 3),
            (True, 1),
            (False, 0),
        ]


async def test_what_somebody_is_about_to_ask_for_stays(db: Database, other: asyncpg.Connection) -> None:
    await hold_questions(db.recorder, [ASKED])
    async with db.recorder.transaction():
        await hold_questions(db.recorder, [ASKED])
        await asyncio.wait_for(Unasked().prune(other), 5)
    assert await words(db) == {"asked"}


async def test_what_is_being_pruned_is_added_anew(db: Database, other: asyncpg.Connection) -> None:
    await hold_questions(db.recorder, [ASKED])
    async with other.transaction():
        await Unasked().prune(other)
        waiting = asyncio.create_task(db.flush(factories.submit(question=ASKED)))
        await _somebody_waits(other)
    await waiting
    assert (await words(db), await db.count("checks")) == ({"asked"}, 1)


async def test_what_two_add_at_once_is_held_by_both(db: Database, other: asyncpg.Connection) -> None:
    async with other.transaction():
        async with db.recorder.transaction():
            await hold_questions(db.recorder, [ASKED])
            waiting = asyncio.create_task(hold_questions(other, [ASKED]))
            await _somebody_waits(db.recorder)
        await waiting
        await asyncio.wait_for(Unasked().prune(db.recorder), 5)
        assert await words(db) == {"asked"}


async def test_checks_come_and_go_while_questions_are_pruned(db: Database, other: asyncpg.Connection) -> None:
    until, pruned = asyncio.Event(), 0

    async def prune() -> None:
        nonlocal pruned
        while not until.is_set():
            await Unasked().prune(other)
            pruned += 1

    pruning_ = asyncio.create_task(prune())
    for _ in range(60):
        submit = factories.submit(question=ASKED)
        await db.flush(submit)
        assert await db.recorder.fetchval("SELECT count(*) FROM questions") == 1
        await db.flush(delete(submit.check_id))
    until.set()
    await pruning_
    assert pruned > 5


async def _somebody_waits(connection: asyncpg.Connection) -> None:
    async def waits() -> bool:
        return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    await eventually(waits, what="somebody waits for a lock")


BY_SECOND = "SELECT count(*) FROM tallies WHERE writer <> 0"
BY_MINUTE = "SELECT count(DISTINCT at) FROM tallies WHERE writer = 0 AND at > '-infinity'"


async def test_summed_up_there_are_as_many_checks_as_before(db: Database, other: asyncpg.Connection) -> None:
    check, kept = factories.submit(question=ASKED), factories.submit(question=ASKED)
    (claimed, *_) = (await db.flush(check, kept)).claimed
    await db.flush(factories.counted(claimed))
    await sum_up(other)
    assert await db.recorder.fetchval(BY_SECOND) > 0, "nothing is as old as that"
    assert await db.recorder.fetchval("SELECT sum(ended) FROM tallies") == 1
    for _ in range(2):
        await db.recorder.execute("UPDATE tallies SET at = at - interval '3 min'")
        await db.flush(delete(kept.check_id))
        await sum_up(other)
        await sum_up(other)
    await db.recorder.execute("UPDATE tallies SET at = at - interval '3 min' WHERE writer <> 0")
    await sum_up(other)
    assert await db.recorder.fetchval(BY_SECOND) == 0
    assert await db.recorder.fetchval("SELECT sum(ended) FROM tallies") == 1, "it is told for a day"
    await db.recorder.execute("UPDATE tallies SET at = at - interval '24 h'")
    await sum_up(other)
    assert await db.recorder.fetchval("SELECT array_agg(DISTINCT at::text) FROM tallies") == ["-infinity"]
    assert await db.recorder.fetchval("SELECT sum(ended) FROM tallies") == 0
    rows = await db.recorder.fetch("SELECT status, sum(checks)::integer AS checks FROM tallies GROUP BY status")
    assert {row["status"]: row["checks"] for row in rows if row["checks"]} == {"done": 1}


async def test_each_minute_of_a_day_is_summed_up_once_it_is_whole(db: Database, other: asyncpg.Connection) -> None:
    """Ten rows a minute of two server processes, among them one whose transaction took long."""
    await db.recorder.execute(
        "INSERT INTO tallies SELECT date_trunc('minute', now()) - make_interval(mins => m, secs => -s), w, 'done', 0, "
        "1 FROM generate_series(1, 1450) m, generate_series(0, 48, 12) s, generate_series(1, 2) w"
    )
    await sum_up(other)
    minutes = await db.recorder.fetch("SELECT at, ended FROM tallies WHERE writer = 0 AND at > '-infinity'")
    assert {row["ended"] for row in minutes} == {10}
    assert {(row["at"].second, row["at"].microsecond) for row in minutes} == {(0, 0)}
    assert len(minutes) in range(1436, 1441), "a day without the last two minutes"
    assert await db.recorder.fetchval(BY_SECOND) in range(20, 41)
    await db.recorder.execute(
        "INSERT INTO tallies VALUES (date_trunc('minute', now()) - interval '295 s', 3, 'done', 0, 1)"
    )
    await sum_up(other)
    assert await db.recorder.fetchval(BY_MINUTE) in range(1436, 1441)
    assert await db.recorder.fetchval("SELECT max(ended) FROM tallies WHERE writer = 0") == 11
