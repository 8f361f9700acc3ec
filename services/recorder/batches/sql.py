"""All SQL that writes batches and what is asked of many checks at once.

Locks are taken in the order of `services.recorder.sql`, jobs before all of those: a slice holds its job, and a command
about a batch first waits for the slices of its jobs that are under way. So neither changes under the other's hands.
"""

# A repeat of a command waits here for the first one's commit, and then finds what that came to. It does not wait long:
# then it goes back to nsqd, as all do that find locked what they need.
TAKE_COMMAND = """
INSERT INTO outcomes (command_id, outcome, batch_id, created_at) VALUES ($1, 'applied', $2, clock_timestamp())
ON CONFLICT (command_id) DO NOTHING RETURNING created_at
"""
SET_OUTCOME = "UPDATE outcomes SET outcome = $2, batch_id = $3 WHERE command_id = $1"
READ_OUTCOME = "SELECT outcome, batch_id FROM outcomes WHERE command_id = $1"

NOW = "SELECT clock_timestamp()"

# Nothing has ended yet as of now: that is also how long it has been open.
OPEN = """
INSERT INTO batches (id, label, question, status, recent_at, trace)
VALUES ($1, $2, $3, 'receiving', clock_timestamp(), $4)
ON CONFLICT (id) DO NOTHING
"""

SHARE_BATCH = """
SELECT b.status, q.same FROM batches b JOIN questions q ON q.id = b.question WHERE b.id = $1 FOR SHARE OF b
"""
FILL = """
WITH chunk AS (
    INSERT INTO chunks (batch_id, number, records, invalid, received_at)
    VALUES ($1, $2, $3, $4, clock_timestamp())
    ON CONFLICT (batch_id, number) DO NOTHING RETURNING batch_id)
INSERT INTO lines (batch_id, seq, file, line, text, url, host, question, label, same, fate, reason)
SELECT chunk.batch_id, r.seq, $5, r.line, r.text, r.url, r.host, r.question, r.label, r.same, r.fate, r.reason
FROM chunk CROSS JOIN unnest($6::integer[], $7::integer[], $8::text[], $9::text[], $10::text[], $11::uuid[],
                             $12::text[], $13::uuid[], $14::text[], $15::text[])
    AS r (seq, line, text, url, host, question, label, same, fate, reason)
"""

GIVE_KEY_BACK = "DELETE FROM keys WHERE key = $1"

LOCK_BATCH = "SELECT status, queued, running, failed FROM batches WHERE id = $1 FOR UPDATE"
READ_CHUNKS = """
SELECT count(*)::integer AS chunks, coalesce(max(number), -1) AS last, coalesce(sum(records), 0)::integer AS records,
       coalesce(sum(invalid), 0)::integer AS invalid
FROM chunks WHERE batch_id = $1
"""
DROP_CHUNKS = "DELETE FROM chunks WHERE batch_id = $1"
# Sorted once, and joined once: of rows that came just now nothing is known to the planner, which takes them for few and
# would sort them all anew for each of them.
JOIN_SETS = "SET LOCAL enable_nestloop = off"
MARK_DUPLICATES = """
UPDATE lines l SET fate = 'duplicate', first = d.first
FROM (SELECT seq, min(seq) OVER (PARTITION BY same) AS first FROM lines WHERE batch_id = $1 AND fate IS NULL) d
WHERE d.first < d.seq AND l.batch_id = $1 AND l.seq = d.seq
"""
CLOSE = """
UPDATE batches
SET total = $2, invalid = $3, duplicates = $4, queued = $5, running_since = clock_timestamp(),
    status = CASE WHEN $5 > 0 THEN 'running' ELSE 'finished' END, filed = CASE WHEN $5 > 0 THEN 0 ELSE $2 END,
    finished_at = CASE WHEN $5 > 0 THEN NULL ELSE clock_timestamp() END
WHERE id = $1
"""

