-- Batches: many pages in one upload, every line accounted for.

-- A batch's id ends in 32 zero bits; the check of its record n has n there (shared/ids.py says the same). So the checks
-- of a batch, and all that belongs to them, are one range of the index that each table has on ids.
CREATE FUNCTION check_of(batch_id uuid, seq integer) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT encode(substring(uuid_send(batch_id) FOR 12) || int4send(seq), 'hex')::uuid
$$;
CREATE FUNCTION batch_of(check_id uuid) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT encode(substring(uuid_send(check_id) FOR 12) || '\x00000000'::bytea, 'hex')::uuid
$$;
CREATE FUNCTION seq_of(check_id uuid) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ('x' || encode(substring(uuid_send(check_id) FROM 13), 'hex'))::bit(32)::integer
$$;

-- What is counted, once for all checks that ask for it.
CREATE TABLE questions (
    id             uuid PRIMARY KEY,       -- a digest of the rest, the words in their order
    same           uuid NOT NULL,          -- a digest of the rest, the words as a set: what duplicates have in common
    words          text[] NOT NULL,
    scope          text NOT NULL CHECK (scope IN ('text', 'source')),
    whole_word     boolean NOT NULL,
    case_sensitive boolean NOT NULL
);
CREATE INDEX questions_by_word ON questions USING gin (words);

-- Those that there are get ids of their own; asked for again, the same words are one question more.
ALTER TABLE checks ADD COLUMN question uuid;
UPDATE checks SET question = md5(array_to_json(ARRAY[scope, whole_word::text, case_sensitive::text] || words)::text)::uuid;
INSERT INTO questions (id, same, words, scope, whole_word, case_sensitive)
SELECT DISTINCT ON (question) question, question, words, scope, whole_word, case_sensitive FROM checks;
ALTER TABLE checks
    ALTER COLUMN question SET NOT NULL,
    DROP COLUMN words, DROP COLUMN scope, DROP COLUMN whole_word, DROP COLUMN case_sensitive;
CREATE INDEX checks_by_question ON checks (question, id);

-- Of a batch's checks what is counted stands here, and changes in the transaction that changes their rows.
CREATE TABLE batches (
    id            uuid PRIMARY KEY,
    label         text,
    question      uuid NOT NULL,               -- of lines that have none of their own
    status        text NOT NULL CHECK (status IN ('receiving', 'running', 'paused', 'finished', 'cancelled', 'deleted')),
    reason        text,                        -- why it was cancelled, where nobody asked for that
    total         integer NOT NULL DEFAULT 0,  -- this and what follows: from the close on, or the end of the upload
    queued        integer NOT NULL DEFAULT 0,
    running       integer NOT NULL DEFAULT 0,
    done          integer NOT NULL DEFAULT 0,
    failed        integer NOT NULL DEFAULT 0,
    cancelled     integer NOT NULL DEFAULT 0,
    duplicates    integer NOT NULL DEFAULT 0,
    invalid       integer NOT NULL DEFAULT 0,
    filed         integer NOT NULL DEFAULT 0,  -- up to this record each has its check, if it gets one
    stopped       boolean NOT NULL DEFAULT false,  -- what is not filed is cancelled, and not queued
    finished_at   timestamptz,
    running_since timestamptz,                 -- closed, or resumed
    recent        double precision NOT NULL DEFAULT 0,  -- checks that ended lately; each counts for less as time passes
    recent_at     timestamptz,                 -- the time that `recent` is of
    trace         text NOT NULL,
    CHECK (id = batch_of(id))
) WITH (fillfactor = 50);
COMMENT ON TABLE batches IS 'Each upload of many pages. Deleted: its rows follow, and it last of all';
CREATE INDEX batches_by_label ON batches (label, id) WHERE label IS NOT NULL;
CREATE INDEX batches_by_question ON batches (question);

-- Codes of failed checks, and counts of those that are done, summed up.
CREATE TABLE batch_errors (
    batch_id uuid NOT NULL,
    code     text NOT NULL,
    checks   integer NOT NULL,
    PRIMARY KEY (batch_id, code)
) WITH (fillfactor = 50);
CREATE TABLE batch_words (
    batch_id uuid NOT NULL,
    word     text NOT NULL,
    total    bigint NOT NULL,
    PRIMARY KEY (batch_id, word)
) WITH (fillfactor = 50);

-- What has come of an upload, until it is closed.
CREATE TABLE chunks (
    batch_id    uuid NOT NULL,
    number      integer NOT NULL,              -- 0, 1, …
    records     integer NOT NULL,
    invalid     integer NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (batch_id, number)
);

-- Records of uploads: what was given, and what was made of it. Their state is that of their check, if they have one.
CREATE TABLE lines (
    batch_id uuid NOT NULL,
    seq      integer NOT NULL,                 -- number of the record in the upload, from 1
    file     text,                             -- of a zip
    line     integer NOT NULL,                 -- where in its file the record begins, from 1
    text     text NOT NULL,
    url      text,
    host     text,
    question uuid,                             -- null: the batch's
    label    text,
    same     uuid,                             -- a digest of the URL and of what is counted there
    fate     text CHECK (fate IN ('invalid', 'duplicate', 'deleted')),  -- null: it has, or gets, a check
    reason   text,
    first    integer,                          -- of a duplicate: the record that asks for the same
    PRIMARY KEY (batch_id, seq)
);
CREATE INDEX lines_by_fate ON lines (batch_id, fate, seq) WHERE fate IS NOT NULL;
CREATE INDEX lines_by_question ON lines (question) WHERE question IS NOT NULL;

-- What touches many rows, and so is done by and by: in slices, each a transaction of its own.
CREATE TABLE jobs (
    id          uuid PRIMARY KEY,              -- of the command that asked for it
    kind        text NOT NULL CHECK (kind IN ('file', 'park', 'unpark', 'cancel', 'retry', 'delete', 'retry_checks')),
    batch_id    uuid,
    filter      jsonb,                         -- of retry_checks
    after       uuid NOT NULL,                 -- all up to this check have been looked at
    changed     integer NOT NULL DEFAULT 0,
    asked_at    timestamptz NOT NULL,          -- what happened later is none of its business
    touched_at  timestamptz NOT NULL,
    finished_at timestamptz,
    trace       text NOT NULL
);
CREATE UNIQUE INDEX jobs_of_batches ON jobs (batch_id, kind) WHERE batch_id IS NOT NULL AND finished_at IS NULL;
CREATE INDEX jobs_to_do ON jobs (touched_at) WHERE finished_at IS NULL;
CREATE INDEX jobs_by_end ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Of a paused batch nothing is claimed.
ALTER TABLE queue ADD COLUMN parked boolean NOT NULL DEFAULT false;
DROP INDEX queue_by_host;
CREATE INDEX queue_by_host ON queue (host, bulk, due_at, check_id) WHERE NOT parked;

-- Keys are of batches, too, and so are outcomes.
ALTER TABLE keys RENAME COLUMN check_id TO made_id;
ALTER INDEX keys_by_check RENAME TO keys_by_made;
COMMENT ON COLUMN keys.made_id IS 'the check or batch that was made with it';
ALTER TABLE outcomes ADD COLUMN batch_id uuid;

GRANT SELECT ON questions, batches, batch_errors, batch_words, chunks, lines, jobs TO wordwatch_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON questions, batches, batch_errors, batch_words, chunks, lines, jobs
    TO wordwatch_recorder;
