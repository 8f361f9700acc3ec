-- As before, but told by those that have ended, which are few: to look at each lease's end takes four times as long.
CREATE OR REPLACE FUNCTION free_capacity() RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT (coalesce(greatest(2 * sum(capacity), sum(finished_last_s)), 0)
            - (SELECT count(*) FROM leases)
            + (SELECT count(*) FROM leases WHERE not_after <= (SELECT clock_timestamp())))::integer
    FROM fetchers WHERE seen_at > clock_timestamp() - interval '10 s'
$$;

-- As before, but rows that trusted hosts have from other times stay as they are: nobody holds those, and who wrote them
-- would wait for each other.
CREATE OR REPLACE FUNCTION claim_checks(
    p_hosts text[], p_most integer, p_concurrency integer, p_rate_per_s double precision,
    p_lease_s double precision, p_trusted text[])
RETURNS TABLE (
    check_id uuid, attempt integer, run integer, url text, host text, words text[], scope text, whole_word boolean,
    case_sensitive boolean, bulk boolean, claimed_at timestamptz, not_before timestamptz, not_after timestamptz,
    lost integer, deaths integer, trace text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan ROWS 50
AS $$
#variable_conflict use_column
DECLARE
    v_room integer := least(p_most, free_capacity());
    v_held text[] := p_hosts;
    v_now timestamptz;
    v_step interval := CASE WHEN p_rate_per_s > 0 THEN make_interval(secs => 1 / p_rate_per_s)
                            ELSE interval '0' END;
BEGIN
    IF v_held IS NULL THEN
        IF v_room <= 0 THEN
            RETURN;
        END IF;
        v_held := lock_due_hosts(v_room, p_trusted) || p_trusted;
    END IF;
    v_now := clock_timestamp();
    IF v_room > 0 THEN
        RETURN QUERY
        WITH limited AS (
            SELECT h.host, greatest(v_now, h.next_start_at) AS start_at, v_step AS step,
                   p_concurrency = 1 AND NOT h.last_bulk AS bulk_first,
                   p_concurrency - (SELECT count(*) FROM leases l
                                    WHERE l.host = h.host AND l.not_after > v_now) AS slots
            FROM hosts h WHERE h.host = ANY (v_held) AND h.host <> ALL (p_trusted)),
        held AS (
            SELECT host, start_at, step, bulk_first,
                   least(slots, CASE WHEN start_at > v_now + interval '1 s' THEN 0
                                     WHEN step = interval '0' THEN slots
                                     ELSE 1 + floor(extract(epoch FROM v_now + interval '1 s' - start_at)
                                                    * p_rate_per_s) END)::integer AS most
            FROM limited
            UNION ALL
            SELECT t.host, v_now, interval '0', false, v_room
            FROM unnest(p_trusted) AS t (host) WHERE t.host = ANY (v_held)),
        candidates AS (
            SELECT d.check_id, d.attempt, d.bulk, d.due_at, held.step, held.start_at,
                   row_number() OVER (PARTITION BY held.host ORDER BY d.turn, d.due_at, d.check_id) AS place
            FROM held CROSS JOIN LATERAL (
                (SELECT 1 AS turn, q.* FROM queue q
                 WHERE q.host = held.host AND q.bulk = held.bulk_first AND q.due_at <= v_now
                 ORDER BY q.due_at, q.check_id LIMIT held.most)
                UNION ALL
                (SELECT 2 AS turn, q.* FROM queue q
                 WHERE q.host = held.host AND q.bulk = NOT held.bulk_first AND q.due_at <= v_now
                 ORDER BY q.due_at, q.check_id LIMIT held.most)
                ORDER BY turn, due_at, check_id LIMIT held.most) d
            WHERE held.most > 0),
        -- The check's row is what guards its place in the queue: who changes one holds the other. A claim that
        -- another transaction committed in between has raised last_attempt.
        chosen AS MATERIALIZED (
            SELECT c.id, d.attempt, d.start_at + (d.place - 1) * d.step AS not_before
            FROM candidates d JOIN checks c
                ON c.id = d.check_id AND c.status = 'queued' AND c.last_attempt + 1 = d.attempt
            ORDER BY d.bulk, d.place, d.due_at LIMIT v_room
            FOR UPDATE OF c SKIP LOCKED),
        taken AS (
            UPDATE checks c SET last_attempt = chosen.attempt, next_attempt_at = NULL
            FROM chosen WHERE c.id = chosen.id
            RETURNING c.*, chosen.not_before),
        leased AS (
            INSERT INTO leases (check_id, attempt, host, bulk, claimed_at, not_before, not_after)
            SELECT t.id, t.last_attempt, t.host, t.bulk, v_now, t.not_before,
                   t.not_before + make_interval(secs => p_lease_s) FROM taken t),
        dequeued AS (DELETE FROM queue q USING taken t WHERE q.check_id = t.id)
        SELECT t.id, t.last_attempt, t.run, t.url, t.host, t.words, t.scope, t.whole_word, t.case_sensitive, t.bulk,
               v_now, t.not_before, t.not_before + make_interval(secs => p_lease_s), t.lost, t.deaths, t.trace
        FROM taken t;
    END IF;
    PERFORM plan_hosts(ARRAY(SELECT unnest(v_held) EXCEPT SELECT unnest(p_trusted)), p_concurrency, p_rate_per_s);
END $$;

-- As before, but the ends of leases are compared with the start of the transaction: who asks knows what was true then,
-- and a server that pauses in between must not take more leases for ended. An attempt of an earlier run says nothing
-- about this one; rows are locked in the order of their keys, so that nobody can wait for each other in a circle. Rows
-- of trusted hosts stay as they are.
CREATE OR REPLACE FUNCTION sweep_leases(
    p_ended_s double precision, p_most integer, p_concurrency integer, p_rate_per_s double precision,
    p_trusted text[])
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_before timestamptz := now() - make_interval(secs => p_ended_s);
    v_held text[];
    v_lost integer;
BEGIN
    SELECT array_agg(d.host) INTO v_held FROM (
        SELECT h.host FROM hosts h
        WHERE h.host <> ALL (p_trusted)
            AND h.host IN (SELECT l.host FROM leases l WHERE l.not_after < v_before ORDER BY l.not_after LIMIT p_most)
        ORDER BY h.host FOR UPDATE SKIP LOCKED) d;
    v_held := coalesce(v_held, '{}');
    WITH ended AS MATERIALIZED (
        SELECT l.check_id, l.attempt FROM leases l
        WHERE l.not_after < v_before AND l.host = ANY (v_held || p_trusted)
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

-- Plans are kept, and may have been made while a table was empty: then a scan of it looked cheapest, and goes on being
-- used when it has grown. Here all that is looked for has an index.
ALTER FUNCTION claim_checks SET enable_seqscan = off;
ALTER FUNCTION plan_hosts SET enable_seqscan = off;
ALTER FUNCTION lock_due_hosts SET enable_seqscan = off;
ALTER FUNCTION sweep_leases SET enable_seqscan = off;
ALTER FUNCTION free_capacity SET enable_seqscan = on;