# What has come is all there is.
GIVE_UP = """
UPDATE batches b
SET status = 'cancelled', finished_at = clock_timestamp(), stopped = true, reason = $2,
    total = c.total, invalid = c.invalid, cancelled = c.total - c.invalid
FROM (SELECT coalesce(sum(records), 0)::integer AS total, coalesce(sum(invalid), 0)::integer AS invalid
      FROM chunks WHERE batch_id = $1) c
WHERE b.id = $1
"""
# Of a batch that was closed. It takes long where many lines are left, and stays true while the job that files them is
# held. What was cancelled before it was filed, and then asked for again in part, has been counted.
UNFILED = """
SELECT (SELECT count(*)::integer FROM lines l
        WHERE NOT b.stopped AND l.batch_id = b.id AND l.seq > b.filed AND l.fate IS NULL)
FROM batches b WHERE b.id = $1 AND b.status IN ('running', 'paused')
"""
CANCEL = """
UPDATE batches
SET status = 'cancelled', finished_at = clock_timestamp(), stopped = true, reason = $2,
    queued = queued - $3, cancelled = cancelled + $3
WHERE id = $1
"""
PAUSE = "UPDATE batches SET status = 'paused' WHERE id = $1"
RESUME = """
UPDATE batches SET status = 'running', running_since = clock_timestamp(), recent = 0, recent_at = clock_timestamp()
WHERE id = $1
"""
# One that is paused or running stays so.
REOPEN = """
UPDATE batches
SET status = 'running', finished_at = NULL, reason = NULL, running_since = clock_timestamp(), recent = 0,
    recent_at = clock_timestamp()
WHERE id = $1 AND status IN ('finished', 'cancelled')
"""
DELETE = "UPDATE batches SET status = 'deleted' WHERE id = $1"

LOCK_JOBS = "SELECT id FROM jobs WHERE batch_id = $1 AND finished_at IS NULL ORDER BY id FOR UPDATE"
END_JOBS = "DELETE FROM jobs WHERE batch_id = $1 AND kind = ANY ($2::text[]) AND finished_at IS NULL"
BEGIN_JOB = """
INSERT INTO jobs (id, kind, batch_id, filter, after, asked_at, touched_at, trace)
VALUES ($1, $2, $3, $4, $5, clock_timestamp(), clock_timestamp(), $6)
"""

# What was cancelled may be asked for again when all of it is cancelled.
TAKE_JOB = """
SELECT j.id, j.kind, j.batch_id, j.filter, j.after, j.changed, j.asked_at, j.trace FROM jobs j
WHERE j.finished_at IS NULL AND j.touched_at <= clock_timestamp() AND (j.kind <> 'retry' OR NOT EXISTS (
    SELECT FROM jobs o WHERE o.batch_id = j.batch_id AND o.kind = 'cancel' AND o.finished_at IS NULL))
ORDER BY j.touched_at LIMIT 1 FOR UPDATE OF j SKIP LOCKED
"""
MOVE_JOB = """
UPDATE jobs
SET after = $2, changed = changed + $3, touched_at = clock_timestamp(),
    finished_at = CASE WHEN $4 THEN clock_timestamp() END
WHERE id = $1
"""
# Whoever holds it goes on with it.
PUT_OFF_JOB = """
UPDATE jobs SET touched_at = clock_timestamp() + make_interval(secs => $2)
WHERE id = (SELECT id FROM jobs WHERE id = $1 AND finished_at IS NULL FOR UPDATE SKIP LOCKED)
"""
OLDEST_JOB_S = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(asked_at)), 0)::float8 FROM jobs WHERE finished_at IS NULL
"""

KNOWN_HOSTS = "SELECT host FROM hosts WHERE host = ANY ($1::text[])"

READ_PROGRESS = "SELECT status, total, filed, question, trace FROM batches WHERE id = $1"
HOSTS_OF_FILED = """
SELECT DISTINCT host FROM lines WHERE batch_id = $1 AND seq > $2 AND seq <= $3 AND fate IS NULL
"""
AWAKE = """
SELECT host FROM hosts WHERE host = ANY ($1::text[]) AND wake_bulk <= clock_timestamp() + interval '2 s'
FOR KEY SHARE SKIP LOCKED
"""
NEXT_TO_FILE = """
SELECT count(*)::integer AS records, max(seq) AS last
FROM (SELECT seq FROM lines WHERE batch_id = $1 AND seq > $2 AND fate IS NULL ORDER BY seq LIMIT $3) n
"""
FILE = """
WITH added AS (
    INSERT INTO checks (id, url, host, question, label, bulk, trace, status)
    SELECT check_of(batch_id, seq), url, host, coalesce(question, $5), label, true, $6, 'queued'
    FROM lines WHERE batch_id = $1 AND seq > $2 AND seq <= $3 AND fate IS NULL
    ORDER BY seq
    RETURNING id, host)
