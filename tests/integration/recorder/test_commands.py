"""Cancelling, retrying and deleting, and commands that come again: on a real PostgreSQL."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from services.recorder import sql
from services.recorder.app import delete_slice
from services.recorder.audit import broken_rules
from services.recorder.items import Asked, Flushed
from services.recorder.store import flush
from shared import messages
from shared.db import connect
from shared.ids import new_id
from shared.messages import (
    AttemptsStarted,
    CancelCheck,
    CheckCommand,
    ClaimedCheck,
    DeleteCheck,
    Idempotency,
    RetryCheck,
    SubmitCheck,
)
from shared.settings import Settings
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.servers import eventually


def order(kind: type[CheckCommand], check_id: UUID, **fields: Any) -> CheckCommand:
    given: dict[str, Any] = {
        "id": new_id(),
        "expires_at": factories.now() + timedelta(seconds=60),
        "check_id": check_id,
    }
    return kind(**(given | fields))


def outcomes(done: Flushed) -> list[str]:
    return [outcome.outcome for outcome in done.outcomes]


async def claimed(db: Database, **fields: Any) -> ClaimedCheck:
    """A check that was submitted and claimed."""
    (check,) = (await db.flush(factories.submit(**fields))).claimed
    return check


@pytest.fixture(autouse=True)
async def nothing_is_wrong_afterwards(db: Database) -> Any:
    yield
    assert await broken_rules(db.recorder) == []


async def test_cancel_ends_a_queued_check_and_takes_it_from_the_queue(db: Database) -> None:
    commands = [factories.submit() for _ in range(3)]  # one more than the host has slots
    await db.flush(*commands)
    assert await db.count("queue") == 1
    for command in commands:
        done = await db.flush(order(CancelCheck, command.check_id))
        assert outcomes(done) == ["applied"]
        assert done.changed[command.check_id].status == "cancelled"
    assert await db.count("queue") == 0
    row = await db.check(commands[0].check_id)
    assert (row["status"], row["next_attempt_at"]) == ("cancelled", None)
    assert row["finished_at"] is not None


async def test_cancel_again_is_applied_and_of_a_finished_check_refused(db: Database) -> None:
    check, other = await claimed(db), await claimed(db)
    await db.flush(order(CancelCheck, check.check_id))
    done = await db.flush(order(CancelCheck, check.check_id))
    assert (outcomes(done), done.changed) == (["applied"], {})
    await db.flush(factories.counted(other))
    assert outcomes(await db.flush(order(CancelCheck, other.check_id))) == ["already_finished"]
    assert outcomes(await db.flush(order(CancelCheck, new_id()))) == ["not_found"]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_retry_begins_a_new_run_that_is_claimed_at_once(db: Database, end: str) -> None:
    check = await claimed(db)
    ended = factories.failed(check, "blocked", retry=False) if end == "failed" else order(CancelCheck, check.check_id)
    await db.flush(ended)

    done = await db.flush(order(RetryCheck, check.check_id))

    assert outcomes(done) == ["applied"]
    (again,) = done.claimed
    assert (again.check_id, again.run, again.attempt, again.lost, again.deaths) == (check.check_id, 2, 2, 0, 0)
    row = await db.check(check.check_id)
    assert (row["status"], row["attempts"], row["finished_at"]) == ("queued", 0, None)
    await db.flush(factories.counted(again))
    assert (await db.check(check.check_id))["status"] == "done"
    assert outcomes(await db.flush(order(RetryCheck, check.check_id))) == ["not_retryable"]


async def test_retry_of_an_open_or_unknown_check_changes_nothing(db: Database) -> None:
    check = await claimed(db)
    assert outcomes(await db.flush(order(RetryCheck, check.check_id))) == ["not_retryable"]
    assert outcomes(await db.flush(order(RetryCheck, new_id()))) == ["not_found"]
    assert (await db.check(check.check_id))["run"] == 1


async def test_delete_leaves_nothing_but_its_lease(db: Database) -> None:
    check = await claimed(db, idempotency=Idempotency(key="k", digest="d"))
    await db.flush(factories.failed(check))
    await db.let_pauses_pass()
    (second,) = await db.claim()
    done = await db.flush(order(DeleteCheck, check.check_id))
    assert (outcomes(done), done.deleted, done.changed) == (["deleted"], [check.check_id], {})
    for table in ("checks", "queue", "results", "attempts", "keys", "cancelled"):
        assert await db.count(table) == 0, table
    assert await db.count("leases") == 1
    late = await db.flush(factories.counted(second))
    assert (late.changed, await db.count("leases"), await db.count("results")) == ({}, 0, 0)


async def test_rule_1_a_repeated_command_announces_the_same_outcome_and_changes_nothing(db: Database) -> None:
    check = await claimed(db)
    await db.flush(order(CancelCheck, check.check_id))
    retry, cancel = order(RetryCheck, check.check_id), order(CancelCheck, check.check_id)
    assert outcomes(await db.flush(retry)) == ["applied"]
    assert outcomes(await db.flush(cancel)) == ["applied"]
    before = await db.check(check.check_id)
    again = await db.flush(retry, retry)
    assert (outcomes(again), again.changed, again.claimed) == (["applied"], {}, [])
    assert await db.check(check.check_id) == before
    unknown = order(RetryCheck, new_id())
    await db.flush(unknown)
    assert outcomes(await db.flush(unknown)) == ["not_found"]


async def test_rule_1_what_was_deleted_stays_deleted(db: Database) -> None:
    submit = factories.submit(idempotency=Idempotency(key="k", digest="d"))
    delete = order(DeleteCheck, submit.check_id)
    await db.flush(submit)
    await db.flush(delete)
    done = await db.flush(Asked(submit, redelivered=True))
    assert (outcomes(done), done.changed, done.claimed) == (["deleted"], {}, [])
    assert (await db.count("checks"), await db.count("keys")) == (0, 0)
    fresh = factories.submit(idempotency=Idempotency(key="k", digest="d"))
    assert list((await db.flush(fresh)).changed) == [fresh.check_id]
    assert outcomes(await db.flush(delete, submit)) == ["deleted", "deleted"]
    assert await db.count("checks") == 1


async def test_rule_1_an_expired_command_about_a_check_changes_nothing(db: Database) -> None:
    check = await claimed(db)
    gone = {"expires_at": factories.now() - timedelta(seconds=1)}
    for kind in (CancelCheck, RetryCheck, DeleteCheck):
        command = order(kind, check.check_id, **gone)
        for _ in range(2):
            assert outcomes(await db.flush(command)) == ["expired"]
    assert (await db.check(check.check_id))["status"] == "queued"


async def test_rule_1_expired_repeats_of_applied_commands_keep_their_outcome(db: Database) -> None:
    check = await claimed(db)
    command = order(CancelCheck, check.check_id, expires_at=factories.now() + timedelta(seconds=0.3))
    assert outcomes(await db.flush(command)) == ["applied"]
    late = CancelCheck(id=command.id, expires_at=factories.now() - timedelta(seconds=1), check_id=check.check_id)
    assert outcomes(await db.flush(late)) == ["applied"]


async def test_rule_1_outcomes_are_kept_for_a_day(db: Database) -> None:
    await db.flush(order(CancelCheck, new_id()), order(CancelCheck, new_id()))
    await db.recorder.execute(
        "UPDATE outcomes SET created_at = clock_timestamp() - interval '24 h 1 s' "
        "WHERE command_id = (SELECT min(command_id::text)::uuid FROM outcomes)"
    )
    assert [await delete_slice(statement, db.recorder) for statement in sql.PRUNE] == [0, 1, 0, 0]
    assert await db.count("outcomes") == 1


async def test_rule_3_a_redelivered_retry_is_published_again_and_a_repeat_is_not(db: Database) -> None:
    check = await claimed(db)
    await db.flush(order(CancelCheck, check.check_id))
    retry = order(RetryCheck, check.check_id)
    (first,) = (await db.flush(retry)).claimed
    assert (await db.flush(retry)).claimed == []
    (again,) = (await db.flush(Asked(retry, redelivered=True))).claimed
    assert again == first
    await db.flush(factories.counted(first))
    assert (await db.flush(Asked(retry, redelivered=True))).claimed == []


async def test_rule_4_deleting_frees_the_key_and_a_decided_loser_never_gets_it(db: Database) -> None:
    key = Idempotency(key="k", digest="d")
    winner, loser = factories.submit(idempotency=key), factories.submit(idempotency=key)
    await db.flush(winner)
    (lost,) = (await db.flush(loser)).outcomes
    assert (lost.outcome, lost.check_id) == ("repeated", winner.check_id)
    await db.flush(order(DeleteCheck, winner.check_id))
    fresh = factories.submit(idempotency=key)
    done = await db.flush(loser, fresh)
    assert [outcome.outcome for outcome in done.outcomes] == ["repeated"]
    assert list(done.changed) == [fresh.check_id]


async def test_rule_5_a_lease_outlives_what_becomes_of_its_check(db: Database) -> None:
    one = config(host_concurrency=1, host_rate_per_s=0)
    (check,) = (await db.flush(factories.submit(), config=one)).claimed
    await db.flush(order(CancelCheck, check.check_id), config=one)
    done = await db.flush(order(RetryCheck, check.check_id), config=one)
    assert done.claimed == [], "the slot is taken until the attempt under way has ended"
    await db.flush(order(DeleteCheck, check.check_id), config=one)
    waiting = factories.submit()
    assert (await db.flush(waiting, config=one)).claimed == []
    (after,) = (await db.flush(factories.counted(check), config=one)).claimed
    assert (after.check_id, after.attempt) == (waiting.check_id, 1)


async def test_rule_5_attempt_numbers_never_repeat_over_runs(db: Database) -> None:
    check = await claimed(db)
    numbers = [check.attempt]
    for _ in range(3):
        await db.flush(order(CancelCheck, check.check_id))
        await db.flush(order(RetryCheck, check.check_id))
        await db.let_pauses_pass()
        await db.claim(config(host_concurrency=9, host_rate_per_s=0))
        numbers.append((await db.check(check.check_id))["last_attempt"])
    assert numbers == [1, 2, 3, 4]


async def test_rule_17_a_result_of_an_earlier_run_is_history(db: Database) -> None:
    check = await claimed(db)
    await db.flush(order(CancelCheck, check.check_id))
    (again,) = (await db.flush(order(RetryCheck, check.check_id))).claimed
    await db.flush(factories.counted(check))
    row = await db.check(check.check_id)
    assert (row["status"], row["run"], row["attempts"]) == ("queued", 2, 0)
    history = await db.recorder.fetch("SELECT run, attempt, error_code FROM attempts")
    assert [tuple(line) for line in history] == [(1, 1, None)]
    await db.flush(factories.failed(again, "blocked", retry=False))
    assert (await db.check(check.check_id))["status"] == "failed"


async def test_rule_17_a_result_of_a_cancelled_check_ends_its_lease_and_changes_no_state(db: Database) -> None:
    check = await claimed(db)
    await db.flush(order(CancelCheck, check.check_id))
    done = await db.flush(factories.counted(check))
    assert (done.changed, await db.count("leases")) == ({}, 0)
    assert (await db.check(check.check_id))["status"] == "cancelled"


async def test_rule_18_the_sweep_leaves_a_new_run_alone(db: Database) -> None:
    check = await claimed(db)
    await db.flush(order(CancelCheck, check.check_id))
    one = config(host_concurrency=1)
    assert (await db.flush(order(RetryCheck, check.check_id), config=one)).claimed == []
    await db.end_leases()
    assert await db.sweep() == 0
    row = await db.check(check.check_id)
    assert (row["lost"], await db.count("queue"), await db.count("leases")) == (0, 1, 0)


@pytest.mark.parametrize("code", ["poison", "too_complex"])
async def test_rule_15_the_first_death_is_due_again_at_once_and_the_second_is_final(db: Database, code: str) -> None:
    check = await claimed(db)
    done = await db.flush(factories.failed(check, code, retry=False))
    (again,) = done.claimed
    assert (again.attempt, again.deaths) == (2, 1)
    await db.flush(factories.failed(again, code, retry=False))
    row = await db.check(check.check_id)
    assert (row["status"], row["attempts"], row["deaths"]) == ("failed", 2, 2)
    assert await db.recorder.fetchval("SELECT error_code FROM results") == code


async def test_rule_15_deaths_are_of_one_run(db: Database) -> None:
    check = await claimed(db)
    (again,) = (await db.flush(factories.failed(check, "poison", retry=False))).claimed
    await db.flush(order(CancelCheck, check.check_id), factories.counted(again, check_id=new_id()))
    (fresh,) = (await db.flush(order(RetryCheck, check.check_id))).claimed
    assert fresh.deaths == 0
    (second,) = (await db.flush(factories.failed(fresh, "poison", retry=False))).claimed
    assert second.deaths == 1


async def test_a_deletion_and_a_repeat_of_the_submission_at_once_leave_no_check(db: Database) -> None:
    other = await connect.connect(db.url, role="wordwatch_recorder")
    for trusted in ("", "example.org"):
        settings = config(trusted_hosts=trusted)
        for _ in range(40):
            submit = factories.submit()
            await db.flush(submit, config=settings)
            await asyncio.gather(
                db.flush(order(DeleteCheck, submit.check_id), config=settings),
                flushed(Database(db.url, other), submit, settings),
            )
            assert await db.count("checks") == 0
    await other.close()


async def flushed(db: Database, submit: SubmitCheck, settings: Settings) -> None:
    """Tries again what PostgreSQL refuses for now, as the recorder does."""
    while True:
        with suppress(asyncpg.SerializationError):
            await db.flush(submit, config=settings)
            return


async def test_signs_of_life_are_answered_with_the_databases_clock(db: Database) -> None:
    before, here = factories.now(), factories.here(fetcher="f-2")
    (reading,) = (await db.flush(here)).clocks
    assert (reading.fetcher, reading.said_at) == ("f-2", here.at)
    assert before <= reading.database_at <= factories.now()


async def test_retry_and_cancel_in_one_flush_leave_a_cancelled_check_in_its_list(db: Database) -> None:
    check = await claimed(db)
    await db.flush(order(CancelCheck, check.check_id))
    await db.flush(order(RetryCheck, check.check_id), order(CancelCheck, check.check_id))
    assert (await db.check(check.check_id))["status"] == "cancelled"
    assert await db.count("cancelled") == 1


async def test_a_check_begun_by_a_clock_that_is_ahead_is_not_cancelled_before_it_began(db: Database) -> None:
    check = await claimed(db)
    begun = factories.ref(check, factories.now() + timedelta(seconds=1.5))
    await db.flush(AttemptsStarted(fetcher="f", attempts=(begun,)))
    await db.flush(order(CancelCheck, check.check_id))
    assert (await db.check(check.check_id))["finished_at"] == begun.at


async def test_rule_4_a_repeat_for_a_deleted_check_takes_no_key_from_who_comes_with_it(db: Database) -> None:
    key = Idempotency(key="k", digest="d")
    old, new = factories.submit(idempotency=key), factories.submit(idempotency=key)
    await db.flush(old)
    await db.flush(order(DeleteCheck, old.check_id))
    done = await db.flush(Asked(old, redelivered=True), new)
    assert [(each.id, each.outcome) for each in done.outcomes] == [(old.id, "deleted")]
    assert list(done.changed) == [new.check_id]


async def test_rule_1_the_outcome_of_a_second_command_with_a_key_stands_too(db: Database) -> None:
    holder = factories.submit(idempotency=Idempotency(key="k", digest="1"))
    refused, fresh = (factories.submit(idempotency=Idempotency(key="k", digest="2")) for _ in range(2))
    await db.flush(holder)
    assert outcomes(await db.flush(refused)) == ["idempotency_key_reused"]
    await db.flush(order(DeleteCheck, holder.check_id))
    done = await db.flush(fresh, refused)
    assert [(each.id, each.outcome) for each in done.outcomes] == [(refused.id, "idempotency_key_reused")]


class _Slow:
    """A connection that lets some time pass after keys were locked, so that others can come in between."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.transaction = connection.transaction

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await self._connection.fetch(query, *arguments)
        if query in (sql.LOCK_KEYS, sql.TAKE_KEYS):
            await asyncio.sleep(0.2)
        return found


