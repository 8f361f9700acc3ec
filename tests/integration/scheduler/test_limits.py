"""The limits of a host, as the claim keeps them: each test is named after its rule of the protocol."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from services.recorder.audit import broken_rules
from services.recorder.items import Asked
from shared import messages
from shared.ids import batch_of, new_id
from shared.messages import ClaimedCheck
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.recorder.uploads import pause, send, work_off
from tests.integration.scheduler.waiting import claim_on, enqueue

UNPACED = config(host_rate_per_s=0)
SINGLE = config(host_rate_per_s=0, host_concurrency=1)
NOBODY_WAITS_S = 5.0


def late(check: ClaimedCheck) -> messages.AttemptsLate:
    return messages.AttemptsLate(fetcher="f", attempts=(factories.ref(check),))


def order(kind: type[messages.CheckCommand], check: ClaimedCheck) -> messages.CheckCommand:
    return kind(id=new_id(), expires_at=factories.now() + timedelta(seconds=60), check_id=check.check_id)


ENDINGS: dict[str, Callable[[ClaimedCheck], messages.Report]] = {
    "count": factories.counted,
    "failure": lambda check: factories.failed(check, retry=False),
    "late": late,
}


@pytest.mark.parametrize("ending", [*ENDINGS, "not_after"])
async def test_rule_5_a_lease_ends_by_its_attempt_alone_whatever_becomes_of_the_check(
    db: Database, ending: str
) -> None:
    (first,) = (await db.flush(factories.submit(), config=SINGLE)).claimed
    second = factories.submit()
    await db.flush(second, config=SINGLE)
    for command in (messages.CancelCheck, messages.RetryCheck, messages.CancelCheck, messages.DeleteCheck):
        done = await db.flush(order(command, first), config=SINGLE)
        assert [outcome.outcome for outcome in done.outcomes] in (["applied"], ["deleted"])
        assert done.claimed == []
        assert await db.claim(SINGLE) == []
        assert await db.count("leases") == 1
    assert await db.count("checks") == 1

    if ending == "not_after":
        await db.end_leases()
        await db.recorder.execute("UPDATE hosts SET wake_interactive = clock_timestamp()")
        claimed = await db.claim(SINGLE)
    else:
        claimed = (await db.flush(ENDINGS[ending](first), config=SINGLE)).claimed
    assert [check.check_id for check in claimed] == [second.check_id]


async def test_rule_5_attempt_numbers_of_a_check_never_repeat(db: Database) -> None:
    quick = config(host_rate_per_s=0, retry_base_s=0)
    command = factories.submit()
    claimed = (await db.flush(command, config=quick)).claimed
    numbers = []
    for ending in ("failure", "late", "sweep", "retry", "sweep", "retry", "late", "failure"):
        claimed = claimed or await db.claim(quick)
        (check,) = claimed
        numbers.append(check.attempt)
        if ending == "sweep":
            await db.end_leases()
            assert await db.sweep() == 1
            claimed = []
        elif ending == "retry":
            await db.flush(order(messages.CancelCheck, check), config=quick)
            retry = order(messages.RetryCheck, check)
            claimed = (await db.flush(retry, config=quick)).claimed
        else:
            report = late(check) if ending == "late" else factories.failed(check)
            claimed = (await db.flush(report, config=quick)).claimed
        if not claimed:
            await db.let_pauses_pass()
    assert numbers == list(range(1, 9))


@pytest.mark.parametrize("trusted", ["", "h0,h1,h2"])
async def test_rule_7_two_claimers_at_once_take_different_checks_and_nobody_waits(db: Database, trusted: str) -> None:
    limited = config(host_rate_per_s=0, host_concurrency=3)
    await enqueue(db, {f"h{n}": (6, 0) for n in range(30)}, limited)
    claiming = config(host_rate_per_s=0, host_concurrency=3, trusted_hosts=trusted)
    await db.flush(factories.here(capacity=5))
    async with db.scheduler() as one, db.scheduler() as other, asyncio.timeout(NOBODY_WAITS_S), one.transaction():
        first = await claim_on(one, claiming)
        async with other.transaction():
            second = await claim_on(other, claiming)
    taken = [{check.check_id for check in claimed} for claimed in (first, second)]
    assert len(taken[0]) == len(taken[1]) == 10
    assert not taken[0] & taken[1]
    for n in range(30):
        of_host = sum(check.host == f"h{n}" for check in first + second)
        assert of_host <= (6 if f"h{n}" in trusted else 3)


async def test_rule_7_trusted_hosts_are_claimed_and_swept_while_somebody_holds_their_rows(db: Database) -> None:
    await enqueue(db, {"h0": (3, 0)}, UNPACED)
    trusting = config(host_rate_per_s=0, trusted_hosts="h0")
    await db.flush(factories.here())
    async with db.scheduler() as claimer, db.recorder.transaction(), asyncio.timeout(NOBODY_WAITS_S):
        await db.recorder.execute("SELECT FROM hosts WHERE host = 'h0' FOR UPDATE")
        assert len(await claim_on(claimer, trusting)) == 3
    await db.end_leases()
    async with db.scheduler() as sweeper, db.recorder.transaction(), asyncio.timeout(NOBODY_WAITS_S):
        await db.recorder.execute("SELECT FROM hosts WHERE host = 'h0' FOR UPDATE")
        assert await sweeper.fetchval("SELECT sweep_leases(0, 500, 2, 0, '{h0}')") == 3


async def test_rule_7_work_of_a_host_that_somebody_holds_is_left_for_later(db: Database) -> None:
    await enqueue(db, {"h0": (1, 0), "h1": (1, 0)}, UNPACED)
    await db.flush(factories.here())
    async with db.scheduler() as claimer, asyncio.timeout(NOBODY_WAITS_S):
        async with db.recorder.transaction():
            await db.recorder.execute("SELECT FROM hosts WHERE host = 'h0' FOR UPDATE")
            assert [check.host for check in await claim_on(claimer, UNPACED)] == ["h1"]
        assert [check.host for check in await claim_on(claimer, UNPACED)] == ["h0"]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_rule_8_the_commit_that_frees_a_slot_claims_the_next_check_of_either_lane(
    db: Database, ending: str
) -> None:
    made = await enqueue(db, {"h0": (1, 0)}, SINGLE)
    await db.flush(factories.here())
    (check,) = await db.claim(SINGLE)
    assert [check.check_id] == made["h0"][0]
    made = await enqueue(db, {"h0": (0, 1)}, SINGLE)
    await db.flush(factories.here())
    assert await db.claim(SINGLE) == []
    (following,) = (await db.flush(ENDINGS[ending](check), config=SINGLE)).claimed
    assert (following.lane, [following.check_id]) == ("bulk", made["h0"][1])


async def test_rule_9_starts_are_planned_at_the_hosts_pace_whoever_claims_and_however_slots_come_free(
    db: Database,
) -> None:
    paced = config(host_concurrency=3, host_rate_per_s=20)
    await enqueue(db, {"h0": (60, 0)}, paced)
    await db.flush(factories.here())
    starts: list[datetime] = []
    leads: list[timedelta] = []
    claimed: list[ClaimedCheck] = []
    while len(starts) < 60:
        claimed += await db.claim(paced)
        assert await db.count("leases") <= 3
        starts += [check.not_before for check in claimed]
        leads += [check.not_before - check.claimed_at for check in claimed]
        claimed = (await db.flush(*[factories.counted(check) for check in claimed], config=paced)).claimed
        await asyncio.sleep(0.005)
    gaps = [later - sooner for sooner, later in itertools.pairwise(sorted(starts))]
    assert min(gaps) >= timedelta(seconds=0.05) - timedelta(microseconds=2)
    assert max(leads) <= timedelta(seconds=1)


@pytest.mark.parametrize("held", [False, True], ids=["", "though_somebody_holds_it"])
async def test_rule_10_bulk_never_takes_the_last_slot_while_an_interactive_check_is_due(
    db: Database, *, held: bool
) -> None:
    made = await enqueue(db, {"h0": (1, 3)}, UNPACED)
    await db.recorder.execute(
        "INSERT INTO leases VALUES (gen_random_uuid(), 1, 'h0', false, now(), now(), now() + interval '1 h')"
    )
    await db.recorder.execute("UPDATE hosts SET last_bulk = false")  # it would be bulk's turn, had they turns
    await db.flush(factories.here())
    async with db.scheduler() as claimer, db.recorder.transaction():
        if held:
            await db.recorder.execute("SELECT FROM checks WHERE id = $1 FOR UPDATE", made["h0"][0][0])
        claimed = await claim_on(claimer, UNPACED)
    assert [check.check_id for check in claimed] == ([] if held else made["h0"][0])


async def test_rule_10_bulk_has_the_slots_that_no_interactive_check_needs(db: Database) -> None:
    three = config(host_rate_per_s=0, host_concurrency=3)
    made = await enqueue(db, {"h0": (1, 5)}, three)
    await db.flush(factories.here())
    claimed = await db.claim(three)
    assert sorted(check.lane for check in claimed) == ["bulk", "bulk", "interactive"]
    assert {check.check_id for check in claimed} == {made["h0"][0][0], *made["h0"][1][:2]}


async def test_rule_10_with_one_slot_the_lanes_alternate(db: Database) -> None:
    await enqueue(db, {"h0": (4, 4)}, SINGLE)
    await db.flush(factories.here())
    (check,) = await db.claim(SINGLE)
    lanes = [check.lane]
    for _ in range(7):
        (check,) = (await db.flush(factories.counted(check), config=SINGLE)).claimed
        lanes.append(check.lane)
    assert lanes == ["interactive", "bulk"] * 4


async def test_rule_11_without_a_fetcher_seen_in_the_last_10_s_nobody_claims(db: Database) -> None:
    await enqueue(db, {"h0": (1, 1)}, UNPACED)
    await db.flush(factories.here(capacity=100))
    await db.recorder.execute("UPDATE fetchers SET seen_at = clock_timestamp() - interval '10.1 s'")
    assert await db.claim(UNPACED) == []
    assert (await db.flush(factories.submit(host="free"), config=UNPACED)).claimed == []


async def test_rule_11_what_is_out_is_twice_the_capacity_or_what_was_finished_in_a_second(db: Database) -> None:
    await enqueue(db, {f"h{n}": (1, 1) for n in range(50)}, UNPACED)
    await db.flush(factories.here(capacity=3), factories.here(fetcher="fetcher-2", capacity=2))
    first = await db.claim(UNPACED)
    assert len(first) == 10
    assert {check.lane for check in first} == {"interactive"}
    assert await db.claim(UNPACED) == []
    await db.flush(factories.here(capacity=3, finished_last_s=30), factories.here(fetcher="fetcher-2", capacity=2))
    assert len(await db.claim(UNPACED)) == 20
    # One that is finished makes room for one, if not of its own host then of another.
    following = (await db.flush(factories.counted(first[0]), config=UNPACED)).claimed + await db.claim(UNPACED)
    assert len(following) == 1
    assert await db.count("leases") == 30


async def test_rule_11_leases_that_have_ended_take_no_room(db: Database) -> None:
    await enqueue(db, {f"h{n}": (1, 0) for n in range(50)}, UNPACED)
    await db.flush(factories.here(capacity=5))
    assert len(await db.claim(UNPACED)) == 10
    await db.end_leases()
    assert len(await db.claim(UNPACED)) == 10


async def test_rule_11_a_host_with_much_work_takes_no_more_of_the_room_than_its_slots(db: Database) -> None:
    await enqueue(db, {"slow": (200, 200)} | {f"h{n}": (1, 0) for n in range(30)}, UNPACED)
    await db.flush(factories.here(capacity=10))
    hosts = [check.host for check in await db.claim(UNPACED)]
    assert len(hosts) == 20
    assert 1 <= hosts.count("slow") <= 2


async def test_rule_11_a_quarter_of_the_room_is_kept_for_those_that_a_person_waits_for(db: Database) -> None:
    await enqueue(db, {f"h{n}": (0, 2) for n in range(30)}, UNPACED)
    await db.flush(factories.here(capacity=20))
    first = await db.claim(UNPACED)
    assert (len(first), {check.lane for check in first}) == (30, {"bulk"}), "three quarters of 40"
    assert await db.claim(UNPACED) == []
    singles = [factories.submit(host=f"i{n}") for n in range(12)]
    assert len((await db.flush(*singles, config=UNPACED)).claimed) == 10
    # What bulk work gives back is room for anybody: here for the two singles that are left.
    ended = await db.flush(*map(factories.counted, first[:2]), config=UNPACED)
    claimed = ended.claimed + await db.claim(UNPACED)
    assert len(claimed) == 2
    await db.flush(*map(factories.counted, first[2:]), config=UNPACED)
    assert await db.count("leases") <= 40
    assert 0 < await db.count("leases WHERE bulk") <= 30


async def test_rule_11_bulk_work_gets_none_of_the_room_that_interactive_work_has_left_it_none_of(db: Database) -> None:
    await enqueue(db, {f"h{n}": (1, 1) for n in range(20)}, UNPACED)
    await db.flush(factories.here(capacity=8))
    claimed = await db.claim(UNPACED)
    assert [check.lane for check in claimed] == ["interactive"] * 16
    assert await db.claim(UNPACED) == []


async def test_what_is_parked_is_not_claimed_by_anybody(db: Database) -> None:
    made = await enqueue(db, {"h0": (1, 3), "h1": (0, 2)}, UNPACED)
    batch = batch_of(made["h0"][1][0])
    await pause(db.recorder, batch)
    await db.flush(factories.here())
    (check,) = await db.claim(UNPACED)
    assert [check.check_id] == made["h0"][0]
    assert (await db.flush(factories.counted(check), config=UNPACED)).claimed == []
    await db.wake()
    assert await db.claim(UNPACED) == []
    trusting = config(host_rate_per_s=0, trusted_hosts="h0,h1")
    assert await db.claim(trusting) == []
    assert await send(db.recorder, messages.ResumeBatch, batch_id=batch) == "applied"
    await work_off(db.recorder, UNPACED)
    assert {check.check_id for check in await db.claim(UNPACED)} == {*made["h0"][1][:2], *made["h1"][1]}


async def test_rule_7_hosts_of_a_batch_are_claimed_in_turn(db: Database) -> None:
    wide = config(host_rate_per_s=0, host_concurrency=50)
    made = await enqueue(db, {f"h{n}": (0, 40) for n in range(10)}, wide)
    await db.flush(factories.here(capacity=20))
    claimed = await db.claim(wide)
    assert Counter(check.host for check in claimed) == {f"h{n}": 3 for n in range(10)}, "30, by three of each"
    assert {check.check_id for check in claimed} == {id_ for _, bulk in made.values() for id_ in bulk[:3]}
    # One host that is given back is claimed for, and the others after that in turn.
    await db.flush(factories.here(capacity=0), *map(factories.counted, claimed), config=wide)
    await db.flush(factories.here(capacity=14))
    assert set(Counter(check.host for check in await db.claim(wide)).values()) <= {2, 3}


async def test_run_at_is_when_a_check_is_first_claimed(db: Database) -> None:
    later, past = factories.now() + timedelta(hours=1), factories.now() - timedelta(hours=1)
    delayed, due = factories.submit(host="h0", run_at=later), factories.submit(host="h1", run_at=past)
    assert [check.check_id for check in (await db.flush(delayed, due)).claimed] == [due.check_id]
    row = await db.check(delayed.check_id)
    assert (row["status"], row["next_attempt_at"], row["attempts"]) == ("queued", later, 0)
    assert (await db.check(due.check_id))["next_attempt_at"] is None
    assert await db.recorder.fetchval("SELECT wake_interactive FROM hosts WHERE host = 'h0'") == later
    assert await db.claim() == []
    await db.wake()
    assert await db.claim() == []
    # A lone check of the same host that is due goes first.
    assert len((await db.flush(factories.submit(host="h0"))).claimed) == 1
    await db.let_pauses_pass()
    (check,) = await db.claim()
    assert (check.check_id, check.attempt, check.run) == (delayed.check_id, 1, 1)
    assert (await db.check(delayed.check_id))["next_attempt_at"] is None


async def test_a_delayed_check_can_be_cancelled_asked_for_at_once_and_deleted(db: Database) -> None:
    command = factories.submit(run_at=factories.now() + timedelta(hours=1))
    await db.flush(command)
    assert (await db.flush(Asked(command, redelivered=True))).claimed == []

    def ordered(kind: type[messages.CheckCommand]) -> messages.CheckCommand:
        return kind(id=new_id(), expires_at=factories.now() + timedelta(seconds=60), check_id=command.check_id)

    (refused,) = (await db.flush(ordered(messages.RetryCheck))).outcomes
    assert refused.outcome == "not_retryable"
    await db.flush(ordered(messages.CancelCheck))
    row = await db.check(command.check_id)
    assert (row["status"], row["next_attempt_at"], await db.count("queue")) == ("cancelled", None, 0)
    (check,) = (await db.flush(ordered(messages.RetryCheck))).claimed
    assert (check.attempt, check.run) == (1, 2)
    await db.flush(factories.counted(check))

    other = factories.submit(run_at=factories.now() + timedelta(hours=1))
    await db.flush(other)
    command = other
    await db.flush(ordered(messages.DeleteCheck))
    assert (await db.count("queue"), await db.count("checks")) == (0, 1)
    assert await broken_rules(db.recorder) == []


async def test_what_nobody_waits_for_begins_within_the_time_to_the_next_look(db: Database) -> None:
    paced = config(host_rate_per_s=1, host_concurrency=1)
    of_host = {f"{n}.bulk": (0, 2) for n in range(20)} | {f"{n}.person": (1, 1) for n in range(5)}
    await enqueue(db, of_host, paced)
    await db.recorder.execute("UPDATE hosts SET next_start_at = '-infinity', wake_bulk = '-infinity'")
    await db.flush(factories.here(capacity=100), config=paced)
    claimed = await db.claim(paced)
    waits = {check.host: check.not_before - check.claimed_at for check in claimed}
    assert len(waits) == len(of_host)
    bulk = [wait for host, wait in waits.items() if host.endswith("bulk")]
    assert len(set(bulk)) == len(bulk), "they do not begin together"
    assert timedelta() <= min(bulk) <= max(bulk) <= timedelta(seconds=0.1)
    assert {wait for host, wait in waits.items() if host.endswith("person")} == {timedelta()}
