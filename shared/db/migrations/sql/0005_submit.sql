-- New checks, due at once, in one statement: what a recorder does with six where something has to be decided. Holds their
-- hosts, but for trusted ones, and their questions, adds them, and claims what the hosts allow. Where a host or a question
-- is not there yet, or p_until has passed, nothing is done; what was applied before, or is deleted since, is left out.
-- Each statement in here looks anew: what somebody else has committed while this waited for a host is seen.
CREATE FUNCTION submit_checks(
    p_checks uuid[], p_urls text[], p_hosts text[], p_questions uuid[], p_labels text[], p_traces text[],
    p_until timestamptz, p_most integer, p_concurrency integer, p_rate_per_s double precision,
    p_lease_s double precision, p_trusted text[])
RETURNS TABLE (
    added uuid[], check_id uuid, attempt integer, run integer, url text, host text, words text[], scope text,
    whole_word boolean, case_sensitive boolean, bulk boolean, claimed_at timestamptz, not_before timestamptz,
    not_after timestamptz, lost integer, deaths integer, trace text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off ROWS 50
AS $$
#variable_conflict use_column
DECLARE
    v_hosts text[] := ARRAY(SELECT DISTINCT h FROM unnest(p_hosts) AS h ORDER BY h);
    v_limited text[] := ARRAY(SELECT h FROM unnest(v_hosts) AS h WHERE h <> ALL (p_trusted));
    v_questions uuid[] := ARRAY(SELECT DISTINCT q FROM unnest(p_questions) AS q ORDER BY q);
    v_found integer;
    v_added uuid[];
BEGIN
    PERFORM FROM hosts WHERE host = ANY (v_limited) ORDER BY host FOR UPDATE;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found < cardinality(v_limited) THEN
        RETURN;
    END IF;
    PERFORM FROM questions WHERE id = ANY (v_questions) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found < cardinality(v_questions) OR clock_timestamp() >= p_until THEN
        RETURN;
    END IF;
    WITH made AS (
        INSERT INTO checks (id, url, host, question, label, bulk, trace, status)
        SELECT c.id, c.url, c.host, c.question, c.label, false, c.trace, 'queued'
        FROM unnest(p_checks, p_urls, p_hosts, p_questions, p_labels, p_traces)
            AS c (id, url, host, question, label, trace)
        WHERE NOT EXISTS (SELECT FROM outcomes o WHERE o.check_id = c.id AND o.outcome = 'deleted')
        ORDER BY c.id
        ON CONFLICT (id) DO NOTHING
        RETURNING id, host),
    queued AS (
        INSERT INTO queue (check_id, attempt, host, bulk, due_at)
        SELECT made.id, 1, made.host, false, clock_timestamp() FROM made)
    SELECT array_agg(made.id) INTO v_added FROM made;
    IF EXISTS (SELECT FROM outcomes WHERE check_id = ANY (v_added) AND outcome = 'deleted') THEN
        -- Of a trusted host, as no host's row kept that from happening just now. Tried again, it is seen before.
        RAISE EXCEPTION 'a check was deleted while it was added once more' USING ERRCODE = 'serialization_failure';
    END IF;
    IF v_added IS NOT NULL THEN
        RETURN QUERY
        SELECT v_added, c.*
        FROM (SELECT) AS once
        LEFT JOIN claim_checks(v_hosts, p_most, p_concurrency, p_rate_per_s, p_lease_s, p_trusted) c ON true;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION submit_checks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION submit_checks TO wordwatch_recorder;
