"""The pure state machine and PostgreSQL, fed the same messages: shuffled, repeated, delayed and interleaved."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recorder.audit import broken_rules
from services.recorder.ledger import Ledger, Reports
from services.recorder.lifecycle import NEW, CheckState, RetryPolicy, claimed, submitted, swept
from shared import messages
from shared.ids import new_id
from shared.messages import (
    AttemptsLate,
    AttemptsStarted,
    CancelCheck,
    ClaimedCheck,
    DeleteCheck,
    Idempotency,
    RetryCheck,
)
from tests import factories
from tests.integration.recorder.database import Database, config
from tests.integration.recorder.uploads import checks_of, upload

CONFIG = config(host_concurrency=2, host_rate_per_s=0, max_attempts=3)
POLICY = RetryPolicy(max_attempts=3, base_s=2)
HOSTS = ("a.example", "b.example")
KEYS = (
    Idempotency(key="k", digest="1"),
    Idempotency(key="k", digest="1"),
    Idempotency(key="k", digest="2"),
    None,
    None,
)
COMMANDS: dict[str, type[messages.CheckCommand]] = {"cancel": CancelCheck, "retry": RetryCheck, "delete": DeleteCheck}
CODES = {"may pass": ("connect_failed", True), "final": ("too_large", False), "death": ("poison", False)}

TABLES = (
    *("checks", "queue", "leases", "results", "attempts", "cancelled", "keys", "outcomes", "hosts"),
    *("batches", "batch_errors", "batch_words", "lines", "jobs"),
)

Message = tuple[str, int]
"""What it is, and a number that chooses which check or attempt it is about, of those that there are."""
Step = tuple[str, Any]

A_MESSAGE = st.tuples(
    st.sampled_from(["submit", "delayed", "counted", "started", "late", *CODES, *COMMANDS, "again"]), st.integers(0, 11)
)
A_STEP = st.one_of(
    st.tuples(st.just("flush"), st.lists(A_MESSAGE, min_size=1, max_size=6)),
    st.tuples(st.just("claim"), st.none()),
    st.tuples(st.just("sweep"), st.integers(0, 3)),
)
# What every story begins with, so that there is something to tell.
OPENING: list[Step] = [("flush", [("submit", n) for n in range(len(KEYS))])]


@dataclass
class World:
    """What PostgreSQL should hold, by the pure modules alone, and the messages that were sent so far."""

    checks: dict[UUID, CheckState] = field(default_factory=dict)
    queue: set[UUID] = field(default_factory=set)
    leases: set[tuple[UUID, int]] = field(default_factory=set)
    keys: dict[str, messages.SubmitCheck] = field(default_factory=dict)
    outcomes: dict[UUID, str] = field(default_factory=dict)
    deleted: set[UUID] = field(default_factory=set)
    results: dict[UUID, int] = field(default_factory=dict)
    history: dict[tuple[UUID, int], str | None] = field(default_factory=dict)
    sent: list[messages.LoneCommand] = field(default_factory=list)
    claims: list[ClaimedCheck] = field(default_factory=list)
    of_batch: list[UUID] = field(default_factory=list)

    def upload(self, ids: list[UUID]) -> None:
        """Takes over the checks of a batch, which is filed."""
        self.of_batch = ids
        self.checks |= dict.fromkeys(ids, NEW)
        self.queue |= set(ids)

    def flush(self, items: Sequence[Any], now: datetime) -> None:
        """What a recorder's flush should leave: who takes keys comes after those who give some back."""
        submits = [item for item in items if isinstance(item, messages.SubmitCheck)]
        if any(each.idempotency for each in submits) and any(isinstance(item, DeleteCheck) for item in items):
            self._transaction([item for item in items if not isinstance(item, messages.SubmitCheck)], now)
            self._transaction(submits, now)
        else:
            self._transaction(items, now)

    def _transaction(self, items: Sequence[Any], now: datetime) -> None:
        commands = {item.id: item for item in items if isinstance(item, messages.LoneCommand)}
        standing = self._settle([each for each in commands.values() if isinstance(each, messages.SubmitCheck)])
        reports = Reports.of(item for item in items if not isinstance(item, messages.LoneCommand))
        ended = {(each.check_id, each.attempt) for each in reports.ending} & self.leases
        self.leases -= ended
        ledger = Ledger(dict(self.checks))
        ledger.report(reports, ended, now, POLICY, lambda: 1.0)
        orders = [each for each in commands.values() if not isinstance(each, messages.SubmitCheck)]
        known = {
            each.id: messages.CommandOutcome(id=each.id, outcome=self.outcomes[each.id])
            for each in orders
            if each.id in self.outcomes
        }
        ledger.command(orders, known, now)
        self._keep(ledger)
        for command in standing:
            if command.check_id in self.deleted and command.check_id not in ledger.deleted:
                self.outcomes.setdefault(command.id, "deleted")
            elif command.check_id not in ledger.deleted and (
                new := submitted(self.checks.get(command.check_id), command.run_at)
            ):
                self.checks[command.check_id] = new
                self.queue.add(command.check_id)
        self.deleted |= ledger.deleted
        gone = self.deleted
        self.keys = {key: holder for key, holder in self.keys.items() if holder.check_id not in gone}

    def _settle(self, submits: list[messages.SubmitCheck]) -> list[messages.SubmitCheck]:
        standing = []
        for command in submits:
            if command.idempotency is None:
                standing.append(command)
            elif command.id in self.outcomes:
                pass  # what was decided stands
            elif command.check_id in self.deleted:
                self.outcomes[command.id] = "deleted"
            else:
                holder = self.keys.setdefault(command.idempotency.key, command)
                if holder.check_id == command.check_id:
                    standing.append(command)
                else:
                    same = holder.idempotency == command.idempotency
                    self.outcomes[command.id] = "repeated" if same else "idempotency_key_reused"
        return standing

    def _keep(self, ledger: Ledger) -> None:
        self.checks = dict(ledger.states)
        for check_id, change in ledger.changes.items():
            if change.due_at is not None:
                self.queue.add(check_id)
            elif change.state.status != "running":
                self.queue.discard(check_id)
            if change.result is not None:
                self.results[check_id] = change.result.attempt
        for report in ledger.history:
            self.history.setdefault((report.check_id, report.attempt), report.error.code if report.error else None)
        for check_id in ledger.deleted:
            self.queue.discard(check_id)
            self.results.pop(check_id, None)
            self.history = {name: code for name, code in self.history.items() if name[0] != check_id}
        for outcome in ledger.outcomes:
            self.outcomes.setdefault(outcome.id, outcome.outcome)

    def claim(self, checks: Sequence[ClaimedCheck]) -> None:
        """Takes over what was claimed; it must have been possible."""
        for check in checks:
            state = claimed(self.checks[check.check_id], check.attempt)
            assert state is not None, (self.checks[check.check_id], check)
            assert (check.run, check.lost, check.deaths) == (state.run, state.lost, state.deaths)
            self.checks[check.check_id] = state
            self.queue.remove(check.check_id)
            self.leases.add((check.check_id, check.attempt))
            self.claims.append(check)

    def sweep(self, now: datetime) -> int:
        """Ends all leases; returns how many checks are due again."""
        lost = 0
        for check_id, attempt in self.leases:
            state = self.checks.get(check_id)
            change = None if state is None else swept(state, attempt, now)
            if change is not None:
                self.checks[check_id] = change.state
                self.queue.add(check_id)
                self.history.setdefault((check_id, attempt), "lost")
                lost += 1
        self.leases.clear()
        return lost

    def message(self, message: Message) -> Any | None:
        """A message of a kind: about something that there was, whatever has become of it since."""
        kind, number = message
        if kind == "again":
            return self.sent[number % len(self.sent)] if self.sent else None
        if kind in {"submit", "delayed"}:
            n, run_at = number % len(KEYS), factories.now() + timedelta(hours=1) if kind == "delayed" else None
            command: messages.LoneCommand = factories.submit(
                host=HOSTS[n % len(HOSTS)], idempotency=KEYS[n], run_at=run_at
            )
        elif kind in COMMANDS:
            known = self.of_batch + [each.check_id for each in self.sent if isinstance(each, messages.SubmitCheck)]
            about, expires_at = known[number % len(known)], factories.now() + timedelta(seconds=60)
            command = COMMANDS[kind](id=new_id(), expires_at=expires_at, check_id=about)
        else:
            return self._report(kind, number)
        self.sent.append(command)
        return command

    def _report(self, kind: str, number: int) -> messages.Report | None:
        if not self.claims:
            return None
        check = self.claims[-1 - number % len(self.claims)]
        if kind == "counted":
            return factories.counted(check)
        if kind == "started":
            return AttemptsStarted(fetcher="f", attempts=(factories.ref(check),))
        if kind == "late":
            return AttemptsLate(fetcher="f", attempts=(factories.ref(check),))
        code, retry = CODES[kind]
        return factories.failed(check, code, retry=retry)


