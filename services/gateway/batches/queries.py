"""Every SELECT about batches.

A line's state is that of its check, which has the line's number in its id; so a state is looked for where checks are
found by it, in the range of ids that the batch's checks have, and never in all lines.
"""

from collections.abc import Mapping
from typing import Final, Literal

LineState = Literal["queued", "running", "done", "failed", "cancelled", "duplicate", "invalid"]

MOST_WORDS: Final = 1_000
"""Of a batch's word totals, how many are shown: the largest."""

_ANY_BATCH: Final = """
SELECT b.id, b.label, b.status, b.reason, b.total, b.queued, b.running, b.done, b.failed, b.cancelled, b.duplicates,
       b.invalid, b.finished_at, b.running_since, b.recent, b.recent_at, clock_timestamp() AS now,
       coalesce(c.records, 0) AS received, coalesce(c.invalid, 0) AS received_invalid,
       coalesce(e.totals, '{{}}') AS errors_by_code, coalesce(w.totals, '{{}}') AS word_totals
FROM batches b
LEFT JOIN LATERAL (
    SELECT sum(records)::integer AS records, sum(invalid)::integer AS invalid FROM chunks
    WHERE batch_id = b.id AND b.status = 'receiving') c ON true
LEFT JOIN LATERAL (
    SELECT json_object_agg(code, checks ORDER BY checks DESC, code) AS totals FROM batch_errors
    WHERE batch_id = b.id AND checks > 0) e ON true
LEFT JOIN LATERAL (
    SELECT json_object_agg(word, total ORDER BY total DESC, word) AS totals FROM (
        SELECT word, total FROM batch_words WHERE batch_id = b.id
        UNION ALL
        SELECT asked.word, 0 FROM questions q CROSS JOIN unnest(q.words) AS asked (word)
        WHERE q.id = b.question AND b.done > 0
            AND NOT EXISTS (SELECT FROM batch_words k WHERE k.batch_id = b.id AND k.word = asked.word)
        ORDER BY total DESC, word LIMIT {most_words}) largest) w ON true
"""
_BATCH: Final = _ANY_BATCH.format(most_words=MOST_WORDS)

BATCH: Final = _BATCH + "WHERE b.id = $1 AND b.status <> 'deleted'"

# The newest first; $1 how many, $2 and $3 the state and label asked for (null: any), $4 the id to stay below.
BATCHES: Final = (
    _BATCH
    + """
WHERE b.status <> 'deleted' AND ($2::text IS NULL OR b.status = $2) AND ($3::text IS NULL OR b.label = $3)
    AND ($4::uuid IS NULL OR b.id < $4)
ORDER BY b.id DESC LIMIT $1
"""
)

# What is known of a batch before its lines are read.
HEAD: Final = """
SELECT b.id, b.label, q.words FROM batches b LEFT JOIN questions q ON q.id = b.question
WHERE b.id = $1 AND b.status <> 'deleted'
"""

RETRIED: Final = "SELECT changed, finished_at IS NOT NULL AS finished FROM jobs WHERE id = $1"

# Up to $3 lines of the batch $1 after record $2. A line's check is its own, or that of the first one like it. Lines are
# looked up one by one (OFFSET 0 keeps it so): a planner that takes the batch to be small would read all of it for each.
_LINES: Final = """
WITH page AS MATERIALIZED (SELECT seq FROM ({}) found ORDER BY seq LIMIT $3)
SELECT l.batch_id, l.seq, l.file, l.line, l.text, l.reason, f.line AS first_line, f.file AS first_file,
       CASE WHEN l.fate = 'deleted' THEN 'cancelled'
            WHEN l.fate IS NOT NULL THEN l.fate
            WHEN l.seq <= b.filed THEN c.status
            WHEN b.stopped THEN 'cancelled' ELSE 'queued' END AS state,
       CASE WHEN c.id IS NOT NULL THEN coalesce(f.seq, l.seq) END AS check_seq,
       {}
FROM page
JOIN batches b ON b.id = $1 AND b.status <> 'deleted'
CROSS JOIN LATERAL (SELECT * FROM lines WHERE batch_id = $1 AND seq = page.seq OFFSET 0) l
LEFT JOIN LATERAL (
    SELECT * FROM lines WHERE l.fate = 'duplicate' AND batch_id = $1 AND seq = l.first OFFSET 0) f ON true
LEFT JOIN checks c ON coalesce(l.fate, 'duplicate') = 'duplicate' AND f.fate IS NULL
    AND coalesce(f.seq, l.seq) <= b.filed AND c.id = check_of(b.id, coalesce(f.seq, l.seq))
LEFT JOIN results r ON r.check_id = c.id AND c.status IN ('done', 'failed')
{}
ORDER BY l.seq
"""
_SHOWN: Final = "CASE WHEN l.fate IS NULL THEN r.error_code END AS error_code"
_EXPORTED: Final = """
       l.url, l.label, q.words, c.status AS check_status, r.counts, r.total, r.error_code,
       r.http_status, r.final_url, r.title, r.bytes, c.attempts, c.finished_at
"""

_BY_SEQ: Final = "(SELECT seq FROM lines WHERE batch_id = $1 AND seq > $2{} ORDER BY seq LIMIT $3)"
# What is asked of the batch is asked once, before any line is looked at.
_UNFILED: Final = """
(SELECT seq FROM lines
 WHERE batch_id = $1 AND seq > greatest($2, (SELECT filed FROM batches WHERE id = $1)) AND fate IS NULL
     AND (SELECT {} FROM batches WHERE id = $1)
 ORDER BY seq LIMIT $3)
"""
_BY_CHECK: Final = """
(SELECT seq_of(x.check_id) AS seq FROM {table} x JOIN checks c ON c.id = x.check_id
 WHERE x.check_id > check_of($1, $2) AND x.check_id <= check_of($1, 2147483647) AND c.status = '{status}'{condition}
 ORDER BY x.check_id LIMIT $3)
"""
_LEASED: Final = """
(SELECT seq_of(c.id) AS seq FROM checks c WHERE c.status = '{status}' AND c.id IN (
     SELECT check_id FROM leases WHERE check_id > check_of($1, $2) AND check_id <= check_of($1, 2147483647))
 ORDER BY c.id LIMIT $3)
"""
_RECORDS: Final[Mapping[LineState | None, tuple[str, ...]]] = {
    None: (_BY_SEQ.format(""),),
    "invalid": (_BY_SEQ.format(" AND fate = 'invalid'"),),
    "duplicate": (_BY_SEQ.format(" AND fate = 'duplicate'"),),
    "queued": (
        _UNFILED.format("NOT stopped"),
        _BY_CHECK.format(table="queue", status="queued", condition=""),
        _LEASED.format(status="queued"),
    ),
    "running": (_LEASED.format(status="running"),),
    "done": (_BY_CHECK.format(table="results", status="done", condition=" AND x.error_code IS NULL"),),
    "failed": (_BY_CHECK.format(table="results", status="failed", condition=" AND x.error_code IS NOT NULL"),),
    "cancelled": (
        _UNFILED.format("stopped"),
        _BY_CHECK.format(table="cancelled", status="cancelled", condition=""),
        _BY_SEQ.format(" AND fate = 'deleted'"),
    ),
}
LINES: Final[Mapping[LineState | None, str]] = {
    state: _LINES.format(" UNION ".join(sources), _SHOWN, "") for state, sources in _RECORDS.items()
}
"""By the state that is asked for."""

EXPORT: Final = _LINES.format(
    _BY_SEQ.format(""), _EXPORTED, "LEFT JOIN questions q ON q.id = coalesce(l.question, b.question)"
)
