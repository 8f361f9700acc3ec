"""What must be true of the tables at any moment, whatever was done to them: SQL that finds what breaks each rule.

Each query gives ids, of checks or of batches, or the names of states; `$1` stands for the hosts that are trusted. Sets
are compared with sets: a look-up a row would take an hour where this takes seconds. What is being deleted by and by is
left out.
"""

CHECKS = {
    "an open check is either queued or has a lease on its newest attempt": """
        SELECT c.id FROM checks c
        LEFT JOIN queue q ON q.check_id = c.id AND q.attempt = c.last_attempt + 1
        LEFT JOIN leases l ON l.check_id = c.id AND l.attempt = c.last_attempt AND c.last_attempt >= c.first_attempt
        WHERE c.status IN ('queued', 'running') AND (q.check_id IS NULL) = (l.check_id IS NULL)""",
    "what is queued is an open check": """
        SELECT q.check_id FROM queue q LEFT JOIN checks c ON c.id = q.check_id
        WHERE c.id IS NULL OR c.status <> 'queued' OR q.host <> c.host OR q.bulk <> c.bulk""",
    "a check that ended has a result, of this run": """
        SELECT c.id FROM checks c LEFT JOIN results r ON r.check_id = c.id
        WHERE (c.status = 'done' AND (r.error_code IS NOT NULL OR r.counts IS NULL OR r.attempt < c.first_attempt))
            OR (c.status = 'failed' AND (r.error_code IS NULL OR r.attempt < c.first_attempt))
            OR (c.status IN ('done', 'failed') AND r.check_id IS NULL)""",
    "times are those of the state": """
        SELECT id FROM checks
        WHERE (finished_at IS NOT NULL) <> (status IN ('done', 'failed', 'cancelled'))
            OR (next_attempt_at IS NOT NULL AND status <> 'queued') OR (status = 'running' AND started_at IS NULL)
            OR finished_at < started_at""",
    "attempts and losses are what the history says": """
        SELECT c.id FROM checks c LEFT JOIN (
            SELECT check_id, run, count(*) FILTER (WHERE error_code <> 'lost') AS ended,
                   count(*) FILTER (WHERE error_code = 'lost') AS lost
            FROM attempts GROUP BY check_id, run) h ON h.check_id = c.id AND h.run = c.run
        WHERE c.status IN ('queued', 'running', 'failed')
            AND (c.attempts <> coalesce(h.ended, 0) OR c.lost <> coalesce(h.lost, 0))""",
    "the list of cancelled checks is that": """
        SELECT coalesce(c.id, l.check_id) FROM (SELECT id FROM checks WHERE status = 'cancelled') c
        FULL JOIN cancelled l ON l.check_id = c.id WHERE c.id IS NULL OR l.check_id IS NULL""",
    "nothing is left of a check that is gone": """
        SELECT p.check_id FROM (SELECT check_id FROM results UNION ALL SELECT check_id FROM attempts) p
        WHERE NOT EXISTS (SELECT FROM checks c WHERE c.id = p.check_id)""",
    "what an Idempotency-Key has made is there": """
        SELECT k.made_id FROM keys k
        WHERE NOT EXISTS (SELECT FROM checks c WHERE c.id = k.made_id)
            AND NOT EXISTS (SELECT FROM batches b WHERE b.id = k.made_id AND b.status <> 'deleted')""",
    "what was deleted is gone": """
        SELECT c.id FROM checks c JOIN outcomes o ON o.check_id = c.id AND o.outcome = 'deleted'
        UNION ALL
        SELECT b.id FROM batches b JOIN outcomes o ON o.batch_id = b.id AND o.outcome = 'deleted'
        WHERE b.status <> 'deleted'""",
    "a host that has something to do is looked at": """
        SELECT q.check_id FROM queue q LEFT JOIN hosts h ON h.host = q.host
        WHERE NOT q.parked AND q.host <> ALL ($1::text[])
            AND CASE WHEN q.bulk THEN h.wake_bulk ELSE h.wake_interactive END IS NULL
            AND NOT EXISTS (  -- of what is being filed the next slice sees to that; what goes needs it no more
                SELECT FROM jobs j WHERE q.bulk AND j.finished_at IS NULL AND j.batch_id = batch_of(q.check_id)
                    AND (j.kind IN ('cancel', 'delete') OR j.kind = 'file' AND j.after < q.check_id))""",
    "as many checks are in each state as the sums say": """
        SELECT coalesce(c.status, t.status)
        FROM (SELECT status, count(*) AS checks FROM checks GROUP BY status) c
        FULL JOIN (SELECT status, sum(checks) AS checks FROM tallies GROUP BY status) t ON t.status = c.status
        WHERE coalesce(c.checks, 0) <> coalesce(t.checks, 0)""",
    "what a check asks for is there": """
        SELECT c.id FROM checks c WHERE NOT EXISTS (SELECT FROM questions q WHERE q.id = c.question)""",
}