def _untimed(state: CheckState) -> tuple[Any, ...]:
    """All of a state; of its times, whether they are there."""
    times = (state.next_attempt_at, state.started_at, state.finished_at)
    plain = replace(state, next_attempt_at=None, started_at=None, finished_at=None)
    return plain, [time is not None for time in times]


async def _agree(db: Database, world: World) -> None:
    """Holds PostgreSQL against the model, table by table."""
    fetch = db.recorder.fetch
    rows = {row["id"]: CheckState(**{n: row[n] for n in CheckState.__slots__}) for row in await fetch("TABLE checks")}
    assert {id_: _untimed(state) for id_, state in rows.items()} == {
        id_: _untimed(state) for id_, state in world.checks.items()
    }
    queue = {row["check_id"]: row["attempt"] for row in await fetch("TABLE queue")}
    assert queue == {id_: world.checks[id_].last_attempt + 1 for id_ in world.queue}
    assert {(row["check_id"], row["attempt"]) for row in await fetch("TABLE leases")} == world.leases
    assert {row["check_id"]: row["attempt"] for row in await fetch("TABLE results")} == world.results
    history = {(row["check_id"], row["attempt"]): row["error_code"] for row in await fetch("TABLE attempts")}
    assert history == world.history
    cancelled = {row["check_id"] for row in await fetch("TABLE cancelled")}
    assert cancelled == {id_ for id_, state in world.checks.items() if state.status == "cancelled"}
    assert {row["key"]: row["made_id"] for row in await fetch("TABLE keys")} == {
        key: command.check_id for key, command in world.keys.items()
    }
    assert {
        row["command_id"]: row["outcome"] for row in await fetch("SELECT * FROM outcomes WHERE batch_id IS NULL")
    } == world.outcomes


