-- One role per kind of right; each process takes its own on connecting. Roles belong to the whole server, so that
-- another wordwatch on it may have made them already, perhaps at this moment.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['wordwatch_gateway', 'wordwatch_recorder', 'wordwatch_scheduler'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        IF NOT pg_has_role(current_user, v_role, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', v_role, current_user);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', v_role);
    END LOOP;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;

GRANT SELECT ON checks, queue, leases, hosts, results, attempts, keys, outcomes, fetchers TO wordwatch_gateway;

GRANT SELECT, INSERT, UPDATE, DELETE ON checks, queue, leases, hosts, results, attempts, keys, outcomes, fetchers
    TO wordwatch_recorder;
GRANT EXECUTE ON FUNCTION claim_checks TO wordwatch_recorder, wordwatch_scheduler;
GRANT EXECUTE ON FUNCTION sweep_leases, wake_hosts TO wordwatch_scheduler;
