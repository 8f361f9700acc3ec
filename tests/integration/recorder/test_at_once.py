"""New checks in one statement, and reports: what goes that way, what does not, and that it comes to the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from services.recorder import sql
from services.recorder.items import Asked
from shared import messages
from shared.db import connect
from shared.ids import new_id
from shared.messages import ClaimedCheck
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.servers import eventually

HOST = "at-once.example"
UNPACED = config(host_rate_per_s=0, host_concurrency=100)
TRUSTING = config(host_rate_per_s=0, host_concurrency=100, trusted_hosts="trusted.example")
TWO = [sql.READ_REPORTED, sql.RECORD_AT_ONCE]


@pytest.fixture
async def warm(db: Database) -> Database:
    """With a fetcher, a host and a question that are known, and a connection that knows the types."""
    (check,) = (await db.flush(factories.submit(host=HOST), config=UNPACED)).claimed
    await db.flush(factories.counted(check), config=UNPACED)
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


@asynccontextmanager
async def somebody_else(db: Database) -> AsyncIterator[asyncpg.Connection]:
    """Another recorder's transaction, which is committed at the end."""
    other = await connect.connect(db.url, role="wordwatch_recorder")
    async with other.transaction():
        yield other
    await other.close()


async def anybody_waits(other: asyncpg.Connection) -> bool:
    return bool(await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


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
    assert await warm.count("leases") == 3
    assert await warm.count("queue") == 0


async def test_what_a_host_does_not_allow_yet_waits_in_the_queue(warm: Database) -> None:
    single = config(host_rate_per_s=0, host_concurrency=1)
    first, command = factories.submit(host=HOST), factories.submit(host=HOST)
    await warm.flush(first, config=single)
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
    ],
)
async def test_what_has_to_be_decided_about_takes_the_usual_way(warm: Database, other: dict[str, object]) -> None:
    command = factories.submit(**{"host": HOST} | other)
    async with statements(warm) as asked:
        assert list((await warm.flush(command, config=UNPACED)).changed) == [command.check_id]
    assert sql.SUBMIT_AT_ONCE not in asked
    async with statements(warm) as asked:
        await warm.flush(factories.submit(host=HOST), factories.here(), config=UNPACED)
        await warm.flush(Asked(factories.submit(host=HOST), redelivered=True), config=UNPACED)
    assert sql.SUBMIT_AT_ONCE not in asked


async def test_of_a_trusted_host_they_take_one_statement_from_the_first(warm: Database) -> None:
    commands = [factories.submit(host="trusted.example"), factories.submit(host=HOST)]
    async with statements(warm) as asked:
        done = await warm.flush(*commands, config=TRUSTING)
    assert asked == [sql.SUBMIT_AT_ONCE]
    assert {check.check_id for check in done.claimed} == {command.check_id for command in commands}
    assert await warm.count("hosts") == 1


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


@pytest.mark.parametrize("trusting", [False, True])
async def test_a_check_that_is_deleted_while_its_repeat_waits_stays_deleted(warm: Database, trusting: bool) -> None:
    chosen = TRUSTING if trusting else UNPACED
    command = factories.submit(host="trusted.example" if trusting else HOST)
    await warm.flush(command, config=chosen)
    async with somebody_else(warm) as other:
        await other.execute(sql.LOCK_HOSTS, [HOST])
        await other.fetch(sql.DELETE_CHECKS, [command.check_id])
        await other.execute(sql.STORE_OUTCOMES, [new_id()], ["deleted"], [command.check_id], [None])
        repeat = asyncio.create_task(warm.flush(command, config=chosen))
        await eventually(lambda: anybody_waits(other), what="a flush that waits")
    if trusting:  # as a recorder does then
        with pytest.raises(asyncpg.SerializationError):
            await repeat
        repeat = asyncio.create_task(warm.flush(Asked(command, redelivered=True), config=chosen))
    done = await repeat
    assert (dict(done.changed), done.claimed) == ({}, [])
    assert [(each.id, each.outcome) for each in done.outcomes] == [(command.id, "deleted")]
    assert await warm.count("checks") == 1


@pytest.fixture
async def claimed(warm: Database) -> ClaimedCheck:
    (check,) = (await warm.flush(factories.submit(host=HOST), config=UNPACED)).claimed
    return check