async def _empty(db: Database) -> None:
    for table in TABLES:
        await db.recorder.execute(f"DELETE FROM {table}")  # noqa: S608 - names from above
    await db.recorder.execute("UPDATE fetchers SET seen_at = clock_timestamp() + interval '1 day'")


async def _take(db: Database, world: World, step: Step) -> None:
    what, detail = step
    if what == "flush":
        items = [item for item in map(world.message, detail) if item is not None]
        done = await db.flush(*items, config=CONFIG)
        world.flush(items, factories.now())
        world.claim(done.claimed)
    elif what == "claim":
        await db.let_pauses_pass()
        world.claim(await db.claim(CONFIG))
    else:
        await db.end_leases()
        assert await db.sweep() == world.sweep(factories.now())


async def _tell(db: Database, story: list[Step]) -> None:
    await _empty(db)
    world = World()
    batch = await upload(db.recorder, dict.fromkeys(HOSTS, 2), CONFIG)
    world.upload(checks_of(batch, range(1, 5)))
    for step in OPENING + story:
        await _take(db, world, step)
        await _agree(db, world)
    assert await broken_rules(db.recorder) == [], "the batch's row says the same as its checks"


@pytest.mark.timeout(300)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(A_STEP, max_size=16))
async def test_the_pure_state_machine_and_postgresql_agree(db: Database, story: list[Step]) -> None:
    await _tell(db, story)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(A_STEP, max_size=40))
async def test_they_agree_over_long_stories(db: Database, story: list[Step]) -> None:
    await _tell(db, story)
