"""The recorder's transaction and the claim, on a real PostgreSQL."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import msgspec
import pytest

from services.recorder.items import Asked, Item
from shared import messages
from shared.db import connect
from tests import factories
from tests.integration.recorder.database import Database, config


async def test_rule_8_a_submission_to_a_free_host_is_claimed_in_the_same_commit(db: Database) -> None:
    command = factories.submit()

    done = await db.flush(command)

    (check,) = done.claimed
    assert (check.check_id, check.attempt, check.run, check.lane) == (command.check_id, 1, 1, "interactive")
    assert check.question == command.question
    assert check.not_after - check.not_before == timedelta(seconds=60)
    assert await db.count("queue") == 0
    assert (await db.check(command.check_id))["status"] == "queued"


async def test_without_a_fetcher_nothing_is_claimed_until_one_is_seen(database_url: str) -> None:
    connection = await connect.connect(database_url, role="wordwatch_recorder")
    db = Database(database_url, connection)
    command = factories.submit()
    assert (await db.flush(command)).claimed == []
    assert await db.claim() == []
    await db.flush(factories.here())
    assert [check.check_id for check in await db.claim()] == [command.check_id]
    await connection.close()


async def test_a_repeated_submission_changes_nothing(db: Database) -> None:
    command = factories.submit()
    await db.flush(command)
    done = await db.flush(command, command)
    assert done.claimed == []
    assert await db.count("checks") == 1


async def test_rule_3_a_redelivered_submission_is_published_again_with_the_same_lease(db: Database) -> None:
    command = factories.submit()
    (first,) = (await db.flush(command)).claimed
    (again,) = (await db.flush(Asked(command, redelivered=True))).claimed
    assert again == first
    await db.flush(factories.counted(first))
    assert (await db.flush(Asked(command, redelivered=True))).claimed == []


async def test_rule_1_an_expired_command_changes_nothing_and_says_so(db: Database) -> None:
    command = factories.submit(expires_at=factories.now() - timedelta(seconds=1))
    (outcome,) = (await db.flush(command)).outcomes
    assert outcome.outcome == "expired"
    assert await db.count("checks") == 0
    assert await db.count("outcomes") == 1


async def test_rule_4_one_key_makes_one_check(db: Database) -> None:
    key = messages.Idempotency(key="k", digest="same")
    first = factories.submit(idempotency=key)
    same = factories.submit(idempotency=key)
    other = factories.submit(idempotency=messages.Idempotency(key="k", digest="other"))

    together = await db.flush(first, same)
    later = await db.flush(other, first)

    assert [(o.id, o.outcome, o.check_id) for o in together.outcomes] == [(same.id, "repeated", first.check_id)]
    assert [(o.id, o.outcome, o.check_id) for o in later.outcomes] == [(other.id, "idempotency_key_reused", None)]
    assert await db.count("checks") == 1


async def test_rule_1_an_expired_repeat_of_what_was_applied_has_its_check_as_outcome(db: Database) -> None:
    command = factories.submit()
    await db.flush(command)
    late = msgspec.structs.replace(command, expires_at=factories.now() - timedelta(seconds=1))
    assert (await db.flush(Asked(late, redelivered=True))).outcomes == []


async def test_rule_4_a_key_older_than_a_day_is_free(db: Database) -> None:
    key = messages.Idempotency(key="k", digest="d")
    await db.flush(factories.submit(idempotency=key))
    await db.recorder.execute("UPDATE keys SET created_at = created_at - interval '24 h 1 s'")
    done = await db.flush(factories.submit(idempotency=key))
    assert done.outcomes == []
    assert await db.count("checks") == 2


async def test_a_count_ends_the_check_and_its_lease(db: Database) -> None:
    command = factories.submit()
    (check,) = (await db.flush(command)).claimed
    report = factories.counted(check)

    done = await db.flush(report)

    assert done.changed[check.check_id].status == "done"
    row = await db.check(check.check_id)
    assert (row["status"], row["attempts"], row["finished_at"]) == ("done", 1, report.finished_at)
    assert await db.count("leases") == 0
    result = await db.recorder.fetchrow("SELECT * FROM results")
    assert result is not None
    assert (result["total"], result["http_status"], result["error_code"]) == (3, 200, None)


async def test_repeated_results_change_nothing(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    report = factories.counted(check)
    await db.flush(report, report)
    assert (await db.flush(report, factories.failed(check))).changed == {}
    assert (await db.check(check.check_id))["attempts"] == 1


async def test_rule_20_copies_of_one_failure_in_one_flush_are_one_attempt(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    report = factories.failed(check)
    late = messages.AttemptsLate(fetcher="f", attempts=(factories.ref(check),))
    await db.flush(report, late, report, factories.failed(check))
    row = await db.check(check.check_id)
    assert (row["status"], row["attempts"]) == ("queued", 1)


async def test_rule_20_a_count_wins_over_a_failure_of_the_same_attempt(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    await db.flush(factories.failed(check), factories.counted(check), factories.failed(check))
    row = await db.check(check.check_id)
    assert (row["status"], row["attempts"]) == ("done", 1)


async def test_a_repeated_refusal_does_not_pause_its_host_again(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    report = factories.failed(check, error=messages.AttemptError(code="rate_limited", retry=True, retry_after_s=60))
    await db.flush(report)
    paused_until = await db.recorder.fetchval("SELECT next_start_at FROM hosts")
    await db.flush(report)
    assert await db.recorder.fetchval("SELECT next_start_at FROM hosts") == paused_until


async def test_an_old_sign_of_life_brings_no_fetcher_back(db: Database) -> None:
    await db.flush(factories.here(at=factories.now() + timedelta(seconds=1), capacity=0))
    await db.flush(factories.here(at=factories.now() - timedelta(seconds=5)))
    assert (await db.flush(factories.submit())).claimed == []


async def test_a_passing_failure_is_claimed_again_when_its_pause_is_over(db: Database) -> None:
    quick = config(retry_base_s=0)
    (check,) = (await db.flush(factories.submit(), config=quick)).claimed
    for attempt in (1, 2):
        done = await db.flush(factories.failed(check), config=quick)
        assert done.changed[check.check_id].status == "queued"
        again = done.claimed or await db.claim(quick)
        assert [(c.check_id, c.attempt) for c in again] == [(check.check_id, attempt + 1)]
        check = again[0]
    done = await db.flush(factories.failed(check), config=quick)
    assert done.changed[check.check_id].status == "failed"
    assert await db.count("attempts") == 3
    assert await db.count("queue") == await db.count("leases") == 0


async def test_a_pause_keeps_a_check_from_the_claim(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    assert (await db.flush(factories.failed(check))).claimed == []
    assert await db.claim() == []
    row = await db.check(check.check_id)
    assert row["next_attempt_at"] > factories.now() + timedelta(seconds=1)


async def test_retry_after_pauses_the_whole_host(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    error = messages.AttemptError(code="rate_limited", retry=True, retry_after_s=60)
    await db.flush(factories.failed(check, error=error))
    assert (await db.flush(factories.submit())).claimed == []
    assert (await db.flush(factories.submit(host="other.example"))).claimed != []


async def test_rule_9_a_host_gets_no_more_than_its_slots(db: Database) -> None:
    unpaced = config(host_rate_per_s=0)
    first = await db.flush(*[factories.submit() for _ in range(5)], config=unpaced)
    assert len(first.claimed) == 2
    assert await db.claim(unpaced) == []
    freed = await db.flush(factories.counted(first.claimed[0]), config=unpaced)
    assert len(freed.claimed) == 1  # the commit that freed the slot gave it to the next


async def test_rule_9_starts_of_a_host_keep_its_pace_and_begin_within_a_second(db: Database) -> None:
    paced = config(host_concurrency=50, host_rate_per_s=4)
    done = await db.flush(*[factories.submit() for _ in range(20)], config=paced)
    starts = sorted(check.not_before for check in done.claimed)
    assert len(starts) == 5
    assert [later - sooner for sooner, later in itertools.pairwise(starts)] == [timedelta(seconds=0.25)] * 4
    assert await db.claim(paced) == []


async def test_rule_7_trusted_hosts_have_no_limits(db: Database) -> None:
    trusting = config(trusted_hosts="Example.org")
    done = await db.flush(*[factories.submit() for _ in range(50)], config=trusting)
    assert len(done.claimed) == 50
    assert await db.count("hosts") == 0


async def test_rule_11_no_more_is_released_than_the_fetchers_can_take(db: Database) -> None:
    await db.flush(factories.here(capacity=3))
    done = await db.flush(*[factories.submit(host=f"h{n}") for n in range(20)])
    assert len(done.claimed) == 6
    assert await db.claim() == []
    await db.flush(factories.here(capacity=3, finished_last_s=10))
    assert len(await db.claim()) == 4


@pytest.mark.parametrize(("trusted", "of_one_host"), [("", 2), ("example.org", 40)])
async def test_rule_7_claimers_at_once_never_claim_a_check_twice_nor_exceed_a_host(
    db: Database, trusted: str, of_one_host: int
) -> None:
    unpaced = config(host_rate_per_s=0, trusted_hosts=trusted)
    await db.flush(factories.here(capacity=0))
    commands = [factories.submit() for _ in range(40)] + [factories.submit(host=f"h{n}") for n in range(20)]
    await db.flush(*commands, config=unpaced)
    await db.flush(factories.here(capacity=1000))

    rounds = await asyncio.gather(*(db.claim(unpaced) for _ in range(6)))

    claimed = [check for round_ in rounds for check in round_]
    assert len({check.check_id for check in claimed}) == len(claimed)
    assert sum(check.host == "example.org" for check in claimed) == of_one_host
    assert sum(check.host != "example.org" for check in claimed) == 20


async def test_rule_10_with_one_slot_the_lanes_alternate(db: Database) -> None:
    single = config(host_concurrency=1, host_rate_per_s=0)
    commands = [factories.submit() for _ in range(6)]
    await db.flush(factories.here(capacity=0))
    await db.flush(*commands, config=single)
    await db.recorder.execute("UPDATE queue SET bulk = check_id = ANY ($1)", [c.check_id for c in commands[:3]])
    await db.recorder.execute("UPDATE checks SET bulk = id = ANY ($1)", [c.check_id for c in commands[:3]])
    await db.flush(factories.here(capacity=64))
    lanes = []
    for _ in range(6):
        (check,) = await db.claim(single)
        lanes.append(check.lane)
        await db.recorder.execute("DELETE FROM leases")
        await db.recorder.execute("UPDATE hosts SET wake_interactive = now(), wake_bulk = now()")
        await db.recorder.execute("UPDATE hosts SET last_bulk = $1", check.lane == "bulk")
    assert lanes == ["interactive", "bulk"] * 3


async def test_work_of_a_host_that_is_trusted_no_more_is_found_when_a_scheduler_starts(db: Database) -> None:
    trusting = config(trusted_hosts="example.org")
    await db.flush(factories.here(capacity=1))
    done = await db.flush(*[factories.submit() for _ in range(3)], config=trusting)
    assert len(done.claimed) == 2
    await db.flush(factories.here(capacity=64))
    await db.end_leases()
    assert await db.claim() == []
    await db.wake()
    assert [check.host for check in await db.claim()] == ["example.org"]
    assert await db.sweep() == 2


async def test_rule_12_a_late_attempt_goes_back_without_counting_as_one(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    late = messages.AttemptsLate(fetcher="f", attempts=(factories.ref(check),))
    done = await db.flush(late)
    again = done.claimed or await db.claim()
    assert [(c.check_id, c.attempt) for c in again] == [(check.check_id, 2)]
    assert (await db.check(check.check_id))["attempts"] == 0


async def test_started_shows_the_check_running(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    done = await db.flush(messages.AttemptsStarted(fetcher="f", attempts=(factories.ref(check),)))
    assert done.changed[check.check_id].status == "running"
    assert (await db.check(check.check_id))["started_at"] is not None
    # Sooner than its start is told, a result may be there already.
    await db.flush(factories.counted(check), messages.AttemptsStarted(fetcher="f", attempts=(factories.ref(check),)))
    assert (await db.check(check.check_id))["status"] == "done"


async def test_rule_18_a_lease_that_ended_is_swept_and_the_check_claimed_anew(db: Database) -> None:
    await db.flush(factories.submit())
    assert await db.sweep() == 0
    await db.end_leases()
    assert await db.sweep(ended_s=10) == 0
    assert await db.sweep() == 1
    (again,) = await db.claim()
    assert (again.attempt, again.lost) == (2, 1)
    history = await db.recorder.fetch("SELECT attempt, error_code FROM attempts")
    assert [tuple(row) for row in history] == [(1, "lost")]


async def test_rule_5_a_slot_is_free_when_its_lease_has_ended_even_before_the_sweep(db: Database) -> None:
    single = config(host_concurrency=1, host_rate_per_s=0)
    await db.flush(factories.submit(), factories.submit(), config=single)
    assert await db.claim(single) == []
    await db.end_leases()
    await db.recorder.execute("UPDATE hosts SET wake_interactive = clock_timestamp()")
    assert len(await db.claim(single)) == 1


async def test_rule_17_after_a_sweep_a_late_count_still_counts_and_a_late_failure_does_not(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    await db.end_leases()
    await db.sweep()
    assert (await db.flush(factories.failed(check, retry=False))).changed == {}
    done = await db.flush(factories.counted(check))
    assert done.changed[check.check_id].status == "done"
    assert await db.count("queue") == 0
    assert await db.claim() == []


async def test_text_that_postgres_can_not_hold_is_kept_without_what_it_can_not(db: Database) -> None:
    (check,) = (await db.flush(factories.submit())).claimed
    facts = messages.PageFacts(title="a\0b\\u0000", http_status=200)
    counted = messages.Counted(counts={"python": 1}, total=1, rule_version=1)
    await db.flush(factories.counted(check, facts=facts, counted=counted))
    assert await db.recorder.fetchval("SELECT title FROM results") == "a\ufffdb\\u0000"


async def test_roles_can_do_their_work_and_no_more(db: Database) -> None:
    gateway = await connect.connect(db.url, role="wordwatch_gateway")
    scheduler = await connect.connect(db.url, role="wordwatch_scheduler")
    try:
        assert await gateway.fetchval("SELECT count(*) FROM checks") == 0
        for connection, statement in (
            (gateway, "DELETE FROM checks"),
            (gateway, "SELECT * FROM claim_checks(NULL, 1, 1, 1, 60, '{}')"),
            (scheduler, "SELECT * FROM checks"),
            (scheduler, "DELETE FROM leases"),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await gateway.close()
        await scheduler.close()


async def test_two_recorders_with_the_same_messages_agree(db: Database) -> None:
    unpaced = config(host_rate_per_s=0)
    other = await connect.connect(db.url, role="wordwatch_recorder")

    async def flush_twice(items: Sequence[Item | messages.SubmitCheck]) -> list[messages.ClaimedCheck]:
        both = await asyncio.gather(
            db.flush(*items, config=unpaced), Database(db.url, other).flush(*reversed(items), config=unpaced)
        )
        assert not set(both[0].changed) & set(both[1].changed)
        return both[0].claimed + both[1].claimed

    try:
        claimed = await flush_twice([factories.submit(host=f"h{n % 7}") for n in range(60)])
        assert await db.count("checks") == 60
        while claimed:
            claimed = await flush_twice([factories.counted(check) for check in claimed])
    finally:
        await other.close()
    assert await db.recorder.fetchval("SELECT count(*) FROM checks WHERE status <> 'done'") == 0
    assert await db.count("leases") == await db.count("queue") == 0