_STATES = """
    SELECT l.batch_id,
           CASE WHEN l.fate = 'deleted' THEN 'cancelled' WHEN l.fate IS NOT NULL THEN l.fate
                WHEN l.seq <= b.filed THEN c.status WHEN b.stopped THEN 'cancelled' ELSE 'queued' END AS state
    FROM lines l JOIN batches b ON b.id = l.batch_id LEFT JOIN checks c ON c.id = check_of(l.batch_id, l.seq)
    WHERE b.status NOT IN ('receiving', 'deleted')"""
_JOB = "EXISTS (SELECT FROM jobs j WHERE j.batch_id = b.id AND j.finished_at IS NULL AND j.kind IN {kinds})"

BATCHES = {
    "counters of a batch are what its lines and checks say": f"""
        SELECT b.id FROM batches b LEFT JOIN (
            SELECT batch_id, count(*) AS total, count(*) FILTER (WHERE state = 'queued') AS queued,
                   count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'done') AS done,
                   count(*) FILTER (WHERE state = 'failed') AS failed,
                   count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
                   count(*) FILTER (WHERE state = 'duplicate') AS duplicates,
                   count(*) FILTER (WHERE state = 'invalid') AS invalid
            FROM ({_STATES}) s GROUP BY batch_id) s ON s.batch_id = b.id
        WHERE b.status NOT IN ('receiving', 'deleted')
            AND (b.total, b.queued, b.running, b.done, b.failed, b.cancelled, b.duplicates, b.invalid)
                <> (coalesce(s.total, 0), coalesce(s.queued, 0), coalesce(s.running, 0), coalesce(s.done, 0),
                    coalesce(s.failed, 0), coalesce(s.cancelled, 0), coalesce(s.duplicates, 0),
                    coalesce(s.invalid, 0))""",  # noqa: S608 - a constant from above
    "the states of a batch's lines add up to all of them": """
        SELECT id FROM batches
        WHERE status <> 'deleted' AND queued + running + done + failed + cancelled + duplicates + invalid <> total""",
    "what was received of an upload is what its chunks say": """
        SELECT b.id FROM batches b
        LEFT JOIN (SELECT batch_id, sum(records) AS records, sum(invalid) AS invalid FROM chunks GROUP BY batch_id) r
            ON r.batch_id = b.id
        LEFT JOIN (SELECT batch_id, count(*) AS records, count(*) FILTER (WHERE fate = 'invalid') AS invalid,
                          count(*) FILTER (WHERE fate <> 'invalid') AS others
                   FROM lines GROUP BY batch_id) l ON l.batch_id = b.id
        WHERE b.status = 'receiving' AND (
            b.total + b.queued + b.running + b.done + b.failed + b.cancelled + b.duplicates + b.invalid + b.filed <> 0
            OR coalesce(r.records, 0) <> coalesce(l.records, 0) OR coalesce(r.invalid, 0) <> coalesce(l.invalid, 0)
            OR l.others <> 0)""",
    "errors of a batch are those of its failed checks": """
        SELECT coalesce(s.batch_id, e.batch_id) FROM (
            SELECT batch_of(c.id) AS batch_id, r.error_code AS code, count(*) AS checks
            FROM checks c JOIN results r ON r.check_id = c.id
            WHERE c.bulk AND c.status = 'failed' GROUP BY 1, 2) s
        FULL JOIN batch_errors e ON e.batch_id = s.batch_id AND e.code = s.code
        WHERE e.checks IS DISTINCT FROM s.checks
            AND coalesce(s.batch_id, e.batch_id) NOT IN (SELECT id FROM batches WHERE status = 'deleted')""",
    "words of a batch are counted as often as on its pages": """
        SELECT coalesce(s.batch_id, w.batch_id) FROM (
            SELECT batch_of(c.id) AS batch_id, n.key AS word, sum(n.value::bigint) AS total
            FROM checks c JOIN results r ON r.check_id = c.id CROSS JOIN LATERAL jsonb_each_text(r.counts) n
            WHERE c.bulk AND c.status = 'done' GROUP BY 1, 2 HAVING sum(n.value::bigint) <> 0) s
        FULL JOIN batch_words w ON w.batch_id = s.batch_id AND w.word = s.word
        WHERE w.total IS DISTINCT FROM s.total
            AND coalesce(s.batch_id, w.batch_id) NOT IN (SELECT id FROM batches WHERE status = 'deleted')""",
    "a batch is finished exactly when nothing of it is open": f"""
        SELECT b.id FROM batches b
        WHERE (b.status IN ('running', 'paused', 'finished') AND (b.status = 'finished') <> (b.queued + b.running = 0)
                AND NOT {_JOB.format(kinds="('retry')")})
            OR (b.status <> 'deleted' AND (b.finished_at IS NOT NULL) <> (b.status IN ('finished', 'cancelled')))""",  # noqa: S608
    "each line that is filed has its check, and each check its line": """
        SELECT coalesce(check_of(l.batch_id, l.seq), c.id) FROM (
            SELECT l.*, b.question AS usual FROM lines l JOIN batches b ON b.id = l.batch_id
            WHERE b.status <> 'deleted' AND l.fate IS NULL AND l.seq <= b.filed) l
        FULL JOIN (
            SELECT * FROM checks
            WHERE bulk AND batch_of(id) NOT IN (SELECT id FROM batches WHERE status = 'deleted')) c
            ON c.id = check_of(l.batch_id, l.seq)
        WHERE c.id IS NULL OR l.seq IS NULL OR c.url <> l.url OR c.host <> l.host
            OR c.question <> coalesce(l.question, l.usual) OR c.label IS DISTINCT FROM l.label""",
    "checks are bulk work exactly when they are of a batch": """
        SELECT c.id FROM checks c LEFT JOIN batches b ON b.id = batch_of(c.id) WHERE c.bulk <> (b.id IS NOT NULL)""",
    "a duplicate points to an earlier line that asks for the same and is none": """
        SELECT check_of(l.batch_id, l.seq) FROM lines l JOIN batches b ON b.id = l.batch_id
        LEFT JOIN lines f ON f.batch_id = l.batch_id AND f.seq = l.first
        WHERE b.status <> 'deleted' AND (l.fate = 'duplicate') IS TRUE AND (
            f.seq IS NULL OR f.seq >= l.seq OR f.same IS DISTINCT FROM l.same OR f.fate IN ('duplicate', 'invalid'))""",
    "no two lines of a batch ask for the same unless one says so": """
        SELECT l.batch_id FROM lines l JOIN batches b ON b.id = l.batch_id
        WHERE b.status IN ('running', 'paused', 'finished') AND (l.fate IS NULL OR l.fate = 'deleted')
        GROUP BY l.batch_id, l.same HAVING count(*) > 1""",
    "what is not filed is on its way": f"""
        SELECT b.id FROM batches b
        WHERE b.status IN ('running', 'paused', 'finished') AND NOT b.stopped
            AND EXISTS (SELECT FROM lines l WHERE l.batch_id = b.id AND l.fate IS NULL AND l.seq > b.filed)
            AND NOT {_JOB.format(kinds="('file')")}""",  # noqa: S608
    "what is to be asked for is there": """
        SELECT b.id FROM batches b
        WHERE b.status <> 'deleted' AND NOT EXISTS (SELECT FROM questions q WHERE q.id = b.question)
        UNION ALL
        SELECT check_of(l.batch_id, l.seq) FROM lines l JOIN batches b ON b.id = l.batch_id
        WHERE b.status IN ('receiving', 'running', 'paused') AND NOT b.stopped AND l.fate IS NULL AND l.seq > b.filed
            AND l.question IS NOT NULL AND NOT EXISTS (SELECT FROM questions q WHERE q.id = l.question)""",
    "what is parked is of a paused batch, and all of that is": f"""
        SELECT q.check_id FROM queue q LEFT JOIN batches b ON b.id = batch_of(q.check_id)
        WHERE (q.parked AND NOT q.bulk) OR (q.bulk AND b.status <> 'deleted' AND q.parked <> (b.status = 'paused')
            AND NOT {_JOB.format(kinds="('park', 'unpark', 'retry', 'cancel')")})""",  # noqa: S608
    "of a cancelled batch nothing goes on but what was asked for again": f"""
        SELECT c.id FROM checks c JOIN batches b ON b.id = batch_of(c.id)
        WHERE c.bulk AND b.status = 'cancelled' AND c.status IN ('queued', 'running') AND c.run = 1
            AND NOT {_JOB.format(kinds="('cancel')")}""",  # noqa: S608
    "chunks are of uploads that go on": """
        SELECT DISTINCT h.batch_id FROM chunks h LEFT JOIN batches b ON b.id = h.batch_id
        WHERE b.status IS DISTINCT FROM 'receiving' AND b.status IS DISTINCT FROM 'deleted'""",
    "nothing is left of a batch that is gone, and what is being deleted goes": f"""
        SELECT p.batch_id FROM (
            SELECT DISTINCT batch_id FROM lines UNION SELECT batch_id FROM batch_errors
            UNION SELECT batch_id FROM batch_words
            UNION SELECT batch_id FROM jobs WHERE finished_at IS NULL AND batch_id IS NOT NULL) p
        WHERE NOT EXISTS (SELECT FROM batches b WHERE b.id = p.batch_id)
        UNION ALL
        SELECT b.id FROM batches b WHERE b.status = 'deleted' AND NOT {_JOB.format(kinds="('delete')")}""",  # noqa: S608
}

RULES = CHECKS | BATCHES
