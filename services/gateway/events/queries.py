# ruff: noqa: S608 - put together of constants
"""The SELECTs of those who follow."""

from typing import Final

_POSITION: Final = """
pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS position,
extract(epoch FROM clock_timestamp())::double precision AS at_s
"""

POSITION: Final = f"SELECT {_POSITION}"

# Where to read on from, in each row; and what transactions from $1 on have changed, but for those of $2: as many
# statements as it takes to come to $3 ids. A transaction that is under way has an id that is not below the position,
# and so is among what is read next.
CHANGES: Final = f"""
SELECT {_POSITION}, c.xid::text::bigint AS xid, c.checks, c.batches, c.is_last
FROM (SELECT) AS once
LEFT JOIN (
    SELECT *, sum(size) OVER earlier AS before, lead(xid) OVER earlier IS NULL AS is_last
    FROM changes WHERE xid >= $1::bigint::text::xid8 AND xid::text::bigint <> ALL ($2::bigint[])
    WINDOW earlier AS (ORDER BY xid ROWS UNBOUNDED PRECEDING)) c ON c.before - c.size < $3
ORDER BY c.xid
"""

_STATES: Final = """
SELECT c.id, c.status, c.attempts, c.bulk, r.total, r.error_code
FROM {} JOIN checks c USING (id)
LEFT JOIN results r ON r.check_id = c.id AND c.status IN ('done', 'failed')
"""
STATES: Final = _STATES.format("unnest($1::uuid[]) AS wanted (id)")
# Of all, or of the batch $1.
NEWEST: Final = (
    _STATES.format(
        "(SELECT id FROM checks WHERE $1::uuid IS NULL OR (id > $1 AND id <= check_of($1, 2147483647))"
        " ORDER BY id DESC LIMIT $2) wanted"
    )
    + " ORDER BY c.id DESC"
)

_BATCHES: Final = """
SELECT b.id, b.label, b.status, b.total, b.queued, b.running, b.done, b.failed, b.cancelled, b.duplicates, b.invalid,
       b.running_since, b.recent, b.recent_at, clock_timestamp() AS now,
       coalesce(h.records, 0) AS received, coalesce(h.invalid, 0) AS received_invalid
FROM {} JOIN batches b USING (id)
LEFT JOIN LATERAL (
    SELECT sum(records)::integer AS records, sum(invalid)::integer AS invalid FROM chunks
    WHERE batch_id = b.id AND b.status = 'receiving') h ON true
WHERE b.status <> 'deleted'
"""
BATCHES: Final = _BATCHES.format("unnest($1::uuid[]) AS wanted (id)")
NEWEST_BATCHES: Final = (
    _BATCHES.format("(SELECT id FROM batches WHERE status <> 'deleted' ORDER BY id DESC LIMIT $1) wanted")
    + " ORDER BY b.id DESC"
)
