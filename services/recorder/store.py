"""One flush: a set of commands and reports applied to PostgreSQL in one transaction of set-based statements."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from services.recorder import lifecycle, rows, sql
from services.recorder.lifecycle import Change, CheckState, RetryPolicy
from shared import claims
from shared.messages import (
    AttemptFinished,
    AttemptRef,
    AttemptsLate,
    AttemptsStarted,
    ChangedCheck,
    ClaimedCheck,
    CommandOutcome,
    FetcherHere,
    Report,
    SubmitCheck,
)
from shared.settings import Settings

Jitter = Callable[[], float]
"""Returns a factor between 0.5 and 1.5."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A submit command, and whether NSQ had delivered it before."""

    command: SubmitCheck
    redelivered: bool
    refused: bool = False
    """PostgreSQL can't take it: it gets the outcome `refused` and changes nothing."""


Item = Submission | Report


@dataclass(slots=True)
class Flushed:
    """What a flush has committed: checks to publish, and what to tell those who wait."""

    claimed: list[ClaimedCheck] = field(default_factory=list)
    changed: dict[UUID, ChangedCheck] = field(default_factory=dict)
    outcomes: list[CommandOutcome] = field(default_factory=list)


class Flush:
    """The transaction of one flush: made for it, run once."""

    def __init__(self, connection: asyncpg.Connection, items: Sequence[Item], config: Settings, jitter: Jitter) -> None:
        self._connection = connection
        self._config = config
        self._policy = RetryPolicy(max_attempts=config.max_attempts, base_s=config.retry_base_s)
        self._jitter = jitter
        self._submissions = [item for item in items if isinstance(item, Submission)]
        self._finished = fold(item for item in items if isinstance(item, AttemptFinished))
        self._started = refs_of(items, AttemptsStarted)
        self._late = refs_of(items, AttemptsLate)
        here = sorted((item for item in items if isinstance(item, FetcherHere)), key=lambda item: item.at)
        self._here = {item.fetcher: item for item in here}
        self._done = Flushed()
        self._changes: dict[UUID, Change] = {}
        self._failures: list[AttemptFinished] = []

    async def run(self) -> Flushed:
        """Applies everything and commits.

        Raises:
            asyncpg.PostgresError, OSError, …: nothing was committed.
        """
        async with self._connection.transaction():
            now: datetime = await self._connection.fetchval(sql.NOW)
            wanted = await self._settle_commands(now)
            held = await self._lock_hosts(wanted)
            await self._apply_reports(now)
            await self._submit(wanted)
            await self._write_changes()
            await self._store_fetchers()
            if held:
                claimed = await self._connection.fetch(claims.CLAIM, *claims.claim_arguments(self._config, held))
                self._done.claimed.extend(claims.from_row(row) for row in claimed)
            await self._claimed_before(wanted)
        return self._done

    async def _settle_commands(self, now: datetime) -> list[Submission]:
        """Sorts out expired commands and taken keys; returns the submissions that stand."""
        expired = [s.command for s in self._submissions if not s.refused and s.command.expires_at < now]
        if expired:  # of one that was applied before, the check is the outcome
            found = await self._connection.fetch(sql.KNOWN_CHECKS, [command.check_id for command in expired])
            applied = {row["id"] for row in found}
            for command in expired:
                if command.check_id not in applied:
                    self._outcome(command, "expired")
        for each in self._submissions:
            if each.refused:
                self._outcome(each.command, "refused")
        valid = [s for s in self._submissions if not s.refused and s.command.expires_at >= now]
        first = {s.command.idempotency.key: s.command for s in reversed(valid) if s.command.idempotency}
        if not first:
            return valid
        await self._connection.execute(sql.TAKE_KEYS, *rows.keys(first.values()))
        holders = {row["key"]: row for row in await self._connection.fetch(sql.READ_KEYS, list(first))}
        return [s for s in valid if self._holds_key(s.command, holders)]

    def _holds_key(self, command: SubmitCheck, holders: dict[str, asyncpg.Record]) -> bool:
        if command.idempotency is None:
            return True
        holder = holders[command.idempotency.key]
        if holder["check_id"] == command.check_id:
            return True
        same = holder["digest"] == command.idempotency.digest
        self._outcome(command, "repeated" if same else "idempotency_key_reused", holder["check_id"] if same else None)
        return False

    def _outcome(self, command: SubmitCheck, outcome: str, check_id: UUID | None = None) -> None:
        self._done.outcomes.append(CommandOutcome(id=command.id, outcome=outcome, check_id=check_id))

    async def _lock_hosts(self, wanted: Iterable[Submission]) -> list[str]:
        """Locks the rows of all hosts that this flush touches, trusted ones apart; returns them all."""
        hosts = {s.command.host for s in wanted} | {r.host for r in self._finished} | {r.host for r in self._late}
        limited = sorted(hosts - set(claims.trusted(self._config)))
        if limited:
            known = {row["host"] for row in await self._connection.fetch(sql.KNOWN_HOSTS, limited)}
            if missing := [host for host in limited if host not in known]:
                await self._connection.execute(sql.ADD_HOSTS, missing)
            await self._connection.execute(sql.LOCK_HOSTS, limited)
        return sorted(hosts)

    async def _apply_reports(self, now: datetime) -> None:
        ending: list[AttemptFinished | AttemptRef] = [*self._finished, *self._late]
        if not ending and not self._started:
            return
        leases: set[tuple[UUID, int]] = set()
        if ending:
            found = await self._connection.fetch(sql.END_LEASES, *rows.attempts(ending))
            leases = {(row["check_id"], row["attempt"]) for row in found}
        ids = sorted({r.check_id for r in (*ending, *self._started)})
        states = {row["id"]: rows.state(row) for row in await self._connection.fetch(sql.READ_CHECKS, ids)}
        for ref in self._started:
            if ref.check_id in states:
                self._keep(ref.check_id, states, lifecycle.started(states[ref.check_id], ref))
        for report in self._finished:
            if report.check_id in states:
                name = (report.check_id, report.attempt)
                change = lifecycle.finished(
                    states[report.check_id],
                    report,
                    had_lease=name in leases,
                    now=now,
                    policy=self._policy,
                    jitter=self._jitter(),
                )
                leases.discard(name)
                self._keep(report.check_id, states, change)
        for ref in self._late:
            if ref.check_id in states:
                name = (ref.check_id, ref.attempt)
                change = lifecycle.late(states[ref.check_id], ref, had_lease=name in leases, now=now)
                leases.discard(name)
                self._keep(ref.check_id, states, change)

    def _keep(self, check_id: UUID, states: dict[UUID, CheckState], change: Change | None) -> None:
        if change is None:
            return
        states[check_id] = change.state
        self._changes[check_id] = change
        if change.failure is not None:
            self._failures.append(change.failure)
        self._done.changed[check_id] = ChangedCheck(id=check_id, status=change.state.status)

    async def _submit(self, wanted: Sequence[Submission]) -> None:
        if not wanted:
            return
        commands = sorted({s.command.check_id: s.command for s in wanted}.values(), key=lambda c: c.check_id)
        for row in await self._connection.fetch(sql.ADD_CHECKS, *rows.checks(commands)):
            self._done.changed[row["check_id"]] = ChangedCheck(id=row["check_id"], status="queued")

    async def _write_changes(self) -> None:
        execute, changes = self._connection.execute, sorted(self._changes.items())
        if changes:
            await execute(sql.CHANGE_CHECKS, *rows.changes(changes))
        closed = [id_ for id_, change in changes if change.due_at is None and change.state.status != "running"]
        if closed:
            await execute(sql.DEQUEUE, closed)
        due = [(id_, change.due_at) for id_, change in changes if change.due_at is not None]
        if due:
            await execute(sql.ENQUEUE, *rows.columns(due))
        results = [change.result for _, change in changes if change.result is not None]
        if results:
            await execute(sql.STORE_RESULTS, *rows.results(results))
        pauses = [(f.host, f.error.retry_after_s) for f in self._failures if f.error and f.error.retry_after_s]
        if pauses:
            await execute(sql.PAUSE_HOSTS, *rows.pauses(pauses))
        if self._failures:
            await execute(sql.STORE_FAILURES, *rows.failures(self._failures))
        if self._done.outcomes:
            await execute(sql.STORE_OUTCOMES, *rows.outcomes(self._done.outcomes))

    async def _store_fetchers(self) -> None:
        if self._here:
            await self._connection.execute(sql.STORE_FETCHERS, *rows.fetchers(self._here.values()))

    async def _claimed_before(self, wanted: Iterable[Submission]) -> None:
        again = [s.command.check_id for s in wanted if s.redelivered]
        if again:
            fresh = {check.check_id for check in self._done.claimed}
            for row in await self._connection.fetch(sql.CLAIMED_FIRST, again):
                if row["check_id"] not in fresh:
                    self._done.claimed.append(claims.from_row(row))


def fold(reports: Iterable[AttemptFinished]) -> list[AttemptFinished]:
    """One report of each attempt, however often it was delivered; a count wins over a failure."""
    kept: dict[tuple[UUID, int], AttemptFinished] = {}
    for report in reports:
        name = (report.check_id, report.attempt)
        if name not in kept or (kept[name].error is not None and report.error is None):
            kept[name] = report
    return list(kept.values())


def refs_of(items: Iterable[Item], kind: type[AttemptsStarted | AttemptsLate]) -> list[AttemptRef]:
    """The attempts that reports of one kind name."""
    return [ref for item in items if isinstance(item, kind) for ref in item.attempts]
