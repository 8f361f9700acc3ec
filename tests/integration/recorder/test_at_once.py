"""New checks in one statement: what goes that way, what does not, and that it comes to the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.recorder import sql
from services.recorder.store import Asked
from shared import messages
from shared.db import connect
from shared.ids import new_id
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.servers import eventually

HOST = "at-once.example"
UNPACED = config(host_rate_per_s=0, host_concurrency=100)


@pytest.fixture
async def warm(db: Database) -> Database:
    """With a fetcher, and a host and a question that are known."""
    await db.flush(factories.submit(host=HOST), config=UNPACED)
    return db


@asynccontextmanager
async def statements(db: Database) -> AsyncIterator[list[str]]:
    """What the recorder's connection is asked meanwhile."""
    asked: list[str] = []

    def note(record: object) -> None:
        asked.append(getattr(record, "query", ""))

    with db.recorder.query_logger(note):
        yield asked
        await asyncio.sleep(0)  # the connection's loggers are called in the loop's next turn


async def test_new_checks_of_a_known_host_take_one_statement(warm: Database) -> None:
    commands = [factories.submit(host=HOST, label="red") for _ in range(3)]
    async with statements(warm) as asked:
        done = await warm.flush(*commands, config=UNPACED)
    assert asked == [sql.SUBMIT_AT_ONCE]
    ids = {command.check_id for command in commands}
    assert {check.check_id for check in done.claimed} == ids == set(done.changed)
    assert {change.status for change in done.changed.values()} == {"queued"}
    assert (done.outcomes, len(done.told)) == ([], 3)
    row = await warm.check(commands[0].check_id)
    assert (row["status"], row["label"], row["last_attempt"], row["bulk"]) == ("queued", "red", 1, False)
    assert await warm.count("leases") == 4
    assert await warm.count("queue") == 0


async def test_what_a_host_does_not_allow_yet_waits_in_the_queue(warm: Database) -> None:
    single = config(host_rate_per_s=0, host_concurrency=1)
    command = factories.submit(host=HOST)
    done = await warm.flush(command, config=single)
    assert (list(done.changed), done.claimed) == ([command.check_id], [])
    assert await warm.count("queue") == 1


@pytest.mark.parametrize("new", [{"host": "new.example"}, {"question": messages.Question(words=("snake",))}])
async def test_what_is_asked_for_the_first_time_takes_the_usual_way(warm: Database, new: dict[str, object]) -> None:
    first, second = (factories.submit(**{"host": HOST} | new) for _ in range(2))
    async with statements(warm) as asked:
        assert list((await warm.flush(first, config=UNPACED)).changed) == [first.check_id]
    assert len(asked) > 1
    async with statements(warm) as asked:
        assert list((await warm.flush(second, config=UNPACED)).changed) == [second.check_id]
    assert asked == [sql.SUBMIT_AT_ONCE]


@pytest.mark.parametrize(
    "other",
    [
        {"idempotency": messages.Idempotency(key="k", digest="d")},
        {"run_at": factories.now() + timedelta(hours=1)},
        {"host": "trusted.example"},
    ],
)
async def test_what_has_to_be_decided_about_takes_the_usual_way(warm: Database, other: dict[str, object]) -> None:
    chosen = config(host_rate_per_s=0, trusted_hosts="trusted.example")
    command = factories.submit(**{"host": HOST} | other)
    async with statements(warm) as asked:
        assert list((await warm.flush(command, config=chosen)).changed) == [command.check_id]
    assert sql.SUBMIT_AT_ONCE not in asked
    async with statements(warm) as asked:
        await warm.flush(factories.submit(host=HOST), factories.here(), config=chosen)
        await warm.flush(Asked(factories.submit(host=HOST), redelivered=True), config=chosen)
    assert sql.SUBMIT_AT_ONCE not in asked


async def test_a_repeated_command_changes_nothing_and_keeps_no_other_back(warm: Database) -> None:
    before, new = factories.submit(host=HOST), factories.submit(host=HOST)
    await warm.flush(before, config=UNPACED)
    done = await warm.flush(before, new, new, config=UNPACED)
    assert list(done.changed) == [new.check_id]
    assert [check.check_id for check in done.claimed] == [new.check_id]
    assert await warm.count("checks") == 3


async def test_an_expired_command_keeps_no_other_back(warm: Database) -> None:
    late = factories.submit(host=HOST, expires_at=factories.now() - timedelta(seconds=1))
    new = factories.submit(host=HOST)
    done = await warm.flush(late, new, config=UNPACED)
    assert list(done.changed) == [new.check_id]
    assert [(each.id, each.outcome) for each in done.outcomes] == [(late.id, "expired")]


async def test_a_check_that_is_deleted_while_its_repeat_waits_stays_deleted(warm: Database) -> None:
    command = factories.submit(host=HOST)
    await warm.flush(command, config=UNPACED)
    other = await connect.connect(warm.url, role="wordwatch_recorder")
    deleting = other.transaction()
    await deleting.start()
    await other.execute(sql.LOCK_HOSTS, [HOST])
    await other.fetch(sql.DELETE_CHECKS, [command.check_id])
    await other.execute(sql.STORE_OUTCOMES, [new_id()], ["deleted"], [command.check_id], [None])
    repeat = asyncio.create_task(warm.flush(command, config=UNPACED))

    async def waits() -> bool:
        return bool(await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    await eventually(waits, what="a flush that waits for the host")
    await deleting.commit()
    done = await repeat
    await other.close()
    assert (dict(done.changed), done.claimed) == ({}, [])
    assert [(each.id, each.outcome) for each in done.outcomes] == [(command.id, "deleted")]
    assert await warm.count("checks") == 1
