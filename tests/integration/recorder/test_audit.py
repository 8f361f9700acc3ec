"""The audit finds whatever is wrong, and nothing where all is well: each rule is broken once, by hand."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.recorder.audit import broken_rules, look
from services.recorder.audit_rules import RULES
from shared.ids import check_of
from shared.messages import AttemptsStarted, CancelCheck, CloseBatch, DeleteCheck, Idempotency, Record
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.recorder.test_batch_counts import order
from tests.integration.recorder.uploads import pause, receive, records, send, upload, work_off

UNPACED = config(host_rate_per_s=0, host_concurrency=20)
ROOT = Path(__file__).parents[3]

# Each rule, and what breaks it.
BREAKS = {
    "an open check is either queued or has a lease on its newest attempt": "DELETE FROM leases",
    "what is queued is an open check": "UPDATE queue SET host = 'elsewhere'",
    "a check that ended has a result, of this run": "DELETE FROM results WHERE error_code IS NULL",
    "times are those of the state": "UPDATE checks SET finished_at = NULL WHERE status = 'cancelled'",
    "attempts and losses are what the history says": "UPDATE checks SET lost = 1 WHERE status = 'failed'",
    "the list of cancelled checks is that": "DELETE FROM cancelled",
    "nothing is left of a check that is gone": "DELETE FROM checks WHERE status = 'done'",
    "what an Idempotency-Key has made is there": "UPDATE keys SET made_id = gen_random_uuid()",
    "what was deleted is gone": "INSERT INTO outcomes (command_id, outcome, check_id, created_at) "
    "SELECT gen_random_uuid(), 'deleted', id, now() FROM checks LIMIT 1",
    "a host that has something to do is looked at": "UPDATE hosts SET wake_interactive = NULL",
    "as many checks are in each state as the sums say": "UPDATE tallies SET checks = checks + 1 WHERE status = 'done'",
    "what a check asks for is there": "UPDATE checks SET question = gen_random_uuid() WHERE NOT bulk",
    "counters of a batch are what its lines and checks say": "UPDATE batches SET done = done - 1, failed = failed + 1 "
    "WHERE status = 'running'",
    "the states of a batch's lines add up to all of them": "UPDATE batches SET done = done + 1 "
    "WHERE status = 'running'",
    "what was received of an upload is what its chunks say": "UPDATE chunks SET records = records + 1",
    "errors of a batch are those of its failed checks": "UPDATE batch_errors SET code = 'dns_failed'",
    "words of a batch are counted as often as on its pages": "UPDATE batch_words SET total = total + 1",
    "a batch is finished exactly when nothing of it is open": "UPDATE batches SET status = 'finished' "
    "WHERE status = 'running'",
    "each line that is filed has its check, and each check its line": "UPDATE lines SET url = 'http://other.example/' "
    "WHERE fate IS NULL",
    "checks are bulk work exactly when they are of a batch": "UPDATE checks SET bulk = true WHERE NOT bulk",
    "a duplicate points to an earlier line that asks for the same and is none": "UPDATE lines SET first = seq "
    "WHERE fate = 'duplicate'",
    "no two lines of a batch ask for the same unless one says so": "UPDATE lines SET fate = NULL, first = NULL "
    "WHERE fate = 'duplicate'",
    "what is not filed is on its way": "UPDATE batches SET filed = 1 WHERE status = 'running'",
    "what is to be asked for is there": "UPDATE batches SET question = gen_random_uuid() WHERE status = 'receiving'",
    "what is parked is of a paused batch, and all of that is": "UPDATE queue SET parked = NOT parked WHERE bulk",
    "of a cancelled batch nothing goes on but what was asked for again": "UPDATE batches SET status = 'cancelled' "
    "WHERE status = 'running'",
    "chunks are of uploads that go on": "UPDATE batches SET status = 'cancelled' WHERE status = 'receiving'",
    "nothing is left of a batch that is gone, and what is being deleted goes": "DELETE FROM batches "
    "WHERE status = 'receiving'",
}


async def _lone_checks(db: Database) -> None:
    """One in each state."""
    submits = [factories.submit(idempotency=Idempotency(key=str(n), digest="d")) for n in range(4)]
    done, failed, _, _ = (await db.flush(*submits, config=UNPACED)).claimed
    reports = factories.counted(done), factories.failed(failed, "blocked", retry=False)
    cancel = order(CancelCheck, submits[2].check_id)
    await db.flush(*reports, cancel, factories.submit(host="waits"), config=UNPACED)
    await db.flush(factories.submit(run_at=factories.now() + timedelta(hours=1)), config=UNPACED)


async def _running(db: Database) -> UUID:
    """A batch with a line in each state."""
    lines = records({"example.org": 6})
    lines += [Record(line=7, text=lines[0].text, url=lines[0].url, host=lines[0].host)]
    lines += [Record(line=8, text="mailto:x", reason="That is no web page.")]
    batch = await receive(db.recorder, lines)
    await send(db.recorder, CloseBatch, batch_id=batch, chunks=1, total=8)
    await work_off(db.recorder, UNPACED)
    checks = {check.check_id: check for check in await db.claim(UNPACED)}
    done, failed, running, cancelled, deleted = (checks[check_of(batch, seq)] for seq in range(1, 6))
    started = AttemptsStarted(fetcher="f", attempts=(factories.ref(running),))
    ended = factories.counted(done), factories.failed(failed, "blocked", retry=False), started
    await db.flush(*ended, order(CancelCheck, cancelled), order(DeleteCheck, deleted), config=UNPACED)
    return batch


@pytest.fixture
async def world(db: Database) -> Database:
    """All that may be there, and nothing wrong."""
    await _lone_checks(db)
    await _running(db)
    await db.flush(factories.here(capacity=0))
    await pause(db.recorder, await upload(db.recorder, {"paused.example": 2}))
    await receive(db.recorder, records({"receiving.example": 2}))
    return db


async def test_each_rule_finds_what_breaks_it(world: Database) -> None:
    assert BREAKS.keys() == RULES.keys()
    admin: asyncpg.Connection = world.recorder
    assert await broken_rules(admin) == []
    for rule, wrong in BREAKS.items():
        transaction = admin.transaction()
        await transaction.start()
        assert not (await admin.execute(wrong)).endswith(" 0"), rule
        found = {finding.rule: finding async for finding in look(admin)}
        await transaction.rollback()
        assert found[rule].number > 0, rule
        assert found[rule].ids, rule
    assert await broken_rules(admin) == []


async def _command(url: str) -> tuple[int, str]:
    """Runs it as an operator does; returns its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.recorder", "audit"),
        cwd=ROOT,
        env={"PATH": os.defpath, "WORDWATCH_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_the_command_prints_a_line_a_rule_and_says_by_its_exit_code_whether_all_hold(world: Database) -> None:
    code, said = await _command(world.url)
    assert (code, said.splitlines()[-1]) == (0, f"all {len(RULES)} rules hold")
    assert [line.split("  ")[-1] for line in said.splitlines()[:-1]] == list(RULES)
    gone = await world.recorder.fetchval("DELETE FROM cancelled RETURNING check_id")
    code, said = await _command(world.url)
    assert (code, said.splitlines()[-1]) == (1, f"1 of {len(RULES)} rules do not hold")
    (line,) = [line for line in said.splitlines() if line.startswith("BROKEN")]
    assert "the list of cancelled checks is that: 2, " in line
    assert str(gone) in line
