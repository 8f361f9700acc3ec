-- How many more checks may be released: as before, and how many of these may be of batches. A quarter of what may be out
-- is kept for those that a person waits for.
CREATE FUNCTION free_room(OUT for_any integer, OUT for_bulk integer) LANGUAGE sql STABLE AS $$
    SELECT (f.most - l.live)::integer, least(f.most - l.live, floor(0.75 * f.most) - l.live_bulk)::integer
    FROM (SELECT coalesce(greatest(2 * sum(capacity), sum(finished_last_s)), 0) AS most
          FROM fetchers WHERE seen_at > clock_timestamp() - interval '10 s') f
    CROSS JOIN (SELECT count(*) AS live, count(*) FILTER (WHERE bulk) AS live_bulk
                FROM leases WHERE not_after > (SELECT clock_timestamp())) l
$$;

-- As before, without what is parked; and bulk work is looked at 0.2 s ahead, not a second: what is claimed and may
-- not begin yet takes room from what may.
CREATE OR REPLACE FUNCTION plan_hosts(p_hosts text[], p_concurrency integer, p_rate_per_s double precision)
RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH now AS MATERIALIZED (SELECT clock_timestamp() AS t),
    seen AS (
        SELECT h.host, l.last_bulk,
               greatest(h.next_start_at,
                        l.last_start + CASE WHEN p_rate_per_s > 0 THEN make_interval(secs => 1 / p_rate_per_s)
                                            ELSE interval '0' END) AS next_start_at,
               CASE WHEN l.live >= p_concurrency THEN l.first_end END AS slot_at,
               (SELECT min(q.due_at) FROM queue q
                WHERE q.host = h.host AND NOT q.bulk AND NOT q.parked) AS due_interactive,
               (SELECT min(q.due_at) FROM queue q WHERE q.host = h.host AND q.bulk AND NOT q.parked) AS due_bulk
        FROM hosts h CROSS JOIN now CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE not_after > now.t) AS live,
                   min(not_after) FILTER (WHERE not_after > now.t) AS first_end,
                   max(not_before) AS last_start,
                   (array_agg(bulk ORDER BY not_before DESC, claimed_at DESC))[1] AS last_bulk
            FROM leases WHERE leases.host = h.host) l
        WHERE h.host = ANY (p_hosts))
    UPDATE hosts h
    SET next_start_at = s.next_start_at,
        last_bulk = coalesce(s.last_bulk, h.last_bulk),
        wake_interactive = CASE WHEN s.due_interactive IS NOT NULL THEN
            greatest(s.due_interactive, now.t, s.slot_at, s.next_start_at - interval '1 s') END,
        wake_bulk = CASE WHEN s.due_bulk IS NOT NULL THEN
            greatest(s.due_bulk, now.t, s.slot_at, s.next_start_at - interval '0.2 s') END
    FROM seen s, now WHERE h.host = s.host;
END $$;
ALTER FUNCTION plan_hosts SET enable_seqscan = off;  -- a replaced function forgets this
GRANT EXECUTE ON FUNCTION plan_hosts TO wordwatch_recorder;  -- it files what is due, and claims nothing by that

