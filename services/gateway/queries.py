"""Every SELECT of the gateway. Its role can do nothing else."""

from typing import Final

_CHECKS: Final = """
SELECT c.id, c.url, c.words, c.scope, c.whole_word, c.case_sensitive, c.label, c.status, c.attempts,
       c.next_attempt_at, c.started_at, c.finished_at,
       r.counts, r.total, r.rule_version, r.snippets, r.error_code, r.error_detail, r.http_status, r.final_url,
       r.redirects, r.address, r.title, r.content_type, r.charset, r.bytes, r.timings_ms
FROM checks c
-- A retried check is open again while the result of its last run is still there.
LEFT JOIN results r ON r.check_id = c.id AND c.status IN ('done', 'failed')
"""

CHECK: Final = _CHECKS + "WHERE c.id = $1"

# Ids sort by the time they were made, so that the list needs no other index. $2: how many.
NEWEST_CHECKS: Final = _CHECKS + "ORDER BY c.id DESC LIMIT $1"
CHECKS_BEFORE: Final = _CHECKS + "WHERE c.id < $2 ORDER BY c.id DESC LIMIT $1"

# All that requests wait for, in one go: the states of checks ($1), and what became of commands ($2).
WAITED_FOR: Final = """
SELECT id, status, NULL AS outcome, NULL::uuid AS check_id FROM checks WHERE id = ANY ($1::uuid[])
UNION ALL
SELECT command_id, NULL, outcome, check_id FROM outcomes WHERE command_id = ANY ($2::uuid[])
"""

STATUSES: Final = """
SELECT status, count(*) AS checks,
       count(*) FILTER (WHERE finished_at > clock_timestamp() - interval '1 minute') AS finished_last_minute
FROM checks GROUP BY status
"""

# What is due and not claimed yet, and how long the first of it has been.
DUE: Final = """
SELECT count(*) AS due,
       extract(epoch FROM clock_timestamp() - min(due_at))::double precision AS oldest_due_s
FROM queue WHERE due_at <= clock_timestamp()
"""

FETCHERS: Final = """
SELECT id, version, capacity, in_flight, finished_last_s,
       extract(epoch FROM clock_timestamp() - seen_at)::double precision AS seen_s_ago
FROM fetchers WHERE seen_at > clock_timestamp() - interval '10 s' ORDER BY id
"""

# $1: how many hosts.
BUSIEST_HOSTS: Final = """
SELECT host, sum(queued)::bigint AS queued, sum(leased)::bigint AS leased
FROM (SELECT host, count(*) AS queued, 0 AS leased FROM queue GROUP BY host
      UNION ALL
      SELECT host, 0, count(*) FROM leases WHERE not_after > clock_timestamp() GROUP BY host) busy
GROUP BY host ORDER BY sum(queued) + sum(leased) DESC, host LIMIT $1
"""
