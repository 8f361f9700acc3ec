-- What a check is asked for never changes; of what changes nothing is indexed, so that nearly every
-- update stays on its page (HOT). What is due, claimed and found out stands in tables of its own.

CREATE TABLE checks (
    id              uuid PRIMARY KEY,           -- UUIDv7: its time is the check's created_at
    url             text NOT NULL,
    host            text NOT NULL,              -- host key: host name, with the port unless 80 or 443
    words           text[] NOT NULL,
    scope           text NOT NULL CHECK (scope IN ('text', 'source')),
    whole_word      boolean NOT NULL,
    case_sensitive  boolean NOT NULL,
    label           text,
    bulk            boolean NOT NULL,           -- the lane: false = a person waits
    trace           text NOT NULL,
    status          text NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    run             integer NOT NULL DEFAULT 1,
    first_attempt   integer NOT NULL DEFAULT 1, -- of the current run
    last_attempt    integer NOT NULL DEFAULT 0, -- claimed so far; numbers never repeat, over runs either
    attempts        integer NOT NULL DEFAULT 0, -- of the current run, with an outcome
    lost            integer NOT NULL DEFAULT 0, -- of the current run, without one
    deaths          integer NOT NULL DEFAULT 0, -- parsers killed in the current run
    next_attempt_at timestamptz,
    started_at      timestamptz,
    finished_at     timestamptz
) WITH (fillfactor = 50);

COMMENT ON TABLE checks IS 'Each page that wordwatch was asked about, with the state of the check';

-- Due or waiting to be, and not claimed.
CREATE TABLE queue (
    check_id uuid PRIMARY KEY,
    attempt  integer NOT NULL,                  -- the number that a claim will give it
    host     text NOT NULL,
    bulk     boolean NOT NULL,
    due_at   timestamptz NOT NULL
);
CREATE INDEX queue_by_host ON queue (host, bulk, due_at, check_id);

-- Claimed. No foreign key: a lease holds its host's slot whatever becomes of the check.
CREATE TABLE leases (
    check_id   uuid NOT NULL,
    attempt    integer NOT NULL,
    host       text NOT NULL,
    bulk       boolean NOT NULL,
    claimed_at timestamptz NOT NULL,
    not_before timestamptz NOT NULL,
    not_after  timestamptz NOT NULL,
    PRIMARY KEY (check_id, attempt)
);
CREATE INDEX leases_by_host ON leases (host, not_after);
CREATE INDEX leases_by_end ON leases (not_after);

-- The host's pace, and when it next has something to do in each lane (null: nothing queued).
CREATE TABLE hosts (
    host             text PRIMARY KEY,
    next_start_at    timestamptz NOT NULL DEFAULT '-infinity',
    last_bulk        boolean NOT NULL DEFAULT true,
    wake_interactive timestamptz,
    wake_bulk        timestamptz
) WITH (fillfactor = 70);
CREATE INDEX hosts_by_wake_interactive ON hosts (wake_interactive) WHERE wake_interactive IS NOT NULL;
CREATE INDEX hosts_by_wake_bulk ON hosts (wake_bulk) WHERE wake_bulk IS NOT NULL;

-- The outcome of a check that is done or failed.
CREATE TABLE results (
    check_id     uuid PRIMARY KEY,
    attempt      integer NOT NULL,
    fetcher      text NOT NULL,
    error_code   text,                          -- null: counted
    error_detail text,
    counts       jsonb,
    total        bigint,
    rule_version integer,
    snippets     jsonb,
    http_status  integer,
    final_url    text,
    redirects    jsonb NOT NULL,
    address      text,
    title        text,
    content_type text,
    charset      text,
    bytes        bigint,
    timings_ms   jsonb NOT NULL
);

-- History: attempts that failed or were lost. One that counted is told by its row in results.
CREATE TABLE attempts (
    check_id    uuid NOT NULL,
    attempt     integer NOT NULL,
    run         integer NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    http_status integer,
    error_code  text NOT NULL,
    fetcher     text,
    PRIMARY KEY (check_id, attempt)
);

-- Idempotency-Keys, kept 24 h.
CREATE TABLE keys (
    key        text PRIMARY KEY,
    digest     text NOT NULL,
    check_id   uuid NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX keys_by_age ON keys (created_at);

-- What became of commands that created nothing, kept 24 h.
CREATE TABLE outcomes (
    command_id uuid PRIMARY KEY,
    outcome    text NOT NULL,
    check_id   uuid,
    created_at timestamptz NOT NULL
);
CREATE INDEX outcomes_by_age ON outcomes (created_at);

-- Who fetches: their signs of life say how much may be released.
CREATE TABLE fetchers (
    id              text PRIMARY KEY,
    version         text NOT NULL,
    capacity        integer NOT NULL,
    in_flight       integer NOT NULL,
    finished_last_s integer NOT NULL,
    clock_ahead_s   double precision NOT NULL,  -- its clock against this database's, delivery included
    seen_at         timestamptz NOT NULL
) WITH (fillfactor = 50);
