"""All SQL that writes, but for what functions of the schema do: the claim, and sets that are committed at once.

Sets come as arrays, one array a column. Whoever takes locks takes them in this order: keys, hosts, questions, leases,
checks, queue, lines, batches, and within each in the order of its key, so that two recorders can wait for each other
but never in a circle. A check's row guards its place in the queue, its result and its history: who changes one of them
holds the row.

Each way to the server and back costs a busy machine some milliseconds, in which those wait who need the same rows. So
what may go together goes in one statement.
"""


def _places(first: int, last: int) -> str:
    return ", ".join(f"${number}" for number in range(first, last + 1))


# The first look of a flush: the hosts of the checks that it names by their ids, and which of all its hosts are there.
BEGIN_FLUSH = """
WITH of_checks AS MATERIALIZED (SELECT DISTINCT host FROM checks WHERE id = ANY ($1::uuid[]))
SELECT clock_timestamp() AS now, ARRAY(SELECT host FROM of_checks) AS of_checks,
       ARRAY(SELECT host FROM hosts WHERE host = ANY ($2::text[] || ARRAY(SELECT host FROM of_checks))) AS known
"""

# A key that another check or batch holds for less than a day stays as it is; who holds it now is read afterwards.
TAKE_KEYS = """
INSERT INTO keys (key, digest, made_id, created_at)
SELECT key, digest, made_id, clock_timestamp()
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS k (key, digest, made_id)
ORDER BY key
ON CONFLICT (key) DO UPDATE
    SET digest = EXCLUDED.digest, made_id = EXCLUDED.made_id, created_at = EXCLUDED.created_at
WHERE keys.created_at < clock_timestamp() - interval '24 h'
"""
READ_KEYS = "SELECT key, digest, made_id FROM keys WHERE key = ANY ($1::text[])"
LOCK_KEYS = "SELECT key FROM keys WHERE made_id = ANY ($1::uuid[]) ORDER BY key FOR UPDATE"
# Those of checks that were submitted since the former: whoever holds them may wait for what is held here by now.
LOCK_NEW_KEYS = f"{LOCK_KEYS} NOWAIT"
FREE_KEYS = "DELETE FROM keys WHERE made_id = ANY ($1::uuid[])"

READ_OUTCOMES = "SELECT command_id, outcome, check_id, batch_id FROM outcomes WHERE command_id = ANY ($1::uuid[])"

KNOWN_CHECKS = "SELECT id FROM checks WHERE id = ANY ($1::uuid[])"

# First what is missing is added, then all are locked: whoever waits in the first step holds no lock of the second.
LOCK_HOSTS = "SELECT host FROM hosts WHERE host = ANY ($1::text[]) ORDER BY host FOR UPDATE"
ADD_HOSTS = "INSERT INTO hosts (host) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
PAUSE_HOSTS = """
UPDATE hosts h SET next_start_at = greatest(h.next_start_at, clock_timestamp() + make_interval(secs => p.pause_s))
FROM (SELECT host, max(pause_s) AS pause_s FROM unnest($1::text[], $2::float8[]) AS p (host, pause_s) GROUP BY host) p
WHERE h.host = p.host
"""

READ_CHECKS = """
SELECT id, status, run, first_attempt, last_attempt, attempts, lost, deaths, next_attempt_at, started_at, finished_at,
       trace, bulk
FROM checks WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE
"""

# Who adds checks holds the rows of their questions until its commit, as what nobody asks for is pruned. Those that are
# not held by this are added.
HOLD_QUESTIONS = "SELECT id FROM questions WHERE id = ANY ($1::uuid[]) ORDER BY id FOR KEY SHARE"
ADD_QUESTIONS = """
INSERT INTO questions (id, same, words, scope, whole_word, case_sensitive)
SELECT id, same, ARRAY(SELECT jsonb_array_elements_text(words)), scope, whole_word, case_sensitive
FROM unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::text[], $5::boolean[], $6::boolean[])
    AS q (id, same, words, scope, whole_word, case_sensitive)
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
"""