-- As before; hosts that have nothing but bulk work are left out where there is no room for that.
DROP FUNCTION lock_due_hosts(integer, text[]);
CREATE FUNCTION lock_due_hosts(p_most integer, p_bulk_most integer, p_trusted text[])
RETURNS text[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_held text[];
    v_more text[];
BEGIN
    SELECT array_agg(d.host) INTO v_held FROM (
        SELECT host FROM hosts WHERE wake_interactive <= v_now AND host <> ALL (p_trusted)
        ORDER BY wake_interactive LIMIT p_most FOR UPDATE SKIP LOCKED) d;
    v_held := coalesce(v_held, '{}');
    IF cardinality(v_held) < p_most AND p_bulk_most > 0 THEN
        SELECT array_agg(d.host) INTO v_more FROM (
            SELECT host FROM hosts WHERE wake_bulk <= v_now AND host <> ALL (v_held || p_trusted)
            ORDER BY wake_bulk LIMIT least(p_most - cardinality(v_held), p_bulk_most) FOR UPDATE SKIP LOCKED) d;
    END IF;
    RETURN v_held || coalesce(v_more, '{}');
END $$;

-- As before, but for the room of bulk work, what is parked, and words that stand in a table of their own.
CREATE OR REPLACE FUNCTION claim_checks(
    p_hosts text[], p_most integer, p_concurrency integer, p_rate_per_s double precision,
    p_lease_s double precision, p_trusted text[])
RETURNS TABLE (
    check_id uuid, attempt integer, run integer, url text, host text, words text[], scope text, whole_word boolean,
    case_sensitive boolean, bulk boolean, claimed_at timestamptz, not_before timestamptz, not_after timestamptz,
    lost integer, deaths integer, trace text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off ROWS 50
AS $$
#variable_conflict use_column
DECLARE
    v_room integer;
    v_bulk_room integer;
    v_held text[] := p_hosts;
    v_now timestamptz;
    v_step interval := CASE WHEN p_rate_per_s > 0 THEN make_interval(secs => 1 / p_rate_per_s)
                            ELSE interval '0' END;
BEGIN
    SELECT least(p_most, r.for_any), greatest(0, least(p_most, r.for_bulk)) INTO v_room, v_bulk_room FROM free_room() r;
    IF v_held IS NULL THEN
        IF v_room <= 0 THEN
            RETURN;
        END IF;
        v_held := lock_due_hosts(v_room, v_bulk_room, p_trusted) || p_trusted;
    END IF;
    v_now := clock_timestamp();
    IF v_room > 0 THEN
        RETURN QUERY
        -- What was found due in one look, and nobody waits for, begins within the time to the next one: hosts that begin
        -- at the same moment would stay in step, and their requests come in crowds ever after.
        WITH limited AS (
            SELECT h.host, v_step AS step,
                   greatest(h.next_start_at,
                            v_now + CASE WHEN p_hosts IS NULL AND v_step > interval '0'
                                             AND (h.wake_interactive <= v_now) IS NOT TRUE
                                         THEN random() * interval '0.1 s' ELSE interval '0' END) AS start_at,
                   p_concurrency = 1 AND NOT h.last_bulk AND v_bulk_room > 0 AS bulk_first,
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
                 WHERE q.host = held.host AND q.bulk = held.bulk_first AND q.due_at <= v_now AND NOT q.parked
                 ORDER BY q.due_at, q.check_id LIMIT held.most)
                UNION ALL
                (SELECT 2 AS turn, q.* FROM queue q
                 WHERE q.host = held.host AND q.bulk = NOT held.bulk_first AND q.due_at <= v_now AND NOT q.parked
                 ORDER BY q.due_at, q.check_id LIMIT held.most)
                ORDER BY turn, due_at, check_id LIMIT held.most) d
            WHERE held.most > 0),
        -- Hosts in turn: the first of each, then the second of each, …
        within AS (
            SELECT c.*, row_number() OVER (PARTITION BY c.bulk ORDER BY c.place, c.due_at, c.check_id) AS place_of_lane
            FROM candidates c),
        -- The check's row is what guards its place in the queue: who changes one holds the other. A claim that
        -- another transaction committed in between has raised last_attempt.
        chosen AS MATERIALIZED (
            SELECT c.id, w.attempt, w.start_at + (w.place - 1) * w.step AS not_before
            FROM within w JOIN checks c
                ON c.id = w.check_id AND c.status = 'queued' AND c.last_attempt + 1 = w.attempt
            WHERE NOT w.bulk OR w.place_of_lane <= v_bulk_room
            ORDER BY w.bulk, w.place, w.due_at LIMIT v_room
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
        SELECT t.id, t.last_attempt, t.run, t.url, t.host, a.words, a.scope, a.whole_word, a.case_sensitive, t.bulk,
               v_now, t.not_before, t.not_before + make_interval(secs => p_lease_s), t.lost, t.deaths, t.trace
        FROM taken t JOIN questions a ON a.id = t.question;
    END IF;
    PERFORM plan_hosts(ARRAY(SELECT unnest(v_held) EXCEPT SELECT unnest(p_trusted)), p_concurrency, p_rate_per_s);
END $$;
DROP FUNCTION free_capacity();

-- As before, without what is parked.
CREATE OR REPLACE FUNCTION wake_hosts(p_trusted text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO hosts (host)
    SELECT w.host FROM (SELECT host FROM queue WHERE NOT parked UNION SELECT host FROM leases) w
    WHERE w.host <> ALL (p_trusted) ORDER BY w.host ON CONFLICT DO NOTHING;
    UPDATE hosts h SET wake_interactive = clock_timestamp(), wake_bulk = clock_timestamp()
    FROM (SELECT hosts.host FROM hosts
          WHERE wake_interactive IS NULL AND wake_bulk IS NULL AND hosts.host <> ALL (p_trusted)
              AND EXISTS (SELECT FROM queue WHERE queue.host = hosts.host AND NOT parked)
          ORDER BY hosts.host FOR UPDATE SKIP LOCKED) idle
    WHERE h.host = idle.host;
END $$;

-- For checks of batches that went back to the queue in this transaction, p_running of them from `running`: has their
-- batches count that, and parks those whose batch is paused. The batches are locked last of all, in the order of ids.
CREATE FUNCTION requeued_of_batches(p_checks uuid[], p_running uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_paused uuid[];
BEGIN
    PERFORM FROM batches WHERE id IN (SELECT batch_of(c) FROM unnest(p_checks) AS c) ORDER BY id FOR UPDATE;
    UPDATE batches b SET running = b.running - d.checks, queued = b.queued + d.checks
    FROM (SELECT batch_of(c) AS id, count(*)::integer AS checks FROM unnest(p_running) AS c GROUP BY 1) d
    WHERE b.id = d.id;
    UPDATE queue q SET parked = true
    WHERE q.check_id = ANY (p_checks) AND EXISTS (
        SELECT FROM batches b WHERE b.id = batch_of(q.check_id) AND b.status = 'paused');
END $$;

-- As before; what is of batches is counted there.
CREATE OR REPLACE FUNCTION sweep_leases(
    p_ended_s double precision, p_most integer, p_concurrency integer, p_rate_per_s double precision,
    p_trusted text[])
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    v_before timestamptz := now() - make_interval(secs => p_ended_s);
    v_held text[];
    v_lost uuid[];
    v_bulk uuid[];
    v_running uuid[];
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
        SELECT c.id, c.status, g.not_before FROM checks c JOIN gone g ON g.check_id = c.id
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
        RETURNING c.*, w.not_before, w.status AS was),
    history AS (
        INSERT INTO attempts (check_id, attempt, run, started_at, finished_at, error_code)
        SELECT r.id, r.last_attempt, r.run, r.not_before, clock_timestamp(), 'lost' FROM requeued r
        ON CONFLICT DO NOTHING),
    due AS (
        INSERT INTO queue (check_id, attempt, host, bulk, due_at)
        SELECT r.id, r.last_attempt + 1, r.host, r.bulk, r.next_attempt_at FROM requeued r)
    SELECT array_agg(r.id), array_agg(r.id) FILTER (WHERE r.bulk),
           array_agg(r.id) FILTER (WHERE r.bulk AND r.was = 'running')
    INTO v_lost, v_bulk, v_running FROM requeued r;
    IF v_bulk IS NOT NULL THEN
        PERFORM requeued_of_batches(v_bulk, v_running);
    END IF;
    PERFORM plan_hosts(v_held, p_concurrency, p_rate_per_s);
    RETURN coalesce(cardinality(v_lost), 0);
END $$;