INSERT INTO queue (check_id, attempt, host, bulk, due_at, parked)
SELECT id, 1, host, true, now(), $4 FROM added
"""
FILED = "UPDATE batches SET filed = $2 WHERE id = $1 AND status = $3 RETURNING id"

# A host that is due already is looked at in any case; the others are planned anew.
PLAN_HOSTS = """
SELECT plan_hosts(ARRAY(SELECT host FROM hosts WHERE host = ANY ($1::text[])
                            AND (wake_bulk IS NULL OR wake_bulk > clock_timestamp() OR $4)), $2, $3)
"""

# Many hosts that begin at the same moment would go on in step, and their requests come in crowds ever after. So those
# that were at rest begin at moments of their own, each within its first turn.
SPREAD_HOSTS = """
UPDATE hosts SET next_start_at = clock_timestamp()
    + random() * make_interval(secs => least($2::float8, cardinality($1) * $3::float8))
WHERE host = ANY ($1::text[]) AND wake_bulk IS NULL AND next_start_at <= clock_timestamp()
"""

LOCK_CHECKS = "SELECT id FROM checks WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE"

# An open check is in one of the two. Who opens one again behind the walk does so on purpose.
NEXT_OPEN = """
SELECT id FROM (
    (SELECT check_id AS id FROM queue WHERE check_id > $1 AND check_id <= $2 ORDER BY check_id LIMIT $3)
    UNION
    (SELECT DISTINCT check_id FROM leases WHERE check_id > $1 AND check_id <= $2 ORDER BY check_id LIMIT $3)) open
ORDER BY id LIMIT $3
"""
LOCK_OPEN = """
SELECT id, status FROM checks WHERE id = ANY ($1::uuid[]) AND status IN ('queued', 'running') ORDER BY id FOR UPDATE
"""
CANCEL_CHECKS = """
UPDATE checks
SET status = 'cancelled', next_attempt_at = NULL, finished_at = greatest(clock_timestamp(), started_at)
WHERE id = ANY ($1::uuid[])
"""
ADD_CANCELLED = "INSERT INTO cancelled (check_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"

NEXT_PARKED = """
SELECT check_id, host FROM queue WHERE check_id > $1 AND check_id <= $2 AND parked = $3 ORDER BY check_id LIMIT $4
"""
PARK = "UPDATE queue SET parked = $2 WHERE check_id = ANY ($1::uuid[])"

# Of those that failed once, as far as $2; null when fewer are left than are looked at in one go.
END_OF_FAILED = """
SELECT check_id FROM results WHERE error_code IS NOT NULL AND check_id > $1 AND check_id <= $2
ORDER BY check_id OFFSET $3 - 1 LIMIT 1
"""
END_OF_CANCELLED = """
SELECT check_id FROM cancelled WHERE check_id > $1 AND check_id <= $2 ORDER BY check_id OFFSET $3 - 1 LIMIT 1
"""
# What the list of checks means by its filters.
_MATCHING = """
    AND c.finished_at <= $3
    AND ($4::text IS NULL OR c.host = $4) AND ($5::text IS NULL OR starts_with(reverse(c.host), $5))
    AND ($6::text IS NULL OR c.label = $6)
    AND ($7::text IS NULL OR EXISTS (SELECT FROM questions q WHERE q.id = c.question AND $7 = ANY (q.words)))
    AND (cardinality($8::text[]) = 0 OR EXISTS (SELECT FROM unnest($8) AS p WHERE starts_with(c.url, p)))
