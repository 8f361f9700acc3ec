-- Everything that a flush writes of checks whose rows it holds, one array a column. last_attempt is the claim's alone.
-- Gives the checks of batches whose state this has changed.
CREATE FUNCTION write_checks(
    p_checks uuid[], p_was text[], p_statuses text[], p_runs integer[], p_first_attempts integer[],
    p_attempts integer[], p_lost integer[], p_deaths integer[], p_next_attempts_at timestamptz[],
    p_started_at timestamptz[], p_finished_at timestamptz[], p_closed uuid[], p_due uuid[], p_due_at timestamptz[],
    p_cancelled uuid[], p_reopened uuid[], p_results uuid[], p_result_attempts integer[], p_fetchers text[],
    p_error_codes text[], p_error_details text[], p_counts jsonb[], p_totals bigint[], p_rule_versions integer[],
    p_snippets jsonb[], p_facts jsonb[], p_ended uuid[], p_ended_attempts integer[], p_ended_runs integer[],
    p_ended_started_at timestamptz[], p_ended_finished_at timestamptz[], p_http_statuses integer[],
    p_ended_error_codes text[], p_ended_fetchers text[])
RETURNS TABLE (id uuid, was text, status text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off ROWS 50
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH changed AS (
        UPDATE checks c
        SET status = n.status, run = n.run, first_attempt = n.first_attempt, attempts = n.attempts, lost = n.lost,
            deaths = n.deaths, next_attempt_at = n.next_attempt_at, started_at = n.started_at, finished_at = n.finished_at
        FROM unnest(p_checks, p_was, p_statuses, p_runs, p_first_attempts, p_attempts, p_lost, p_deaths, p_next_attempts_at,
                    p_started_at, p_finished_at)
            AS n (id, was, status, run, first_attempt, attempts, lost, deaths, next_attempt_at, started_at, finished_at)
        WHERE c.id = n.id AND c.status = n.was
        RETURNING c.id, n.was, c.status, c.bulk),
    closed AS (DELETE FROM queue WHERE check_id = ANY (p_closed)),
    due AS (
        INSERT INTO queue (check_id, attempt, host, bulk, due_at)
        SELECT c.id, c.last_attempt + 1, c.host, c.bulk, d.due_at
        FROM unnest(p_due, p_due_at) AS d (id, due_at) JOIN checks c ON c.id = d.id
        ON CONFLICT (check_id) DO UPDATE SET attempt = EXCLUDED.attempt, due_at = EXCLUDED.due_at),
    cancelled AS (INSERT INTO cancelled (check_id) SELECT unnest(p_cancelled) ON CONFLICT DO NOTHING),
    reopened AS (DELETE FROM cancelled WHERE check_id = ANY (p_reopened)),
    results AS (
        INSERT INTO results (check_id, attempt, fetcher, error_code, error_detail, counts, total, rule_version, snippets,
                             http_status, final_url, redirects, address, title, content_type, charset, bytes, timings_ms)
        SELECT check_id, attempt, fetcher, error_code, error_detail, counts, total, rule_version, snippets,
               f.http_status, f.final_url, coalesce(f.redirects, '[]'), f.address, f.title, f.content_type, f.charset,
               f.bytes, coalesce(f.timings_ms, '{}')
        FROM unnest(p_results, p_result_attempts, p_fetchers, p_error_codes, p_error_details, p_counts, p_totals,
                    p_rule_versions, p_snippets, p_facts)
            AS r (check_id, attempt, fetcher, error_code, error_detail, counts, total, rule_version, snippets, facts)
        CROSS JOIN LATERAL jsonb_to_record(r.facts) AS f (
            http_status integer, final_url text, redirects jsonb, address text, title text, content_type text, charset text,
            bytes bigint, timings_ms jsonb)
        ON CONFLICT (check_id) DO UPDATE SET
            attempt = EXCLUDED.attempt, fetcher = EXCLUDED.fetcher, error_code = EXCLUDED.error_code,
            error_detail = EXCLUDED.error_detail, counts = EXCLUDED.counts, total = EXCLUDED.total,
            rule_version = EXCLUDED.rule_version, snippets = EXCLUDED.snippets, http_status = EXCLUDED.http_status,
            final_url = EXCLUDED.final_url, redirects = EXCLUDED.redirects, address = EXCLUDED.address,
            title = EXCLUDED.title, content_type = EXCLUDED.content_type, charset = EXCLUDED.charset,
            bytes = EXCLUDED.bytes, timings_ms = EXCLUDED.timings_ms),
    history AS (
        INSERT INTO attempts (check_id, attempt, run, started_at, finished_at, http_status, error_code, fetcher)
        SELECT * FROM unnest(p_ended, p_ended_attempts, p_ended_runs, p_ended_started_at, p_ended_finished_at,
                             p_http_statuses, p_ended_error_codes, p_ended_fetchers)
        ON CONFLICT (check_id, attempt) DO NOTHING)
    SELECT id, was, status FROM changed WHERE bulk AND was <> status;
END $$;

-- Reports of attempts that were decided on without holding anything, in one statement: what a recorder does with seven
-- otherwise. Holds what those hold, in their order: hosts, leases, checks. Where a lease is gone that was there
-- (p_leases, p_leased) or a check has another version than was read (p_read, p_versions), nothing is done and no row
-- comes back; else everything is written, the leases end, and what that makes room for is claimed: a row that says so
-- comes first.
CREATE FUNCTION record_checks(
    p_hosts text[], p_leases uuid[], p_leased integer[], p_read uuid[], p_versions xid[],
    p_checks uuid[], p_was text[], p_statuses text[], p_runs integer[], p_first_attempts integer[],
    p_attempts integer[], p_lost integer[], p_deaths integer[], p_next_attempts_at timestamptz[],
    p_started_at timestamptz[], p_finished_at timestamptz[], p_closed uuid[], p_due uuid[], p_due_at timestamptz[],
    p_cancelled uuid[], p_reopened uuid[], p_results uuid[], p_result_attempts integer[], p_fetchers text[],
    p_error_codes text[], p_error_details text[], p_counts jsonb[], p_totals bigint[], p_rule_versions integer[],
    p_snippets jsonb[], p_facts jsonb[], p_ended uuid[], p_ended_attempts integer[], p_ended_runs integer[],
    p_ended_started_at timestamptz[], p_ended_finished_at timestamptz[], p_http_statuses integer[],
    p_ended_error_codes text[], p_ended_fetchers text[],
    p_most integer, p_concurrency integer, p_rate_per_s double precision, p_lease_s double precision, p_trusted text[])
RETURNS TABLE (
    recorded boolean, check_id uuid, attempt integer, run integer, url text, host text, words text[], scope text,
    whole_word boolean, case_sensitive boolean, bulk boolean, claimed_at timestamptz, not_before timestamptz,
    not_after timestamptz, lost integer, deaths integer, trace text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off ROWS 50
AS $$
#variable_conflict use_column
DECLARE
    v_found integer;
BEGIN
    PERFORM FROM hosts WHERE host = ANY (p_hosts) AND host <> ALL (p_trusted) ORDER BY host FOR UPDATE;
    PERFORM FROM leases l JOIN unnest(p_leases, p_leased) AS r (check_id, attempt) USING (check_id, attempt)
    ORDER BY l.check_id, l.attempt FOR UPDATE OF l;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found < cardinality(p_leases) THEN
        RETURN;
    END IF;
    PERFORM FROM checks WHERE id = ANY (p_read) ORDER BY id FOR UPDATE;
    -- Asked only now: while this waited for a row, somebody may have changed it.
    PERFORM FROM checks c JOIN unnest(p_read, p_versions) AS r (id, version) ON c.id = r.id AND c.xmin = r.version;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found < cardinality(p_read) THEN
        RETURN;
    END IF;
    DELETE FROM leases l USING unnest(p_leases, p_leased) AS r (check_id, attempt)
    WHERE l.check_id = r.check_id AND l.attempt = r.attempt;
    PERFORM FROM write_checks(
        p_checks, p_was, p_statuses, p_runs, p_first_attempts, p_attempts, p_lost, p_deaths, p_next_attempts_at,
        p_started_at, p_finished_at, p_closed, p_due, p_due_at, p_cancelled, p_reopened, p_results,
        p_result_attempts, p_fetchers, p_error_codes, p_error_details, p_counts, p_totals, p_rule_versions,
        p_snippets, p_facts, p_ended, p_ended_attempts, p_ended_runs, p_ended_started_at, p_ended_finished_at,
        p_http_statuses, p_ended_error_codes, p_ended_fetchers);
    recorded := true;
    RETURN NEXT;
    IF cardinality(p_hosts) > 0 THEN
        RETURN QUERY
        SELECT true, c.* FROM claim_checks(p_hosts, p_most, p_concurrency, p_rate_per_s, p_lease_s, p_trusted) c;
    END IF;
END $$;

REVOKE EXECUTE ON FUNCTION write_checks, record_checks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION write_checks, record_checks TO wordwatch_recorder;
