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

GRANT SELECT ON cancelled TO wordwatch_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON cancelled TO wordwatch_recorder;
