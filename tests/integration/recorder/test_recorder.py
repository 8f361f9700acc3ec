"""The recorder between a real nsqd and a real PostgreSQL, with what can go wrong between them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from services.recorder import app
from shared import messages, settings, topics
from shared.db import connect
from shared.messages import ClaimedCheck, Recorded
from shared.nsq.consumer import Consumer
from shared.nsq.message import Message
from shared.nsq.wiring import Wiring
from shared.service import Service
from tests import factories
from tests.integration.servers import Nsqd, eventually


@dataclass
class Stack:
    """A running recorder, and the ends of the queues that others hold."""

    url: str
    service: Service
    producer: Any
    checks: list[ClaimedCheck] = field(default_factory=list)
    hints: list[Recorded] = field(default_factory=list)

    async def send(self, *items: messages.Message) -> None:
        for item in items:
            topic = topics.COMMANDS if isinstance(item, messages.SubmitCheck) else topics.RESULTS
            await self.producer.publish(topic.name, messages.encode(item))

    async def fetch(self, query: str) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def until(self, query: str, value: Any) -> None:
        async def reached() -> bool:
            return bool(await self.fetch(query) == value)

        await eventually(reached, what=f"{query} = {value}")


@pytest.fixture
async def nsqd() -> AsyncIterator[Nsqd]:
    async with Nsqd() as server:
        yield server


@asynccontextmanager
async def running(nsqd: Nsqd, database_url: str) -> AsyncIterator[Stack]:
    config = settings.load({"WORDWATCH_DATABASE_URL": database_url, "WORDWATCH_NSQD": nsqd.tcp})
    service = Service("recorder", config)
    wiring = Wiring(config, instance="test", registry=Service("test", config).registry)
    stack = Stack(database_url, service, wiring.producer())

    def keep(into: list[Any], decode: Callable[[bytes], Any]) -> Callable[[Message], Any]:
        async def handle(message: Message) -> None:
            into.append(decode(message.body))

        return handle

    readers: list[Consumer] = [
        wiring.consumer(topics.CHECKS, keep(stack.checks, messages.decode_claimed_check), max_in_flight=100),
        wiring.consumer(
            topics.RECORDED,
            keep(stack.hints, messages.decode_recorded),
            max_in_flight=100,
            channel=topics.ephemeral_channel("test"),
        ),
    ]
    async with wiring.lookup, stack.producer, asyncio.TaskGroup() as group:
        for reader in readers:
            group.create_task(reader.run())
        ended = group.create_task(app.run(service))
        await eventually(lambda: all(service.readiness().values()) and len(service.needs) == 4, what="readiness")
        await eventually(lambda: all(reader.ready() for reader in readers), what="readers")
        try:
            yield stack
        finally:
            service.stopping.set()
            await ended
            for reader in readers:
                await reader.stop(1)
    assert service._failure is None


@pytest.fixture
async def stack(nsqd: Nsqd, database_url: str) -> AsyncIterator[Stack]:
    async with running(nsqd, database_url) as stack:
        await stack.send(factories.here())
        await stack.until("SELECT count(*) FROM fetchers", 1)
        yield stack


async def test_a_check_goes_from_command_to_result(stack: Stack) -> None:
    command = factories.submit()
    await stack.send(command)
    await eventually(lambda: stack.checks, what="a claimed check")
    (check,) = stack.checks
    assert check.check_id == command.check_id
    await stack.send(factories.counted(check))
    await stack.until("SELECT status FROM checks", "done")
    await eventually(lambda: len(stack.hints) == 2, what="two hints")
    assert [[c.status for c in hint.checks] for hint in stack.hints] == [["queued"], ["done"]]


async def test_what_is_unreadable_is_dropped_and_harms_nothing(stack: Stack) -> None:
    await stack.producer.publish(topics.COMMANDS.name, b"not JSON")
    await stack.producer.publish(topics.RESULTS.name, b'{"kind": "of another world"}')
    await stack.send(factories.submit())
    await stack.until("SELECT count(*) FROM checks", 1)
    undecodable = "wordwatch_recorder_undecodable_messages_total"
    await eventually(lambda: stack.service.registry.get_sample_value(undecodable) == 2, what="both are dropped")


async def test_rule_20_a_broken_connection_to_postgres_loses_nothing(stack: Stack) -> None:
    for number in range(5):
        await stack.send(*[factories.submit(host=f"h{number}.{n}") for n in range(20)])
        await stack.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'recorder-%'"
        )
    await stack.until("SELECT count(*) FROM checks", 100)
    await eventually(lambda: len(stack.checks) == 100, what="all claimed checks published")


async def test_rule_20_a_table_that_is_locked_for_long_only_delays(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE checks IN ACCESS EXCLUSIVE MODE")
    await stack.send(factories.submit())
    retries = "wordwatch_recorder_flush_retries_total"

    async def tried_again() -> bool:
        return (stack.service.registry.get_sample_value(retries) or 0) >= 1

    await eventually(tried_again, timeout_s=20, what="a retry")
    await transaction.rollback()
    await connection.close()
    await stack.until("SELECT count(*) FROM checks", 1)


async def test_rule_21_one_row_that_postgres_refuses_is_found_and_499_are_recorded(stack: Stack) -> None:
    await stack.execute(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.title = 'poisonous' THEN RAISE EXCEPTION 'no' USING ERRCODE = '22000'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON results FOR EACH ROW EXECUTE FUNCTION refuse();
        """
    )
    await stack.send(factories.here(capacity=1000))
    await stack.until("SELECT max(capacity) FROM fetchers", 1000)
    await stack.send(*[factories.submit(host=f"h{n}") for n in range(500)])
    await eventually(lambda: len(stack.checks) == 500, what="500 claimed checks")
    reports = [factories.counted(check) for check in stack.checks]
    culprit = stack.checks[317]
    reports[317] = factories.counted(culprit, facts=messages.PageFacts(title="poisonous"))
    await stack.producer.publish_many(topics.RESULTS.name, messages.encode_all(reports))
    await stack.until("SELECT count(*) FROM checks WHERE status = 'done'", 499)
    await stack.until("SELECT error_code FROM attempts", "internal")
    await stack.until("SELECT check_id FROM attempts", culprit.check_id)
    assert stack.service.registry.get_sample_value("wordwatch_recorder_culprits_total") == 1