# What a flush holds before it looks at checks: hosts, questions, and leases, which it ends. In this order, as that of
# the columns is the order in which they are worked out.
LOCK_FLUSH = f"""
WITH h AS MATERIALIZED ({LOCK_HOSTS}),
q AS MATERIALIZED (SELECT id FROM questions WHERE id = ANY ($2::uuid[]) ORDER BY id FOR KEY SHARE),
named AS MATERIALIZED (
    SELECT l.check_id, l.attempt
    FROM leases l JOIN unnest($3::uuid[], $4::integer[]) AS r (check_id, attempt) USING (check_id, attempt)
    ORDER BY l.check_id, l.attempt FOR UPDATE OF l),
ended AS (
    DELETE FROM leases l USING named n WHERE l.check_id = n.check_id AND l.attempt = n.attempt
    RETURNING l.check_id, l.attempt)
SELECT (SELECT count(*) FROM h) AS hosts, ARRAY(SELECT id FROM q) AS questions,
       ARRAY(SELECT (check_id, attempt) FROM ended) AS leases
"""  # noqa: S608 - put together of constants

# A repeated command finds its check there, or finds that it was deleted, and changes nothing.
ADD_CHECKS = """
WITH added AS (
    INSERT INTO checks (id, url, host, question, label, bulk, trace, status, next_attempt_at)
    SELECT id, url, host, question, label, false, trace, 'queued', run_at
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
        AS c (id, url, host, question, label, trace, run_at)
    WHERE NOT EXISTS (SELECT FROM outcomes o WHERE o.check_id = c.id AND o.outcome = 'deleted')
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, host, bulk, next_attempt_at)
INSERT INTO queue (check_id, attempt, host, bulk, due_at)
SELECT id, 1, host, bulk, coalesce(next_attempt_at, clock_timestamp()) FROM added
RETURNING check_id
"""

# A function of the schema (0005_submit.sql), as ways there and back are what this saves. Takes `rows.new_checks`, the
# first end of a command, and arguments of the claim; gives what was added beside each check that was claimed.
SUBMIT_AT_ONCE = """
SELECT * FROM submit_checks($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7, $8, $9, $10,
                            $11, $12::text[])
"""

WERE_DELETED = "SELECT check_id FROM outcomes WHERE check_id = ANY ($1::uuid[]) AND outcome = 'deleted'"

# Everything that a flush writes of checks whose rows it holds: a function of the schema (0006_record.sql). Takes
# `rows.written`; gives the checks of batches whose state this has changed.
_WRITTEN = 34
WRITE_CHECKS = f"SELECT * FROM write_checks({_places(1, _WRITTEN)})"  # noqa: S608 - put together of constants

# What reports are decided on where nothing is held: checks, in which version, and the leases that they have.
READ_REPORTED = """
SELECT id, status, run, first_attempt, last_attempt, attempts, lost, deaths, next_attempt_at, started_at, finished_at,
       trace, bulk, xmin AS version, clock_timestamp() AS now,
       ARRAY(SELECT attempt FROM leases WHERE check_id = checks.id) AS leases
FROM checks WHERE id = ANY ($1::uuid[])
"""

# Commits what was decided so, if all of it still is as it was read. Takes hosts, leases that end, checks with their
# versions, `rows.written`, and arguments of the claim; gives at least one row if it has, and none if it has not.
RECORD_AT_ONCE = f"SELECT * FROM record_checks({_places(1, 5 + _WRITTEN + 5)})"  # noqa: S608 - the same

# What checks of batches came to that are about to be changed or deleted.
READ_ENDS = "SELECT check_id, error_code, counts FROM results WHERE check_id = ANY ($1::uuid[])"

DROP_CANCELLED = "DELETE FROM cancelled WHERE check_id = ANY ($1::uuid[])"

DEQUEUE = "DELETE FROM queue WHERE check_id = ANY ($1::uuid[])"

# Whoever deletes holds the row of the check. Gives those of batches, with their last state.
DELETE_CHECKS = """
WITH gone AS (DELETE FROM checks WHERE id = ANY ($1::uuid[]) RETURNING id, status, bulk)
SELECT id, status AS was FROM gone WHERE bulk
"""
DELETE_WITH_THEM = (
    FREE_KEYS,
    DEQUEUE,
    "DELETE FROM results WHERE check_id = ANY ($1::uuid[])",
    "DELETE FROM attempts WHERE check_id = ANY ($1::uuid[])",
    DROP_CANCELLED,
)