"""
MATCHING_FAILED = f"""
SELECT c.id, c.host FROM results r JOIN checks c ON c.id = r.check_id
WHERE r.error_code IS NOT NULL AND r.check_id > $1 AND r.check_id <= $2 AND c.id > $1 AND c.id <= $2
    AND c.status = 'failed' {_MATCHING}
    AND ($10::text IS NULL OR r.error_code = $10) AND ($11::integer IS NULL OR r.http_status = $11)
ORDER BY r.check_id LIMIT $9
"""  # noqa: S608 - put together of constants
MATCHING_CANCELLED = f"""
SELECT c.id, c.host FROM cancelled x JOIN checks c ON c.id = x.check_id
WHERE x.check_id > $1 AND x.check_id <= $2 AND c.id > $1 AND c.id <= $2 AND c.status = 'cancelled' {_MATCHING}
ORDER BY x.check_id LIMIT $9
"""  # noqa: S608 - the same
LOCK_ENDED = """
SELECT id, bulk FROM checks WHERE id = ANY ($1::uuid[]) AND status = $2 AND finished_at <= $3 ORDER BY id FOR UPDATE
"""
# As `lifecycle.retried`.
RETRY_CHECKS = """
UPDATE checks
SET status = 'queued', run = run + 1, first_attempt = last_attempt + 1, attempts = 0, lost = 0, deaths = 0,
    next_attempt_at = NULL, started_at = NULL, finished_at = NULL
WHERE id = ANY ($1::uuid[])
"""
ENQUEUE = """
INSERT INTO queue (check_id, attempt, host, bulk, due_at)
SELECT id, last_attempt + 1, host, bulk, now() FROM checks WHERE id = ANY ($1::uuid[])
"""
READ_CODES = "SELECT check_id, error_code FROM results WHERE check_id = ANY ($1::uuid[])"
# When nothing came of a retry.
SETTLE = """
UPDATE batches SET status = 'finished', finished_at = clock_timestamp()
WHERE id = $1 AND status IN ('running', 'paused') AND queued + running = 0
"""

NEXT_TO_DELETE = """
SELECT count(*)::integer AS records, max(seq) AS last
FROM (SELECT seq FROM lines WHERE batch_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) n
"""
LOCK_RANGE = "SELECT id FROM checks WHERE id > $1 AND id <= $2 ORDER BY id FOR UPDATE"
# From whoever holds the checks.
DELETE_RANGE = (
    "DELETE FROM checks WHERE id > $1 AND id <= $2",
    "DELETE FROM queue WHERE check_id > $1 AND check_id <= $2",
    "DELETE FROM results WHERE check_id > $1 AND check_id <= $2",
    "DELETE FROM attempts WHERE check_id > $1 AND check_id <= $2",
    "DELETE FROM cancelled WHERE check_id > $1 AND check_id <= $2",
)
DELETE_LINES = "DELETE FROM lines WHERE batch_id = $1 AND seq > $2 AND seq <= $3"
DELETE_REST = (
    "DELETE FROM batch_errors WHERE batch_id = $1",
    "DELETE FROM batch_words WHERE batch_id = $1",
    DROP_CHUNKS,
    "DELETE FROM batches WHERE id = $1",
)

# Uploads of which nothing was heard; what another transaction holds is being heard of.
SILENT = """
SELECT b.id, b.trace FROM batches b
WHERE b.status = 'receiving' AND b.recent_at < clock_timestamp() - make_interval(secs => $1) AND NOT EXISTS (
    SELECT FROM chunks c
    WHERE c.batch_id = b.id AND c.received_at >= clock_timestamp() - make_interval(secs => $1))
ORDER BY b.id LIMIT $2 FOR UPDATE OF b SKIP LOCKED
"""
IS_SILENT = """
SELECT NOT EXISTS (SELECT FROM chunks WHERE batch_id = $1
                   AND received_at >= clock_timestamp() - make_interval(secs => $2))
"""

PRUNE = (
    """
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs WHERE finished_at < clock_timestamp() - interval '24 h'
    ORDER BY finished_at LIMIT $1 FOR UPDATE SKIP LOCKED)
""",
)