async def test_rule_21_a_command_that_postgres_refuses_gets_an_outcome(stack: Stack) -> None:
    refused = factories.submit(label="a\0b")
    await stack.send(refused, *[factories.submit(host=f"h{n}") for n in range(9)])
    await stack.until("SELECT count(*) FROM checks", 9)
    await stack.until("SELECT outcome FROM outcomes", "refused")
    await stack.until("SELECT command_id FROM outcomes", refused.id)


async def test_a_message_of_which_nothing_can_be_recorded_is_dropped_and_the_others_are_recorded(stack: Stack) -> None:
    await stack.send(factories.submit(), factories.submit(host="h2"))
    await eventually(lambda: len(stack.checks) == 2, what="claimed checks")
    hopeless = factories.counted(stack.checks[0], host="a\0b")
    nobody = factories.here(fetcher="c\0d")
    await stack.producer.publish_many(
        topics.RESULTS.name, messages.encode_all([hopeless, nobody, factories.counted(stack.checks[1])])
    )
    await stack.until("SELECT count(*) FROM checks WHERE status = 'done'", 1)
    await stack.send(factories.submit(host="h3"))
    await stack.until("SELECT count(*) FROM checks", 3)
    culprits = "wordwatch_recorder_culprits_total"
    await eventually(lambda: stack.service.registry.get_sample_value(culprits) == 2, what="both are told of")


async def test_a_time_without_time_zone_is_refused_by_the_decoder(stack: Stack) -> None:
    body = messages.encode(factories.here()).replace(b"Z", b"")
    await stack.producer.publish(topics.RESULTS.name, body)
    unreadable = "wordwatch_recorder_undecodable_messages_total"
    await eventually(lambda: stack.service.registry.get_sample_value(unreadable) == 1, what="the message dropped")


async def test_messages_are_recorded_after_a_restart_of_the_recorder(nsqd: Nsqd, database_url: str) -> None:
    async with running(nsqd, database_url) as stack:
        await stack.send(factories.submit())
        await stack.until("SELECT count(*) FROM checks", 1)
    async with running(nsqd, database_url) as stack:
        await stack.send(factories.here(), factories.submit(host="b"))
        await stack.until("SELECT count(*) FROM checks", 2)


async def test_without_a_database_it_says_so_and_ends() -> None:
    with pytest.raises(connect.DatabaseUnavailableError, match="WORDWATCH_DATABASE_URL"):
        await connect.wait_for("postgres://nobody@127.0.0.1:1/none", role="wordwatch_recorder", timeout_s=0.1)
