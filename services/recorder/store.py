"""One flush: a set of commands and reports applied to PostgreSQL in one transaction of set-based statements.

Locks are taken in one order everywhere: keys, hosts, questions, leases, checks, queue, lines, batches; within each by
its key.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.recorder import at_once, bookkeeping, questions, rows, sql, story, tallies
from services.recorder.items import Asked, Flushed, Item
from services.recorder.ledger import AttemptName, Jitter, Ledger, Reports
from services.recorder.lifecycle import Change, RetryPolicy
from services.recorder.story import About
from services.recorder.tallies import End, Move
from shared import claims
from shared.messages import (
    ChangedCheck,
    CheckCommand,
    ClockReading,
    CommandOutcome,
    DeleteCheck,
    FetcherHere,
    LoneCommand,
    Question,
    SubmitCheck,
)
from shared.settings import Settings


async def flush(connection: asyncpg.Connection, items: Sequence[Item], config: Settings, jitter: Jitter) -> Flushed:
    """Applies a set of messages and commits it, in one transaction, or in two.

    Who deletes checks locks the keys that made them, who submits locks those that it asks for. One after the other, two
    recorders could come to wait for each other in a circle, so that one transaction does only one of the two.

    Args:
        connection: in no transaction.
        items: what each says stands also when it was applied before.
        config: limits of hosts, attempts and leases.
        jitter: spreads what is tried again.

    Raises:
        asyncpg.PostgresError, OSError, …: nothing was committed, or what was may be applied again.
    """
    done, items = await at_once.apply(connection, items, config, jitter)
    if not items:
        return done
    commands = [item.command for item in items if isinstance(item, Asked)]
    takes_keys = any(isinstance(each, SubmitCheck) and each.idempotency is not None for each in commands)
    parts: list[Sequence[Item]] = [items]
    if takes_keys and any(isinstance(each, DeleteCheck) for each in commands):
        parts = [[item for item in items if not _submits(item)], [item for item in items if _submits(item)]]
    for part in parts:
        done.extend(await _Flush(connection, part, config, jitter).run())
    return done


def _submits(item: Item) -> bool:
    return isinstance(item, Asked) and isinstance(item.command, SubmitCheck)


class _Flush:
    """One transaction: made for it, run once."""

    def __init__(self, connection: asyncpg.Connection, items: Sequence[Item], config: Settings, jitter: Jitter) -> None:
        self._connection = connection
        self._config = config
        self._trusted = claims.trusted(config)
        self._policy = RetryPolicy(max_attempts=config.max_attempts, base_s=config.retry_base_s)
        self._jitter = jitter
        asked = [item for item in items if isinstance(item, Asked)]
        self._refused = [item.command for item in asked if item.refused]
        self._again = {item.command.id for item in asked if item.redelivered}
        # A command that is there twice counts once.
        commands = {item.command.id: item.command for item in asked if not item.refused}
        self._submits = [each for each in commands.values() if isinstance(each, SubmitCheck)]
        self._orders: list[CheckCommand] = [each for each in commands.values() if isinstance(each, CheckCommand)]
        self._reports = Reports.of(item for item in items if not isinstance(item, Asked))
        here = sorted((item for item in items if isinstance(item, FetcherHere)), key=lambda item: item.at)
        self._here = {item.fetcher: item for item in here}
        self._about: dict[UUID, About] = {}
        self._done = Flushed()

    async def run(self) -> Flushed:
        """Applies everything and commits."""
        async with self._connection.transaction():
            reported = self._reports.hosts()
            begun = await self._begin(reported)
            now: datetime = begun["now"]
            for command in self._refused:
                self._outcome(command, "refused")
            wanted = await self._settle_submits(now)
            held = sorted({command.host for command in wanted} | reported | set(begun["of_checks"]))
            leases = await self._lock(held, begun["known"], wanted)
            ledger = await self._decide(leases, now)
            await self._submit(wanted, now)
            await self._write(ledger, now)
            await self._store_fetchers(now)
            if held:
                claimed = await self._fetch(claims.CLAIM, *claims.claim_arguments(self._config, held))
                self._done.claimed.extend(claims.from_row(row) for row in claimed)
            await self._claimed_before(wanted)
        self._tell(ledger)
        return self._done

    async def _begin(self, reported: set[str]) -> asyncpg.Record:
        """Asks for the time, and which hosts are there."""
        hosts = reported | {command.host for command in self._submits}
        [row] = await self._fetch(sql.BEGIN_FLUSH, [each.check_id for each in self._orders], sorted(hosts))
        return row

    def _tell(self, ledger: Ledger) -> None:
        commands = [*self._refused, *self._submits, *self._orders]
        self._done.told += story.of_commands(commands, self._done.outcomes, self._about)
        self._done.told += story.of_attempts(self._reports.finished, self._reports.late, ledger, self._about)

    async def _fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self._connection.fetch(query, *arguments)

    async def _settle_submits(self, now: datetime) -> list[SubmitCheck]:
        """Sorts out expired submissions and taken keys; returns those that stand."""
        expired = [command for command in self._submits if command.expires_at < now]
        if expired:  # of one that was applied before, the check is the outcome
            found = await self._fetch(sql.KNOWN_CHECKS, [command.check_id for command in expired])
            applied = {row["id"] for row in found}
            for command in expired:
                if command.check_id not in applied:
                    self._outcome(command, "expired")
        valid = [command for command in self._submits if command.expires_at >= now]
        if going := [command.check_id for command in self._orders if isinstance(command, DeleteCheck)]:
            await self._fetch(sql.LOCK_KEYS, going)
        return await self._settle_keys(valid)

    async def _settle_keys(self, valid: list[SubmitCheck]) -> list[SubmitCheck]:
        """Those of the submissions that hold their Idempotency-Key, or have none."""
        keyed = [command for command in valid if command.idempotency]
        first = {c.idempotency.key: c for c in reversed(keyed) if c.idempotency}
        if not first:
            return valid
        await self._fetch(sql.TAKE_KEYS, *rows.keys(first.values()))
        # Asked only now: who decided about one of them at this moment held the same key.
        known = await self._known_outcomes(command.id for command in keyed)
        # Who deleted the check of one of them held the key as well.
        gone = {row["check_id"] for row in await self._fetch(sql.WERE_DELETED, [c.check_id for c in keyed])}
        for command in keyed:
            if command.check_id in gone:
                deleted = CommandOutcome(id=command.id, outcome="deleted", check_id=command.check_id)
                known.setdefault(command.id, deleted)
        if known:
            self._done.outcomes += known.values()
            # What was decided stands, though the key may have become free since; then it is somebody else's.
            await self._fetch(sql.FREE_KEYS, [c.check_id for c in keyed if c.id in known])
            return await self._settle_keys([command for command in valid if command.id not in known])
        holders = {row["key"]: row for row in await self._fetch(sql.READ_KEYS, list(first))}
        return [command for command in valid if self._holds_key(command, holders)]

    async def _known_outcomes(self, commands: Iterable[UUID]) -> dict[UUID, CommandOutcome]:
        """What was decided before, of commands that come again."""
        if not (ids := list(commands)):
            return {}
        found = await self._fetch(sql.READ_OUTCOMES, ids)
        return {
            row["command_id"]: CommandOutcome(
                id=row["command_id"], outcome=row["outcome"], check_id=row["check_id"], batch_id=row["batch_id"]
            )
            for row in found
        }

    def _holds_key(self, command: SubmitCheck, holders: dict[str, asyncpg.Record]) -> bool:
        if command.idempotency is None:
            return True
        holder = holders[command.idempotency.key]
        if holder["made_id"] == command.check_id:
            return True
        same = holder["digest"] == command.idempotency.digest
        self._outcome(command, "repeated" if same else "idempotency_key_reused", holder["made_id"] if same else None)
        return False

    def _outcome(self, command: LoneCommand, outcome: str, check_id: UUID | None = None) -> None:
        self._done.outcomes.append(CommandOutcome(id=command.id, outcome=outcome, check_id=check_id))

    async def _lock(
        self, hosts: Iterable[str], known: Iterable[str], wanted: Collection[SubmitCheck]
    ) -> set[AttemptName]:
        """Locks hosts, but for trusted ones, and questions; ends the leases of reported attempts.

        Returns:
            Those of the leases that were there.
        """
        limited = sorted(set(hosts) - set(self._trusted))
        # First what is missing is added, then all are locked: who waits in the first step holds no lock of the second.
        if missing := sorted(set(limited) - set(known)):
            await self._fetch(sql.ADD_HOSTS, missing)
        asked = {command.question for command in wanted}
        ending = rows.attempts(self._reports.ending)
        [locked] = await self._fetch(sql.LOCK_FLUSH, limited, sorted(map(questions.id_of, asked)), *ending)
        await hold_questions(self._connection, asked, held=locked["questions"])
        return {(check_id, attempt) for check_id, attempt in locked["leases"]}

    async def _decide(self, leases: set[AttemptName], now: datetime) -> Ledger:
        """Locks and reads the checks that reports and commands name, and decides what becomes of them."""
        reports, orders = self._reports, self._orders
        ids = sorted({each.check_id for each in (*reports.ending, *reports.started, *orders)})
        if not ids:
            return Ledger({})
        found = await self._fetch(sql.READ_CHECKS, ids)
        self._about = {row["id"]: About(row["trace"], row["bulk"]) for row in found}
        ledger = Ledger({row["id"]: rows.state(row) for row in found})
        ledger.report(reports, leases, now, self._policy, self._jitter)
        if orders:  # asked only now: who applied one of them at this moment held the same rows
            ledger.command(orders, await self._known_outcomes(each.id for each in orders), now)
        return ledger

    async def _submit(self, wanted: Sequence[SubmitCheck], now: datetime) -> None:
        if not wanted:
            return
        commands = rows.once_each(wanted)
        added = {row["check_id"] for row in await self._fetch(sql.ADD_CHECKS, *rows.checks(commands, now))}
        # No lock keeps those of trusted hosts from being deleted just now, so that they are looked at once more.
        unsure = [each for each in commands if each.check_id not in added or each.host in self._trusted]
        gone: set[UUID] = set()
        if unsure:
            gone = {row["check_id"] for row in await self._fetch(sql.WERE_DELETED, [each.check_id for each in unsure])}
        if gone:
            await self._delete(sorted(gone))  # of no batch: nobody submits those
        for command in commands:
            if command.check_id in gone:
                self._outcome(command, "deleted", command.check_id)
            elif command.check_id in added:
                self._done.changed[command.check_id] = ChangedCheck(id=command.check_id, status="queued")

    async def _write(self, ledger: Ledger, now: datetime) -> None:
        changes, ends = sorted(ledger.changes.items()), await self._ends_to_go(ledger)
        moves = await self._change(changes, ledger, ends) if changes or ledger.history else []
        if pauses := rows.pauses(ledger.pauses, self._trusted):
            await self._fetch(sql.PAUSE_HOSTS, *pauses)
        if ledger.deleted:
            gone = await self._delete(sorted(ledger.deleted))
            moves += [Move(row["id"], row["was"], None, ends.get(row["id"], End())) for row in gone]
            self._done.deleted.extend(ledger.deleted)
        self._done.outcomes += ledger.outcomes
        if self._done.outcomes:
            self._done.outcomes = await self._stored(self._done.outcomes)
        requeued = [id_ for id_, change in changes if change.due_at is not None and self._about[id_].bulk]
        if moves or requeued:
            await bookkeeping.book(self._connection, tallies.tallies(moves), requeued, now)

    async def _stored(self, outcomes: Sequence[CommandOutcome]) -> list[CommandOutcome]:
        """Stores outcomes. Where there was no row to hold, somebody else may have decided before: that counts."""
        stored = {row["command_id"] for row in await self._fetch(sql.STORE_OUTCOMES, *rows.outcomes(outcomes))}
        known = await self._known_outcomes(each.id for each in outcomes if each.id not in stored)
        return [known.get(each.id, each) for each in outcomes]

    async def _ends_to_go(self, ledger: Ledger) -> dict[UUID, End]:
        """What checks of batches came to that are not to be as they ended any more."""
        going = [i for i in (*ledger.changes, *ledger.deleted) if self._about[i].bulk and ledger.before[i].finished_at]
        if not going:
            return {}
        found = await self._fetch(sql.READ_ENDS, going)
        return {row["check_id"]: End(row["error_code"], msgspec.json.decode(row["counts"] or "{}")) for row in found}

    async def _change(
        self, changes: Sequence[tuple[UUID, Change]], ledger: Ledger, ends: dict[UUID, End]
    ) -> list[Move]:
        """Writes the new states of checks and all that goes with them; returns the moves of those of batches."""
        moved = await self._fetch(sql.WRITE_CHECKS, *rows.written(ledger))
        for check_id, change in changes:
            self._done.changed[check_id] = ChangedCheck(id=check_id, status=change.state.status)
        came_to = ends | {id_: End.of(change.result) for id_, change in changes if change.result is not None}
        return [Move(row["id"], row["was"], row["status"], came_to.get(row["id"], End())) for row in moved]

    async def _delete(self, ids: list[UUID]) -> list[asyncpg.Record]:
        """Removes all that is known of checks, and frees their keys; their leases last as long as they last.

        Returns:
            Those of batches: their lines stay, and say that they are gone.
        """
        await self._fetch(sql.LOCK_NEW_KEYS, ids)
        of_batches = await self._fetch(sql.DELETE_CHECKS, ids)
        for statement in sql.DELETE_WITH_THEM:
            await self._fetch(statement, ids)
        if of_batches:
            await self._fetch(sql.FORGET_LINES, *rows.lines(row["id"] for row in of_batches))
        return of_batches

    async def _store_fetchers(self, now: datetime) -> None:
        if self._here:
            await self._fetch(sql.STORE_FETCHERS, *rows.fetchers(self._here.values()))
            self._done.clocks = [
                ClockReading(fetcher=here.fetcher, said_at=here.at, database_at=now) for here in self._here.values()
            ]

    async def _claimed_before(self, wanted: Iterable[SubmitCheck]) -> None:
        """Has checks published again whose command NSQ delivered again, and not those that a gateway repeated."""
        applied = {each.id for each in self._done.outcomes if each.outcome == "applied"}
        orders = [command for command in self._orders if command.id in applied]
        if again := [command.check_id for command in (*wanted, *orders) if command.id in self._again]:
            fresh = {check.check_id for check in self._done.claimed}
            for row in await self._fetch(sql.CLAIMED_FIRST, again):
                if row["check_id"] not in fresh:
                    self._done.claimed.append(claims.from_row(row))


async def hold_questions(connection: asyncpg.Connection, wanted: Iterable[Question], held: Iterable[UUID] = ()) -> None:
    """Has questions in the database until the end of the transaction at least; some of them may be `held` already."""
    by_id = {questions.id_of(question): question for question in wanted}
    missing = by_id.keys() - held
    while missing:
        there = {row["id"] for row in await connection.fetch(sql.HOLD_QUESTIONS, sorted(missing))}
        if not (absent := sorted(missing - there)):
            break
        added = await connection.fetch(sql.ADD_QUESTIONS, *rows.asked([(id_, by_id[id_]) for id_ in absent]))
        # What somebody else has added at this moment is not held by us yet.
        missing = set(absent) - {row["id"] for row in added}