def _again(command: messages.SubmitCheck) -> Asked:
    return Asked(factories.submit(idempotency=command.idempotency))


async def test_rule_7_who_takes_keys_and_who_gives_some_back_never_wait_in_a_circle(db: Database) -> None:
    keys = [Idempotency(key=key, digest="d") for key in ("a free one", "k1", "k2")]
    free, first, second = (factories.submit(idempotency=key) for key in keys)
    await db.flush(first, second)
    sets = [
        [Asked(order(DeleteCheck, second.check_id)), _again(free), _again(first)],
        [_again(free), _again(second)],
        [Asked(order(DeleteCheck, first.check_id)), _again(second)],
    ]
    others = [await connect.connect(db.url, role="wordwatch_recorder") for _ in sets]
    ways = [cast(asyncpg.Connection, _Slow(other)) for other in others]
    # None of them is a deadlock's victim.
    await asyncio.gather(*(flush(way, items, config(), lambda: 1.0) for way, items in zip(ways, sets, strict=True)))
    for other in others:
        await other.close()


async def test_of_two_who_decide_at_once_both_announce_what_is_stored(db: Database) -> None:
    command = order(CancelCheck, new_id())  # of a check that is not there yet, for the one of them
    other = await connect.connect(db.url, role="wordwatch_recorder")
    async with other.transaction():
        await other.execute(
            "INSERT INTO outcomes (command_id, outcome, check_id, created_at) VALUES ($1, 'applied', $2, now())",
            command.id,
            command.check_id,
        )
        deciding = asyncio.create_task(db.flush(command))
        await eventually(lambda: _somebody_waits(other), what="the second one waits for the first")
    assert outcomes(await deciding) == ["applied"]
    await other.close()


async def _somebody_waits(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