FORGET_LINES = """
WITH named AS MATERIALIZED (
    SELECT l.batch_id, l.seq
    FROM lines l JOIN unnest($1::uuid[], $2::integer[]) AS d (batch_id, seq) USING (batch_id, seq)
    ORDER BY l.batch_id, l.seq FOR UPDATE OF l)
UPDATE lines l SET fate = 'deleted', reason = 'Its check was deleted.'
FROM named n WHERE l.batch_id = n.batch_id AND l.seq = n.seq
"""

STORE_OUTCOMES = """
INSERT INTO outcomes (command_id, outcome, check_id, batch_id, created_at)
SELECT command_id, outcome, check_id, batch_id, clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[]) AS o (command_id, outcome, check_id, batch_id)
ORDER BY command_id
ON CONFLICT (command_id) DO NOTHING
RETURNING command_id
"""

STORE_FETCHERS = """
INSERT INTO fetchers (id, version, capacity, in_flight, finished_last_s, clock_ahead_s, seen_at)
SELECT id, version, capacity, in_flight, finished_last_s, extract(epoch FROM at - clock_timestamp()),
       least(at, clock_timestamp())  -- by when it was said: a backlog must not bring back who has left
FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::integer[], $6::timestamptz[])
    AS f (id, version, capacity, in_flight, finished_last_s, at)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET
    version = EXCLUDED.version, capacity = EXCLUDED.capacity, in_flight = EXCLUDED.in_flight,
    finished_last_s = EXCLUDED.finished_last_s, clock_ahead_s = EXCLUDED.clock_ahead_s, seen_at = EXCLUDED.seen_at
WHERE EXCLUDED.seen_at >= fetchers.seen_at
"""

# Checks whose submission NSQ delivered again: had the recorder died between commit and publish, nobody fetches them.
CLAIMED_FIRST = """
SELECT c.id AS check_id, l.attempt, c.run, c.url, c.host, q.words, q.scope, q.whole_word, q.case_sensitive, c.bulk,
       l.claimed_at, l.not_before, l.not_after, c.lost, c.deaths, c.trace
FROM checks c JOIN questions q ON q.id = c.question JOIN leases l ON l.check_id = c.id AND l.attempt = c.last_attempt
WHERE c.id = ANY ($1::uuid[]) AND c.status = 'queued' AND l.attempt = c.first_attempt
    AND l.not_after > clock_timestamp()
"""

# What nobody needs by the second any more (`finished_last_minute` looks back a minute) becomes minutes, and what nobody
# needs by the minute any more becomes one row. Only whole minutes are summed up: each is in one place.
SUM_UP = """
WITH kept AS (
    SELECT date_trunc('minute', statement_timestamp() - interval '2 min') AS seconds_from,
           date_trunc('minute', statement_timestamp() - interval '24 h') AS minutes_from),
old AS (
    DELETE FROM tallies t USING kept k
    WHERE t.at > '-infinity' AND (t.at < k.minutes_from OR t.writer <> 0 AND t.at < k.seconds_from)
    RETURNING CASE WHEN t.at < k.minutes_from THEN '-infinity' ELSE date_trunc('minute', t.at) END AS at,
              t.status, t.checks, t.ended)
INSERT INTO tallies AS t (at, writer, status, checks, ended)
SELECT at, 0, status, sum(checks), CASE WHEN at > '-infinity' THEN sum(ended) ELSE 0 END
FROM old GROUP BY at, status ORDER BY at, status
ON CONFLICT (at, writer, status) DO UPDATE SET checks = t.checks + EXCLUDED.checks, ended = t.ended + EXCLUDED.ended
"""

# A slice at a time, so that none takes long; what another transaction holds is left for the next time.
MOST_PRUNED = 20_000
PRUNE = (
    """
DELETE FROM keys WHERE key IN (
    SELECT key FROM keys WHERE created_at < clock_timestamp() - interval '24 h'
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)
""",
    """
DELETE FROM outcomes WHERE command_id IN (
    SELECT command_id FROM outcomes WHERE created_at < clock_timestamp() - interval '24 h'
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)
""",
    """
DELETE FROM changes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM changes WHERE at < clock_timestamp() - interval '10 min' ORDER BY xid LIMIT $1))
""",
    """
DELETE FROM fetchers WHERE id IN (
    SELECT id FROM fetchers WHERE seen_at < clock_timestamp() - interval '1 h'
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
""",
)
