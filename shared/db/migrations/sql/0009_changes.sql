-- What was changed lately: whoever reads all rows from the oldest transaction on that was under way when they read last
-- misses nothing. Kept for ten minutes. An id of which there is nothing is one that was deleted.
CREATE TABLE changes (
    xid     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    checks  uuid[] NOT NULL DEFAULT '{}',
    batches uuid[] NOT NULL DEFAULT '{}',
    size    integer NOT NULL GENERATED ALWAYS AS (cardinality(checks) + cardinality(batches)) STORED
);
CREATE INDEX changes_by_xid ON changes (xid);

COMMENT ON TABLE changes IS 'Ids of checks and batches that were changed in the last ten minutes';

-- After each statement on checks; a claim changes nothing that is shown, unless it ends a pause.
CREATE FUNCTION note_checks() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_ids uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(id) INTO v_ids FROM became;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(id) INTO v_ids FROM was;
    ELSE
        SELECT array_agg(id) INTO v_ids FROM was JOIN became USING (id)
        WHERE (was.status, was.attempts, was.next_attempt_at, was.finished_at)
            IS DISTINCT FROM (became.status, became.attempts, became.next_attempt_at, became.finished_at);
    END IF;
    IF v_ids IS NOT NULL THEN
        INSERT INTO changes (checks) VALUES (v_ids);
    END IF;
    RETURN NULL;
END $$;

-- After each statement on batches; how far one is filed shows nowhere.
CREATE FUNCTION note_batches() RETURNS trigger LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_ids uuid[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(id) INTO v_ids FROM became;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(id) INTO v_ids FROM was;
    ELSE
        SELECT array_agg(id) INTO v_ids FROM was JOIN became USING (id)
        WHERE (was.status, was.total, was.queued, was.running, was.done, was.failed, was.cancelled)
            IS DISTINCT FROM (became.status, became.total, became.queued, became.running, became.done, became.failed,
                              became.cancelled);
    END IF;
    IF v_ids IS NOT NULL THEN
        INSERT INTO changes (batches) VALUES (v_ids);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER note_added AFTER INSERT ON checks
    REFERENCING NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION note_checks();
CREATE TRIGGER note_changed AFTER UPDATE ON checks
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION note_checks();
CREATE TRIGGER note_removed AFTER DELETE ON checks
    REFERENCING OLD TABLE AS was FOR EACH STATEMENT EXECUTE FUNCTION note_checks();

CREATE TRIGGER note_added AFTER INSERT ON batches
    REFERENCING NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION note_batches();
CREATE TRIGGER note_changed AFTER UPDATE ON batches
    REFERENCING OLD TABLE AS was NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION note_batches();
CREATE TRIGGER note_removed AFTER DELETE ON batches
    REFERENCING OLD TABLE AS was FOR EACH STATEMENT EXECUTE FUNCTION note_batches();

GRANT SELECT ON changes TO wordwatch_gateway;
GRANT SELECT, INSERT, DELETE ON changes TO wordwatch_recorder;