def begun(*checks: ClaimedCheck) -> messages.AttemptsStarted:
    return messages.AttemptsStarted(fetcher="f", attempts=tuple(factories.ref(check) for check in checks))


async def test_reports_take_two_statements(warm: Database, claimed: ClaimedCheck) -> None:
    async with statements(warm) as asked:
        done = await warm.flush(begun(claimed), config=UNPACED)
    assert asked == TWO
    assert [change.status for change in done.changed.values()] == ["running"]
    async with statements(warm) as asked:
        done = await warm.flush(factories.counted(claimed), config=UNPACED)
    assert asked == TWO
    assert [(id_, change.status) for id_, change in done.changed.items()] == [(claimed.check_id, "done")]
    assert (done.outcomes, [told.fields["outcome"] for told in done.told]) == ([], ["counted"])
    row = await warm.check(claimed.check_id)
    assert (row["status"], row["attempts"], row["started_at"] is not None) == ("done", 1, True)
    assert [await warm.count(table) for table in ("leases", "results")] == [0, 2]


async def test_the_room_that_a_report_makes_is_taken_in_the_same_commit(warm: Database) -> None:
    single = config(host_rate_per_s=0, host_concurrency=1)
    first, second = factories.submit(host=HOST), factories.submit(host=HOST)
    (check,) = (await warm.flush(first, second, config=single)).claimed
    async with statements(warm) as asked:
        done = await warm.flush(factories.failed(check), config=single)
    assert asked == TWO
    assert [each.check_id for each in done.claimed] == [({first.check_id, second.check_id} - {check.check_id}).pop()]
    (change,) = done.changed.values()
    assert change.status == "queued"  # once more, later
    assert await warm.count("queue") == 1
    assert await warm.count("attempts") == 1


async def test_a_report_that_comes_again_changes_nothing(warm: Database, claimed: ClaimedCheck) -> None:
    await warm.flush(factories.counted(claimed), config=UNPACED)
    done = await warm.flush(factories.counted(claimed), factories.failed(claimed), config=UNPACED)
    assert (dict(done.changed), done.claimed, await warm.count("results")) == ({}, [], 2)


async def test_a_fetcher_that_was_late_gives_the_check_back(warm: Database, claimed: ClaimedCheck) -> None:
    async with statements(warm) as asked:
        late = messages.AttemptsLate(fetcher="f", attempts=(factories.ref(claimed),))
        done = await warm.flush(late, config=UNPACED)
    assert asked == TWO
    assert [(each.check_id, each.attempt) for each in done.claimed] == [(claimed.check_id, 2)]


async def test_with_a_pause_asked_for_or_a_check_gone_the_usual_way_is_taken(
    warm: Database, claimed: ClaimedCheck
) -> None:
    error = messages.AttemptError(code="http_error", retry=True, retry_after_s=5)
    unknown = factories.counted(factories.claimed(host=HOST))
    for report in (factories.failed(claimed, error=error), unknown):
        async with statements(warm) as asked:
            await warm.flush(report, config=UNPACED)
        assert sql.RECORD_AT_ONCE not in asked
        assert len(asked) > 3
    assert await warm.recorder.fetchval("SELECT next_start_at > clock_timestamp() + interval '3 s' FROM hosts")


CANCEL = "UPDATE checks SET status = 'cancelled' WHERE id = $1"
SWEEP = "DELETE FROM leases WHERE check_id = $1"


@pytest.mark.parametrize(("change", "outcome"), [(CANCEL, "cancelled"), (SWEEP, "done")])
async def test_what_changes_while_a_report_waits_is_decided_on_anew(
    warm: Database, claimed: ClaimedCheck, change: str, outcome: str
) -> None:
    async with statements(warm) as asked:
        async with somebody_else(warm) as other:
            await other.execute(sql.LOCK_HOSTS, [HOST])
            report = asyncio.create_task(warm.flush(factories.counted(claimed), config=UNPACED))
            await eventually(lambda: anybody_waits(other), what="a flush that waits")
            await other.execute(change, claimed.check_id)
        await report
    assert asked[:2] == TWO
    assert sql.LOCK_FLUSH in asked
    assert (await warm.check(claimed.check_id))["status"] == outcome
    assert await warm.recorder.fetchval("SELECT count(*) FROM leases WHERE check_id = $1", claimed.check_id) == 0
