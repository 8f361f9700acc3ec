-- The rest of a check's life: cancelled, asked for again, deleted; lists by what people look for.

-- Checks that somebody has cancelled: the state itself is not indexed, so that updates of checks stay on their page.
CREATE TABLE cancelled (
    check_id uuid PRIMARY KEY
);

-- Deleting a check frees its Idempotency-Key.
CREATE INDEX keys_by_check ON keys (check_id);

-- A submission that comes again must not bring back what was deleted meanwhile.
CREATE INDEX outcomes_deleted ON outcomes (check_id) WHERE outcome = 'deleted';

-- The history has counts, too: of attempts that ended after somebody had cancelled their check.
ALTER TABLE attempts ALTER COLUMN error_code DROP NOT NULL;
COMMENT ON COLUMN attempts.error_code IS 'null: counted';

-- Lists are in the order of ids, newest first: each index has that order within the value looked for, so that a page of
-- 50 is read from 50 entries. Those that can't (a beginning, an ending, a word) serve what is rare; what is common is soon
-- found among the newest. Of checks only what never changes is indexed.
CREATE INDEX checks_by_host ON checks (host, id);
CREATE INDEX checks_by_host_suffix ON checks (reverse(host) text_pattern_ops, id);
CREATE INDEX checks_by_label ON checks (label, id) WHERE label IS NOT NULL;
CREATE INDEX checks_by_url ON checks (left(url, 200) text_pattern_ops, id);  -- an entry may have 2,704 bytes
CREATE INDEX checks_by_word ON checks USING gin (words);
-- Done and failed are apart: an index on (error_code, check_id) does not give those without an error in order, and many
-- an HTTP status belongs nearly always to one of the two.
CREATE INDEX results_of_done ON results (check_id) WHERE error_code IS NULL;
CREATE INDEX results_of_failed ON results (check_id) WHERE error_code IS NOT NULL;
CREATE INDEX results_by_error ON results (error_code, check_id) WHERE error_code IS NOT NULL;
CREATE INDEX results_of_done_by_http_status ON results (http_status, check_id) WHERE error_code IS NULL;
CREATE INDEX results_of_failed_by_http_status ON results (http_status, check_id)
    WHERE error_code IS NOT NULL AND http_status IS NOT NULL;

-- As before, but an attempt of an earlier run says nothing about this one, and rows are locked in the order of their
-- keys, so that nobody can wait for each other in a circle.
CREATE OR REPLACE FUNCTION sweep_leases(
    p_ended_s double precision, p_most integer, p_concurrency integer, p_rate_per_s double precision,
    p_trusted text[])
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_before timestamptz := clock_timestamp() - make_interval(secs => p_ended_s);
    v_held text[];
    v_lost integer;
BEGIN
    SELECT array_agg(d.host) INTO v_held FROM (
        SELECT h.host FROM hosts h
        WHERE h.host IN (SELECT l.host FROM leases l WHERE l.not_after < v_before ORDER BY l.not_after LIMIT p_most)
        ORDER BY h.host FOR UPDATE SKIP LOCKED) d;
    v_held := coalesce(v_held, '{}') || p_trusted;
    WITH ended AS MATERIALIZED (
        SELECT l.check_id, l.attempt FROM leases l
        WHERE l.not_after < v_before AND l.host = ANY (v_held)
        ORDER BY l.check_id, l.attempt LIMIT p_most FOR UPDATE SKIP LOCKED),
    gone AS (
        DELETE FROM leases l USING ended e WHERE l.check_id = e.check_id AND l.attempt = e.attempt
        RETURNING l.check_id, l.attempt, l.not_before),
    waiting AS MATERIALIZED (
        SELECT c.id, g.not_before FROM checks c JOIN gone g ON g.check_id = c.id
        WHERE c.last_attempt = g.attempt AND c.first_attempt <= g.attempt AND c.status IN ('queued', 'running')
            AND c.next_attempt_at IS NULL
        ORDER BY c.id FOR UPDATE OF c),
    requeued AS (
        UPDATE checks c
        SET status = 'queued', lost = c.lost + 1, started_at = NULL,
            next_attempt_at = clock_timestamp()
                + make_interval(secs => least(10, 2 ^ least(c.lost, 4) - 1) * (0.5 + random() / 2))
        FROM waiting w
        WHERE c.id = w.id
        RETURNING c.*, w.not_before),
    history AS (
        INSERT INTO attempts (check_id, attempt, run, started_at, finished_at, error_code)
        SELECT r.id, r.last_attempt, r.run, r.not_before, clock_timestamp(), 'lost' FROM requeued r
        ON CONFLICT DO NOTHING)
    INSERT INTO queue (check_id, attempt, host, bulk, due_at)
    SELECT r.id, r.last_attempt + 1, r.host, r.bulk, r.next_attempt_at FROM requeued r;
    GET DIAGNOSTICS v_lost = ROW_COUNT;
    PERFORM plan_hosts(v_held, p_concurrency, p_rate_per_s);
    RETURN v_lost;
END $$;

GRANT SELECT ON cancelled TO wordwatch_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON cancelled TO wordwatch_recorder;
