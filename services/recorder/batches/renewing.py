"""The jobs `retry` (of a batch) and `retry_checks` (by a filter): a new run of checks that have failed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.recorder import sql as flush_sql
from services.recorder.batches import hosts, sql
from services.recorder.batches.jobs import MOST_PER_SLICE, Job, Slice
from services.recorder.bookkeeping import book
from services.recorder.tallies import End, Move, tallies
from shared.ids import MAX_SEQ, batch_id, check_of
from shared.messages import Filter, Status
from shared.settings import Settings

RETRYABLE: Final[frozenset[Status]] = frozenset({"failed", "cancelled"})
LOOKED_AT: Final = 5_000
"""How many candidates a slice looks through for those that the filter means."""
CLOCKS_AHEAD: Final = timedelta(seconds=3)
"""A check's end is told by its fetcher's clock, which may be 2 s ahead of PostgreSQL's. What fails again so soon after
it was asked for anew is not asked for twice: the walk only goes forward."""
_HIGHEST: Final = UUID(int=2**128 - 1)
_SUFFIX: Final = "*."


@dataclass(frozen=True, slots=True)
class Span:
    """Ids above `after` up to `last`."""

    after: UUID
    last: UUID


def status_of(wanted: Filter) -> Status:
    """Which checks a filter for a retry means."""
    return wanted.status or "failed"


def span_of(wanted: Filter) -> Span | None:
    """Which ids a filter lets through; None: none can match it."""
    if wanted.batch_id is not None and wanted.batch_id != batch_id(wanted.batch_id):
        return None
    if status_of(wanted) == "cancelled" and (wanted.error is not None or wanted.http_status is not None):
        return None
    lows = [wanted.from_id.int - 1] if wanted.from_id is not None and wanted.from_id.int else []
    highs = [] if wanted.below_id is None else [wanted.below_id.int - 1]
    if wanted.batch_id is not None:
        lows.append(wanted.batch_id.int)
        highs.append(check_of(wanted.batch_id, MAX_SEQ).int)
    low, high = max(lows, default=0), min(highs, default=_HIGHEST.int)
    return Span(UUID(int=low), UUID(int=high)) if low < high else None


def arguments(wanted: Filter) -> tuple[Any, ...]:
    """The filter as parameters: host, the reversed ending of one, label, word, beginnings of URLs."""
    ending = wanted.host is not None and wanted.host.startswith(_SUFFIX)
    suffix = wanted.host.removeprefix(_SUFFIX[:1])[::-1] if wanted.host is not None and ending else None
    return None if ending else wanted.host, suffix, wanted.label, wanted.word, list(wanted.url_prefixes)


async def retry(connection: asyncpg.Connection, job: Job, config: Settings) -> Slice:
    """Asks anew for the next failed checks of a batch; the batch is at rest again if there was none."""
    done = await _renew(connection, job, Filter(batch_id=job.batch), config)
    if done.finished:  # held, or what ends beside this would not see the job's end, nor this the other
        await connection.execute(sql.LOCK_BATCH, job.batch)
        await connection.execute(sql.SETTLE, job.batch)
    return done


async def retry_checks(
    connection: asyncpg.Connection,
    job: Job,
    config: Settings,
    *,
    most: int = MOST_PER_SLICE,
    looked_at: int = LOOKED_AT,
) -> Slice:
    """Asks anew for the next checks that the job's filter means: `most` at most, of the next `looked_at`."""
    return await _renew(connection, job, job.filter, config, most=most, looked_at=looked_at)


async def _renew(
    connection: asyncpg.Connection,
    job: Job,
    wanted: Filter,
    config: Settings,
    *,
    most: int = MOST_PER_SLICE,
    looked_at: int = LOOKED_AT,
) -> Slice:
    span = span_of(wanted)
    if span is None:
        return Slice(job.after, finished=True)
    after, status = max(job.after, span.after), status_of(wanted)
    end_of = sql.END_OF_FAILED if status == "failed" else sql.END_OF_CANCELLED
    end = await connection.fetchval(end_of, after, span.last, looked_at)
    until = job.asked_at + CLOCKS_AHEAD
    matching = (after, end or span.last, until, *arguments(wanted), most)
    if status == "failed":
        found = await connection.fetch(sql.MATCHING_FAILED, *matching, wanted.error, wanted.http_status)
    else:
        found = await connection.fetch(sql.MATCHING_CANCELLED, *matching)
    changed = await _reopen(connection, found, job, status, config) if found else 0
    if len(found) == most:  # there may be more before the end
        return Slice(found[-1]["id"], changed)
    return Slice(end or span.last, changed, finished=end is None)


async def _reopen(
    connection: asyncpg.Connection, found: list[asyncpg.Record], job: Job, status: Status, config: Settings
) -> int:
    held = await hosts.lock(connection, {row["host"] for row in found}, config)
    ended = await connection.fetch(sql.LOCK_ENDED, [row["id"] for row in found], status, job.asked_at + CLOCKS_AHEAD)
    ids, bulk = [row["id"] for row in ended], [row["id"] for row in ended if row["bulk"]]
    for statement in (sql.RETRY_CHECKS, flush_sql.DROP_CANCELLED, sql.ENQUEUE):
        await connection.execute(statement, ids)
    if bulk:
        codes: dict[UUID, str] = {}
        if status == "failed":
            codes = {row["check_id"]: row["error_code"] for row in await connection.fetch(sql.READ_CODES, bulk)}
        moves = (Move(id_, status, "queued", End(codes.get(id_))) for id_ in bulk)
        await book(connection, tallies(moves), bulk, await connection.fetchval(sql.NOW))
    await hosts.plan(connection, held, config, lone=len(bulk) < len(ids))
    return len(ids)
