"""Batches through a running recorder, between a real nsqd and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec
import pytest

from services.recorder.audit import broken_rules
from shared import messages, topics
from shared.messages import CloseBatch, CommandOutcome, FillBatch, Idempotency, OpenBatch, PauseBatch, ResumeBatch
from tests import factories
from tests.integration.recorder.batches.desk import records
from tests.integration.recorder.test_recorder import Stack, running
from tests.integration.servers import Nsqd, eventually


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server


@pytest.fixture
async def stack(nsqd: Nsqd, database_url: str) -> AsyncIterator[Stack]:
    async with running(nsqd, database_url) as stack:
        yield stack
    connection = await asyncpg.connect(database_url)
    try:
        assert await broken_rules(connection) == []
    finally:
        await connection.close()


async def command(stack: Stack, *sent: messages.Command) -> None:
    for each in sent:
        await stack.producer.publish(topics.COMMANDS.name, messages.encode(each))


async def told(stack: Stack, sent: messages.Command) -> CommandOutcome:
    """What the recorder says of a command in its hints."""

    def found() -> list[CommandOutcome]:
        return [outcome for hint in stack.hints for outcome in hint.outcomes if outcome.id == sent.id]

    await eventually(found, timeout_s=30, what=f"the outcome of {sent}")
    return found()[0]


def upload(number: int, *, most: int) -> tuple[OpenBatch, Sequence[FillBatch], CloseBatch]:
    opened = factories.open_batch()
    chunks = factories.uploads(opened, records(number), most=most)
    return opened, chunks, factories.close_batch(opened, chunks)


async def test_an_upload_becomes_checks(stack: Stack) -> None:
    opened, chunks, close = upload(1200, most=300)
    steps: list[messages.Command] = [opened, *chunks, close]
    for step in steps:
        await command(stack, step)
        outcome = await told(stack, step)
        assert (outcome.outcome, outcome.batch_id) == ("applied", opened.batch_id)
    await stack.until("SELECT count(*) FROM checks WHERE bulk", 1200)
    await stack.until("SELECT count(*) FROM jobs WHERE finished_at IS NULL", 0)


async def test_what_can_not_be_read_is_dropped_and_harms_nothing(stack: Stack) -> None:
    await stack.producer.publish(topics.COMMANDS.name, b'{"kind": "open_batch"}')
    opened = factories.open_batch()
    await command(stack, opened)
    assert (await told(stack, opened)).outcome == "applied"
    assert stack.service.registry.get_sample_value("wordwatch_recorder_undecodable_messages_total") == 1


async def test_a_chunk_that_postgresql_refuses_gets_an_outcome(stack: Stack) -> None:
    opened = factories.open_batch()
    (chunk,) = factories.uploads(opened, [factories.record(text="a\0b")])
    await command(stack, opened, chunk)
    assert (await told(stack, chunk)).outcome == "refused"
    assert stack.service.registry.get_sample_value("wordwatch_recorder_culprits_total") == 1
    await stack.until("SELECT count(*) FROM lines", 0)


async def test_broken_connections_lose_nothing(stack: Stack) -> None:
    sent = []
    for _ in range(4):
        opened, chunks, close = upload(700, most=100)
        await command(stack, opened)
        assert (await told(stack, opened)).outcome == "applied"
        await command(stack, *chunks)
        await stack.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'recorder-%'"
        )
        for chunk in chunks:
            assert (await told(stack, chunk)).outcome == "applied"
        await command(stack, close)
        assert (await told(stack, close)).outcome == "applied"
        sent.append(opened.batch_id)
    await stack.until("SELECT count(*) FROM checks", 700 * len(sent))
    await stack.until("SELECT count(*) FROM batches WHERE filed = total AND queued = total", len(sent))


async def test_a_command_that_has_to_wait_holds_up_no_lone_one(stack: Stack) -> None:
    opened, chunks, close = upload(10, most=10)
    await command(stack, opened, *chunks)
    await told(stack, chunks[-1])
    connection = await asyncpg.connect(stack.url)
    async with connection.transaction():
        await connection.execute("SELECT FROM batches WHERE id = $1 FOR UPDATE", opened.batch_id)
        await command(stack, close)
        for number in range(5):
            await command(stack, factories.submit(host=f"h{number}"))
        await stack.until("SELECT count(*) FROM checks WHERE NOT bulk", 5)
        assert await stack.fetch("SELECT status FROM batches") == "receiving"
    await connection.close()
    assert (await told(stack, close)).outcome == "applied"
    await stack.until("SELECT count(*) FROM checks WHERE bulk", 10)


HELD = {
    "the command, by its first delivery": (
        "INSERT INTO outcomes (command_id, outcome, created_at) SELECT $1, 'applied', now() WHERE $2::uuid IS NOT NULL"
    ),
    "its key": (
        "INSERT INTO keys (key, digest, made_id, created_at) SELECT 'k', 'd', gen_random_uuid(), now() "
        "WHERE $1::uuid <> $2::uuid"
    ),
    "its batch": "SELECT FROM batches WHERE $1::uuid <> $2 AND id = $2 FOR UPDATE",
}


@pytest.mark.parametrize("held", HELD)
async def test_a_command_that_has_to_wait_holds_up_no_other_batch(stack: Stack, held: str) -> None:
    opened, chunks, close = upload(10, most=10)
    close = msgspec.structs.replace(close, idempotency=Idempotency(key="k", digest="d"))
    await command(stack, opened, *chunks)
    await told(stack, chunks[-1])
    connection = await asyncpg.connect(stack.url)
    holding = connection.transaction()
    await holding.start()
    await connection.execute(HELD[held], close.id, opened.batch_id)
    await command(stack, close)
    await eventually(lambda: handed_back(stack, "in_use") > 0, timeout_s=30, what="a command handed back")
    other = factories.open_batch()
    steps: list[messages.Command] = [other, *factories.uploads(other, records(3))]
    for step in steps:
        await command(stack, step)
        assert (await told(stack, step)).outcome == "applied"
    await holding.rollback()
    await connection.close()
    assert (await told(stack, close)).outcome == "applied"
    await stack.until("SELECT count(*) FROM checks WHERE bulk", 10)


async def test_a_command_that_takes_too_long_is_tried_again_when_others_had_their_turn(stack: Stack) -> None:
    opened, chunks, close = upload(10, most=10)
    await command(stack, opened, *chunks)
    await told(stack, chunks[-1])
    await stack.execute(STALLED)
    await command(stack, close)
    await eventually(lambda: handed_back(stack, "too_slow") > 0, timeout_s=30, what="a command handed back")
    other = factories.open_batch()
    await command(stack, other)
    assert (await told(stack, other)).outcome == "applied"
    await stack.execute("DROP TRIGGER stalled ON batches")
    assert (await told(stack, close)).outcome == "applied"


def handed_back(stack: Stack, reason: str) -> float:
    name = "wordwatch_recorder_batch_commands_handed_back_total"
    return stack.service.registry.get_sample_value(name, {"reason": reason}) or 0


# As PostgreSQL does when a statement has taken as long as it may.
STALLED = """
CREATE FUNCTION stalled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = 'query_canceled';
END $$;
CREATE TRIGGER stalled BEFORE UPDATE ON batches FOR EACH ROW EXECUTE FUNCTION stalled();
"""


async def test_a_recorder_goes_on_with_what_another_left(nsqd: Nsqd, database_url: str) -> None:
    opened, chunks, close = upload(3000, most=1000)
    async with running(nsqd, database_url) as stack:
        await command(stack, opened, *chunks)
        await asyncio.gather(*(told(stack, chunk) for chunk in chunks))
        await command(stack, close)
        await told(stack, close)
    async with running(nsqd, database_url) as stack:
        await stack.until("SELECT count(*) FROM checks", 3000)
        pause = factories.about_batch(PauseBatch, batch_id=opened.batch_id)
        await command(stack, pause)
        assert (await told(stack, pause)).outcome == "applied"
        await stack.until("SELECT count(*) FROM queue WHERE parked", 3000)
        resume = factories.about_batch(ResumeBatch, batch_id=opened.batch_id)
        await command(stack, resume)
        assert (await told(stack, resume)).outcome == "applied"
        await stack.until("SELECT count(*) FROM queue WHERE NOT parked", 3000)
