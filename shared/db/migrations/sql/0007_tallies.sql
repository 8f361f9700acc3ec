-- How many checks are in each state is the sum of these rows: counting ten million takes seconds. Each server process
-- adds up what it does within a second in rows of its own, so that nobody waits for anybody; what is old is summed up in
-- rows of nobody (writer 0): for a day by the minute.
CREATE TABLE tallies (
    at     timestamptz NOT NULL,               -- a whole second, of nobody a minute; -infinity: all that is old
    writer integer NOT NULL,                   -- the server process
    status text NOT NULL,
    checks bigint NOT NULL,                    -- how many more are in that state since
    ended  bigint NOT NULL,                    -- how many ended in it, whatever became of them then; 0 of all that is old
    PRIMARY KEY (at, writer, status)
) WITH (fillfactor = 50);

COMMENT ON TABLE tallies IS 'How many checks are in each state: the sum of all rows';

CREATE TYPE moved AS (was text, became text, checks bigint);

-- After each statement that adds, changes or removes checks. A claim changes rows, and no state.
CREATE FUNCTION tally_checks() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    c_ends CONSTANT text[] := ARRAY['done', 'failed', 'cancelled'];
    v_moved moved[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(ROW (NULL, m.status, m.checks)::moved) INTO v_moved
        FROM (SELECT status, count(*) AS checks FROM became GROUP BY status) m;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(ROW (m.status, NULL, m.checks)::moved) INTO v_moved
        FROM (SELECT status, count(*) AS checks FROM was GROUP BY status) m;
    ELSE
        SELECT array_agg(ROW (m.was, m.became, m.checks)::moved) INTO v_moved
        FROM (SELECT was.status AS was, became.status AS became, count(*) AS checks
              FROM was JOIN became USING (id) WHERE was.status <> became.status GROUP BY 1, 2) m;
    END IF;
    IF v_moved IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO tallies AS t (at, writer, status, checks, ended)
    SELECT date_trunc('second', clock_timestamp()), pg_backend_pid(), m.status, sum(m.checks), sum(m.ended)
    FROM (SELECT became AS status, checks,
                 CASE WHEN became = ANY (c_ends) AND (was = ANY (c_ends)) IS NOT TRUE THEN checks ELSE 0 END AS ended
          FROM unnest(v_moved) WHERE became IS NOT NULL
          UNION ALL
          SELECT was, -checks, 0 FROM unnest(v_moved) WHERE was IS NOT NULL) m
    GROUP BY m.status
    ON CONFLICT (at, writer, status) DO UPDATE SET checks = t.checks + EXCLUDED.checks, ended = t.ended + EXCLUDED.ended;
    RETURN NULL;
END $$;

LOCK TABLE checks IN SHARE ROW EXCLUSIVE MODE; -- until the triggers are there, nothing changes that they would miss
INSERT INTO tallies SELECT '-infinity', 0, status, count(*), 0 FROM checks GROUP BY status;

CREATE TRIGGER tally_added AFTER INSERT ON checks
    REFERENCING NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION tally_checks();
CREATE TRIGGER tally_changed AFTER UPDATE ON checks
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION tally_checks();
CREATE TRIGGER tally_removed AFTER DELETE ON checks
    REFERENCING OLD TABLE AS was FOR EACH STATEMENT EXECUTE FUNCTION tally_checks();

GRANT SELECT ON tallies TO wordwatch_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON tallies TO wordwatch_recorder;
