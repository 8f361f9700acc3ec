-- The claim, and what belongs to it. Every statement of a plpgsql function takes a snapshot of its own under
-- READ COMMITTED: what is counted after a lock was waited for is what the lock's last holder left. Plans are kept over
-- calls: making one takes longer than the claim of a lone check, and index look-ups are right for sets of any size here.

-- How many more checks may be released: twice what the fetchers seen in the last 10 s can hold, or what they
-- finished in the last second where that is more, less what is out already.
CREATE FUNCTION free_capacity() RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT (coalesce(greatest(2 * sum(capacity), sum(finished_last_s)), 0)
            - (SELECT count(*) FROM leases WHERE not_after > clock_timestamp()))::integer
    FROM fetchers WHERE seen_at > clock_timestamp() - interval '10 s'
$$;

-- Sets, for hosts whose rows the transaction holds, when they may start next and when a scheduler is to look at
-- them again: not before something is due, a slot is free, and the pace allows a start at most 1 s ahead.
CREATE FUNCTION plan_hosts(p_hosts text[], p_concurrency integer, p_rate_per_s double precision)
RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH now AS MATERIALIZED (SELECT clock_timestamp() AS t),
    seen AS (
        SELECT h.host, l.last_bulk,
               greatest(h.next_start_at,
                        l.last_start + CASE WHEN p_rate_per_s > 0 THEN make_interval(secs => 1 / p_rate_per_s)
                                            ELSE interval '0' END) AS next_start_at,
               CASE WHEN l.live >= p_concurrency THEN l.first_end END AS slot_at,
               (SELECT min(q.due_at) FROM queue q WHERE q.host = h.host AND NOT q.bulk) AS due_interactive,
               (SELECT min(q.due_at) FROM queue q WHERE q.host = h.host AND q.bulk) AS due_bulk
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
            greatest(s.due_bulk, now.t, s.slot_at, s.next_start_at - interval '1 s') END
    FROM seen s, now WHERE h.host = s.host;
END $$;

-- Locks hosts that have something to do now, those where a person waits first, the longest waiting before others.
-- Trusted ones are not among them: nobody locks those.
CREATE FUNCTION lock_due_hosts(p_most integer, p_trusted text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_held text[];
    v_more text[];
BEGIN
    SELECT array_agg(d.host) INTO v_held FROM (
        SELECT host FROM hosts WHERE wake_interactive <= v_now AND host <> ALL (p_trusted)
        ORDER BY wake_interactive LIMIT p_most FOR UPDATE SKIP LOCKED) d;
    v_held := coalesce(v_held, '{}');
    IF cardinality(v_held) < p_most THEN
        SELECT array_agg(d.host) INTO v_more FROM (
            SELECT host FROM hosts WHERE wake_bulk <= v_now AND host <> ALL (v_held || p_trusted)
            ORDER BY wake_bulk LIMIT p_most - cardinality(v_held) FOR UPDATE SKIP LOCKED) d;
    END IF;
    RETURN v_held || coalesce(v_more, '{}');
END $$;

-- Claims due checks: gives each an attempt number and a lease that runs from not_before.
--   p_hosts: only of these hosts, whose rows the caller has locked (trusted ones apart, which nobody locks);
--            null: of whatever hosts are due and not held by somebody else.
--   p_trusted: host keys without limits.
-- A host gets as many as it has free slots and as its pace (GCRA, burst 1) lets start within 1 s; interactive before
-- bulk, but with a single slot the lanes alternate; over the hosts in turn.
CREATE FUNCTION claim_checks(
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
    PERFORM plan_hosts(v_held, p_concurrency, p_rate_per_s);
END $$;

-- Makes sure that each host with work is looked at, for a scheduler's start: a host that was trusted until now has no row.
CREATE FUNCTION wake_hosts(p_trusted text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO hosts (host)
    SELECT w.host FROM (SELECT host FROM queue UNION SELECT host FROM leases) w
    WHERE w.host <> ALL (p_trusted) ORDER BY w.host ON CONFLICT DO NOTHING;
    UPDATE hosts h SET wake_interactive = clock_timestamp(), wake_bulk = clock_timestamp()
    FROM (SELECT hosts.host FROM hosts
          WHERE wake_interactive IS NULL AND wake_bulk IS NULL AND hosts.host <> ALL (p_trusted)
              AND EXISTS (SELECT FROM queue WHERE queue.host = hosts.host)
          ORDER BY hosts.host FOR UPDATE SKIP LOCKED) idle
    WHERE h.host = idle.host;
END $$;

-- Takes back checks whose lease ended at least p_ended_s ago without a word from its holder: they are due again, after
-- a pause that grows to 10 s with each loss, with jitter. Returns how many.
CREATE FUNCTION sweep_leases(
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
    requeued AS (
        UPDATE checks c
        SET status = 'queued', lost = c.lost + 1, started_at = NULL,
            next_attempt_at = clock_timestamp()
                + make_interval(secs => least(10, 2 ^ least(c.lost, 4) - 1) * (0.5 + random() / 2))
        FROM gone g
        WHERE c.id = g.check_id AND c.last_attempt = g.attempt AND c.status IN ('queued', 'running')
        RETURNING c.*, g.not_before),
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
