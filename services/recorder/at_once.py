"""Sets of one kind that are committed by one statement: what a person waits for most often.

Each way to the server and back takes a millisecond, and three where batches are under way. In a transaction a new check
has six of them, and a report seven.
"""

from collections.abc import Sequence
from typing import Final, TypeGuard

import asyncpg

from services.recorder import rows, sql, story
from services.recorder.items import Asked, Flushed, Item
from services.recorder.ledger import Jitter, Ledger, Reports
from services.recorder.lifecycle import RetryPolicy
from services.recorder.story import About
from shared import claims
from shared.messages import (
    AttemptFinished,
    AttemptsLate,
    AttemptsStarted,
    ChangedCheck,
    ClaimedCheck,
    Report,
    SubmitCheck,
)
from shared.settings import Settings

_MOST: Final = 100


async def apply(
    connection: asyncpg.Connection, items: Sequence[Item], config: Settings, jitter: Jitter
) -> tuple[Flushed, Sequence[Item]]:
    """Applies a set of nothing but new checks, or nothing but reports, if that may be.

    Args:
        connection: in no transaction.
        items: a set for one flush.
        config: limits of hosts, attempts and leases.
        jitter: spreads what is tried again.

    Returns:
        What was committed, and those items that are to be applied as others are.
    """
    if not 0 < len(items) <= _MOST:
        return Flushed(), items
    if commands := [command for item in items if (command := _plain(item)) is not None]:
        return await _submit(connection, commands, config) if len(commands) == len(items) else (Flushed(), items)
    reports: list[Report] = [item for item in items if _may_be_lone(item)]
    if len(reports) == len(items) and (done := await _record(connection, Reports.of(reports), config, jitter)):
        return done, []
    return Flushed(), items


def _plain(item: Item) -> SubmitCheck | None:
    """The command for a new check about which nothing has to be decided: keys are, and times to begin at."""
    if not isinstance(item, Asked) or item.redelivered or item.refused or not isinstance(item.command, SubmitCheck):
        return None
    return item.command if item.command.idempotency is None and item.command.run_at is None else None


def _may_be_lone(item: Item) -> TypeGuard[Report]:
    """Whether it is a report, and of no check of a batch, as far as it says: those take the usual way."""
    if isinstance(item, AttemptFinished):
        return item.lane != "bulk"
    return isinstance(item, AttemptsStarted | AttemptsLate)


async def _submit(
    connection: asyncpg.Connection, commands: Sequence[SubmitCheck], config: Settings
) -> tuple[Flushed, Sequence[Item]]:
    """Adds checks and claims what their hosts allow.

    Left are those whose host or question is not there yet, or that have expired, or were applied before.
    """
    wanted = rows.once_each(commands)
    until = min(command.expires_at for command in wanted)
    _, *limits = claims.claim_arguments(config, None)
    found = await connection.fetch(sql.SUBMIT_AT_ONCE, *rows.new_checks(wanted), until, *limits)
    changed = {id_: ChangedCheck(id=id_, status="queued") for id_ in (found[0]["added"] if found else ())}
    applied = [command for command in commands if command.check_id in changed]
    done = Flushed(claimed=_claimed(found), changed=changed, told=story.of_commands(applied, (), {}))
    return done, [Asked(command) for command in commands if command.check_id not in changed]


async def _record(connection: asyncpg.Connection, reports: Reports, config: Settings, jitter: Jitter) -> Flushed | None:
    """Decides on what is read, with nothing held, and commits that if it still is so.

    None if not, or if more has to be done: batches count what becomes of their checks, and a host that asks for a pause
    may have to be added.
    """
    ids = sorted({each.check_id for each in (*reports.ending, *reports.started)})
    found = await connection.fetch(sql.READ_REPORTED, ids)
    if len(found) < len(ids) or any(row["bulk"] for row in found):
        return None
    had = {(row["id"], attempt) for row in found for attempt in row["leases"]}
    leases = sorted(had & {(each.check_id, each.attempt) for each in reports.ending})
    ledger = Ledger({row["id"]: rows.state(row) for row in found})
    policy = RetryPolicy(max_attempts=config.max_attempts, base_s=config.retry_base_s)
    ledger.report(reports, leases, max(row["now"] for row in found), policy, jitter)
    if ledger.pauses:
        return None
    read = rows.columns([(row["id"], row["version"]) for row in found])
    hosts, *limits = claims.claim_arguments(config, sorted(reports.hosts()))
    recorded = await connection.fetch(
        sql.RECORD_AT_ONCE, hosts, *rows.columns(leases, width=2), *read, *rows.written(ledger), *limits
    )
    if not recorded:
        return None
    about = {row["id"]: About(row["trace"], row["bulk"]) for row in found}
    return Flushed(
        claimed=_claimed(recorded),
        changed={id_: ChangedCheck(id=id_, status=change.state.status) for id_, change in ledger.changes.items()},
        told=story.of_attempts(reports.finished, reports.late, ledger, about),
    )


def _claimed(found: Sequence[asyncpg.Record]) -> list[ClaimedCheck]:
    return [claims.from_row(row) for row in found if row["check_id"] is not None]
