"""Every SELECT of the gateway. Its role can do nothing else."""

from typing import Final

ROWS: Final = """
SELECT c.id, c.url, q.words, q.scope, q.whole_word, q.case_sensitive, c.label, c.bulk, l.line, c.status,
       c.attempts, c.next_attempt_at, c.started_at, c.finished_at,
       r.counts, r.total, r.rule_version, r.snippets, r.error_code, r.error_detail, r.http_status, r.final_url,
       r.redirects, r.address, r.title, r.content_type, r.charset, r.bytes, r.timings_ms
"""
# A retried check is open again while the result of its last run is still there.
BELONGING: Final = """
JOIN questions q ON q.id = c.question
LEFT JOIN lines l ON c.bulk AND l.batch_id = batch_of(c.id) AND l.seq = seq_of(c.id)
LEFT JOIN results r ON r.check_id = c.id AND c.status IN ('done', 'failed')
"""

CHECK: Final = ROWS + "FROM checks c " + BELONGING + " WHERE c.id = $1"

# The request that made a check: for people who look for its story in the logs, and no part of the API's answers.
TRACE: Final = "SELECT trace FROM checks WHERE id = $1"

# All attempts of a check that have ended; one row of nulls when there are none, and none when there is no check. The
# attempt that counted is told by its result, also where it was given up as lost before that arrived.
ATTEMPTS: Final = """
WITH counted AS MATERIALIZED (
    SELECT c.run, r.attempt, c.started_at, c.finished_at, r.http_status, r.fetcher
    FROM checks c JOIN results r ON r.check_id = c.id WHERE c.id = $1 AND c.status = 'done')
SELECT ended.* FROM checks c LEFT JOIN LATERAL (
    SELECT run, attempt, started_at, finished_at, http_status, NULL AS error_code, fetcher FROM counted
    UNION ALL
    SELECT run, attempt, started_at, finished_at, http_status, error_code, fetcher FROM attempts a
    WHERE a.check_id = c.id AND a.attempt NOT IN (SELECT attempt FROM counted)) ended ON true
WHERE c.id = $1 ORDER BY ended.attempt
"""

# Plans for one page: what is rare is found by its index, what is common in the order of the list, and neither is read
# further than it is wanted; to start a parallel worker takes longer than all of it. Of tables that have just grown the
# planner knows nothing yet, and would read all the rest of a batch for each page, to sort it.
PLAN_A_PAGE: Final = """
SET LOCAL enable_seqscan = off;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_bitmapscan = off
"""
# Where an index has the list in its order. An index of those that failed alone, the planner takes to be as full of a
# status as all are: then it reads half of them and sorts what little is left, 0.3 s of ten million checks.
UNSORTED: Final = "; SET LOCAL enable_sort = off"

# All that requests wait for, in one go: the states of checks ($1), and what became of commands ($2).
WAITED_FOR: Final = """
SELECT id, status, NULL AS outcome, NULL::uuid AS check_id, NULL::uuid AS batch_id
FROM checks WHERE id = ANY ($1::uuid[])
UNION ALL
SELECT command_id, NULL, outcome, check_id, batch_id FROM outcomes WHERE command_id = ANY ($2::uuid[])
"""

STATUSES: Final = """
SELECT status, sum(checks)::bigint AS checks,
       coalesce(sum(ended) FILTER (WHERE at > statement_timestamp() - interval '1 minute'), 0)::bigint
           AS finished_last_minute
FROM tallies GROUP BY status
"""

FETCHERS: Final = """
SELECT id, version, capacity, in_flight, finished_last_s,
       extract(epoch FROM clock_timestamp() - seen_at)::double precision AS seen_s_ago
FROM fetchers WHERE seen_at > clock_timestamp() - interval '10 s' ORDER BY id
"""

# What is due and not claimed yet, in all (the row without a host) and of the $1 hosts with most to do. For both, the
# queue is read once.
WORK: Final = """
WITH queued AS MATERIALIZED (
    SELECT host, count(*) AS queued, count(*) FILTER (WHERE due_at <= statement_timestamp()) AS due,
           min(due_at) FILTER (WHERE due_at <= statement_timestamp()) AS first_due_at
    FROM queue GROUP BY host),
leased AS MATERIALIZED (
    SELECT host, count(*) AS leased FROM leases WHERE not_after > statement_timestamp() GROUP BY host),
busiest AS (
    SELECT host, coalesce(q.queued, 0) AS queued, coalesce(l.leased, 0) AS leased, q.due, q.first_due_at
    FROM queued q FULL JOIN leased l USING (host)
    ORDER BY coalesce(q.queued, 0) + coalesce(l.leased, 0) DESC, host LIMIT $1)
SELECT NULL AS host, NULL AS queued, NULL AS leased, coalesce(sum(due), 0)::bigint AS due,
       extract(epoch FROM statement_timestamp() - min(first_due_at))::double precision AS oldest_due_s,
       NULL AS paused_until
FROM queued
UNION ALL
SELECT b.host, b.queued, b.leased, b.due,
       extract(epoch FROM statement_timestamp() - b.first_due_at)::double precision,
       CASE WHEN h.next_start_at > statement_timestamp() THEN h.next_start_at END
FROM busiest b LEFT JOIN hosts h ON h.host = b.host
ORDER BY host NULLS FIRST
"""

# How the $2 last whole spans of length $1 went, oldest first: what ended in each, and what was queued at its end. Spans
# are of whole minutes, and begin at multiples of their length.
HISTORY: Final = """
WITH since AS MATERIALIZED (
    SELECT date_bin($1::interval, statement_timestamp(), '2000-01-01Z') - $1 * $2::integer AS at,
           date_part('epoch', $1) AS length_s),
told AS (
    SELECT CASE WHEN t.at >= s.at THEN floor(date_part('epoch', t.at - s.at) / s.length_s) ELSE -1 END AS span,
           sum(t.checks) FILTER (WHERE t.status = 'queued') AS more_queued,
           sum(t.ended) FILTER (WHERE t.status = 'done') AS done,
           sum(t.ended) FILTER (WHERE t.status = 'failed') AS failed,
           sum(t.ended) FILTER (WHERE t.status = 'cancelled') AS cancelled
    FROM tallies t CROSS JOIN since s GROUP BY 1),
spans AS (
    SELECT span, coalesce(done, 0)::bigint AS done, coalesce(failed, 0)::bigint AS failed,
           coalesce(cancelled, 0)::bigint AS cancelled,
           coalesce(sum(more_queued) OVER (ORDER BY span), 0)::bigint AS queued
    FROM generate_series(-1, $2 - 1) AS span LEFT JOIN told USING (span))
SELECT s.at + p.span * $1 AS at, p.done, p.failed, p.cancelled, p.queued
FROM spans p CROSS JOIN since s WHERE p.span >= 0 ORDER BY p.span
"""
