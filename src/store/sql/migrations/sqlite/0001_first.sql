-- The tables of the transmitter.
--
-- `ssf_` stands for the prefix: with another prefix it is replaced wherever it stands.
-- Times are milliseconds since 1970-01-01T00:00:00Z. Words and JSON are text. Flags are 0 or 1.
-- Personal data: columns `subject`, `body`, `token`, `order_key`, `snapshot`, `before`, `after`,
-- `reason`, and `record` as far as receivers describe themselves with names. Secret: `secret`.
-- No private key is ever stored.

-- The transmitters that share the tables.
CREATE TABLE ssf_issuers (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer TEXT NOT NULL UNIQUE,
    -- Up to which event the sweep has looked for bodies that nothing refers to.
    swept INTEGER NOT NULL DEFAULT 0,
    -- What became of the entries of streams that were deleted.
    redriven INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    delivered_unusually INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    dead_by_held_limit INTEGER NOT NULL DEFAULT 0,
    discarded_disabled INTEGER NOT NULL DEFAULT 0,
    discarded_deleted INTEGER NOT NULL DEFAULT 0,
    discarded_replaced INTEGER NOT NULL DEFAULT 0,
    tokens_replaced INTEGER NOT NULL DEFAULT 0
);

-- The tenants that were ever seen: whoever creates a stream or suspends a receiver locks its row.
CREATE TABLE ssf_tenants (
    issuer_no INTEGER NOT NULL REFERENCES ssf_issuers (no),
    tenant TEXT NOT NULL,
    PRIMARY KEY (issuer_no, tenant)
);

CREATE TABLE ssf_suspensions (
    issuer_no INTEGER NOT NULL REFERENCES ssf_issuers (no),
    tenant TEXT NOT NULL,
    client TEXT NOT NULL,
    PRIMARY KEY (issuer_no, tenant, client)
);

-- Streams as they are configured.
CREATE TABLE ssf_streams (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer_no INTEGER NOT NULL REFERENCES ssf_issuers (no),
    stream_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    client TEXT NOT NULL,
    version INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    -- Raised when the waiting entries are discarded: an entry of an earlier era is none any more.
    era INTEGER NOT NULL DEFAULT 0,
    -- `enabled`, `paused`, `disabled`.
    status TEXT NOT NULL,
    -- `ALL`, `NONE`.
    default_subjects TEXT NOT NULL,
    -- Whether its SETs are pushed.
    pushed INTEGER NOT NULL,
    -- The whole record as JSON, without its secret.
    record TEXT NOT NULL,
    -- The `authorization_header`, sealed if the host seals.
    secret TEXT,
    UNIQUE (issuer_no, stream_id)
);
CREATE INDEX ssf_streams_1 ON ssf_streams (issuer_no, tenant, client, no);

-- The event types of the streams that take entries.
CREATE TABLE ssf_stream_types (
    issuer_no INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    default_subjects TEXT NOT NULL,
    stream_no INTEGER NOT NULL REFERENCES ssf_streams (no) ON DELETE CASCADE,
    PRIMARY KEY (issuer_no, event_type, default_subjects, stream_no)
);
CREATE INDEX ssf_stream_types_1 ON ssf_stream_types (stream_no);

-- What streams that began with NONE have added, and what streams that began with ALL have removed.
CREATE TABLE ssf_subjects (
    stream_no INTEGER NOT NULL,
    issuer_no INTEGER NOT NULL,
    -- The digest of its identity.
    digest TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- From when and until when it counts; absent: always.
    counts_from INTEGER,
    counts_until INTEGER,
    PRIMARY KEY (stream_no, digest)
);
CREATE INDEX ssf_subjects_1 ON ssf_subjects (issuer_no, counts_until) WHERE counts_until IS NOT NULL;

-- How many subjects each stream lists. Whoever changes them locks this row first.
CREATE TABLE ssf_subject_counts (
    stream_no INTEGER PRIMARY KEY REFERENCES ssf_streams (no) ON DELETE CASCADE,
    subjects INTEGER NOT NULL DEFAULT 0
);

-- Streams of which something is discarded and counted, and not removed yet.
CREATE TABLE ssf_leftovers (
    stream_no INTEGER PRIMARY KEY,
    issuer_no INTEGER NOT NULL,
    -- What is of an earlier era goes; absent: all goes, the stream is gone.
    era INTEGER
);
CREATE INDEX ssf_leftovers_1 ON ssf_leftovers (issuer_no);

-- What a listed subject is found by.
CREATE TABLE ssf_subject_keys (
    issuer_no INTEGER NOT NULL,
    key TEXT NOT NULL,
    stream_no INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (issuer_no, key, stream_no, digest),
    FOREIGN KEY (stream_no, digest) REFERENCES ssf_subjects (stream_no, digest) ON DELETE CASCADE
);
CREATE INDEX ssf_subject_keys_1 ON ssf_subject_keys (stream_no, digest);

-- The sets of member names that complex subjects were ever listed with.
CREATE TABLE ssf_patterns (
    issuer_no INTEGER NOT NULL REFERENCES ssf_issuers (no),
    names TEXT NOT NULL,
    PRIMARY KEY (issuer_no, names)
);

-- How each stream is doing, and when it has something to push. Apart from its configuration: it
-- changes with every batch. Whoever changes what a stream has waiting locks this row first; an
-- emission does not.
CREATE TABLE ssf_queues (
    stream_no INTEGER PRIMARY KEY REFERENCES ssf_streams (no) ON DELETE CASCADE,
    issuer_no INTEGER NOT NULL,
    stream_id TEXT NOT NULL,
    -- The host of its endpoint; empty: it is polled.
    host TEXT NOT NULL,
    -- 0 unknown, 1 prompt, 2 slow.
    pace INTEGER NOT NULL DEFAULT 0,
    -- Its health as JSON.
    health TEXT NOT NULL,
    -- In the row of those that have a control entry to push, or when it joins that row.
    control_turn INTEGER,
    control_at INTEGER,
    -- The same for ordinary entries.
    ordinary_turn INTEGER,
    ordinary_at INTEGER,
    -- Copies of what its record says, so that whoever locks this row sees them as they are.
    status TEXT NOT NULL,
    -- Who gave it that status: `receiver`, `transmitter`, `suspension`.
    set_by TEXT NOT NULL,
    generation INTEGER NOT NULL,
    era INTEGER NOT NULL DEFAULT 0,
    -- Whether it holds ordinary entries nobody is being sent.
    holding INTEGER NOT NULL DEFAULT 0,
    -- Entries taken in: all, the ordinary ones, and the bytes of these.
    waiting INTEGER NOT NULL DEFAULT 0,
    ordinary INTEGER NOT NULL DEFAULT 0,
    ordinary_bytes INTEGER NOT NULL DEFAULT 0,
    dead_letters INTEGER NOT NULL DEFAULT 0,
    active_at INTEGER NOT NULL,
    -- When the receiver last asked for a verification; when one was last queued by anybody.
    verified_at INTEGER,
    verification_at INTEGER NOT NULL,
    redriven INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    delivered_unusually INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    dead_by_held_limit INTEGER NOT NULL DEFAULT 0,
    discarded_disabled INTEGER NOT NULL DEFAULT 0,
    discarded_deleted INTEGER NOT NULL DEFAULT 0,
    discarded_replaced INTEGER NOT NULL DEFAULT 0,
    tokens_replaced INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX ssf_queues_1 ON ssf_queues (issuer_no, pace, control_turn, host) WHERE control_turn IS NOT NULL;
CREATE INDEX ssf_queues_2 ON ssf_queues (issuer_no, pace, control_at) WHERE control_at IS NOT NULL;
CREATE INDEX ssf_queues_3 ON ssf_queues (issuer_no, pace, ordinary_turn, host) WHERE ordinary_turn IS NOT NULL;
CREATE INDEX ssf_queues_4 ON ssf_queues (issuer_no, pace, ordinary_at) WHERE ordinary_at IS NOT NULL;
CREATE INDEX ssf_queues_5 ON ssf_queues (issuer_no, active_at, stream_id) WHERE status = 'enabled';
CREATE INDEX ssf_queues_6 ON ssf_queues (issuer_no, verification_at, stream_id) WHERE status = 'enabled';
CREATE INDEX ssf_queues_7 ON ssf_queues (issuer_no, stream_id) WHERE holding = 1;

-- The claims that all SETs of one event share, once. Without a foreign key to them: the sweep
-- removes those that nothing waits for.
CREATE TABLE ssf_events (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer_no INTEGER NOT NULL,
    body TEXT NOT NULL
);

-- What waits. No foreign keys: an emission only inserts, and locks nothing that somebody else
-- waits for. Entries that an emission inserts while their stream is disabled or deleted are of an
-- earlier era, or of no stream; they are discarded when they are taken in.
CREATE TABLE ssf_entries (
    -- The order in which they came.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_no INTEGER NOT NULL,
    issuer_no INTEGER NOT NULL,
    era INTEGER NOT NULL,
    jti TEXT NOT NULL,
    -- 0 ordinary, 1 stream-updated, 2 verification.
    lane INTEGER NOT NULL,
    event_no INTEGER NOT NULL,
    -- As a JSON string; control entries have none.
    order_key TEXT,
    -- The bytes of the claims.
    bytes INTEGER NOT NULL,
    emitted_at INTEGER NOT NULL,
    -- When its present life began.
    queued_at INTEGER NOT NULL,
    first_attempt INTEGER,
    token TEXT,
    kid TEXT,
    -- 0: not taken in yet; 1: the head of its order key; 2: any other.
    place INTEGER NOT NULL,
    -- 1: a head that nobody holds and whose kept token is to be sent.
    signed INTEGER NOT NULL DEFAULT 0,
    -- 0 waiting, 1 claimed, 2 retrying, 3 deferred.
    state INTEGER NOT NULL DEFAULT 0,
    -- When the state ends; absent: it waits.
    due INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    failed_with_stream INTEGER NOT NULL DEFAULT 0,
    of_current_key INTEGER NOT NULL DEFAULT 0,
    -- Until when no other poll is given it.
    hidden_until INTEGER
);
CREATE UNIQUE INDEX ssf_entries_1 ON ssf_entries (stream_no, seq);
CREATE UNIQUE INDEX ssf_entries_2 ON ssf_entries (stream_no, jti);
CREATE UNIQUE INDEX ssf_entries_3 ON ssf_entries (stream_no, order_key) WHERE place = 1;
CREATE INDEX ssf_entries_4 ON ssf_entries (stream_no, due, seq) WHERE place = 1;
CREATE INDEX ssf_entries_5 ON ssf_entries (stream_no, kid, due, seq) WHERE signed = 1;
CREATE INDEX ssf_entries_6 ON ssf_entries (stream_no, order_key, seq) WHERE place = 2;
CREATE INDEX ssf_entries_7 ON ssf_entries (issuer_no, seq) WHERE place = 0;
CREATE INDEX ssf_entries_8 ON ssf_entries (stream_no, due) WHERE state = 1;
CREATE INDEX ssf_entries_9 ON ssf_entries (stream_no, lane, seq) WHERE lane > 0;
CREATE INDEX ssf_entries_10 ON ssf_entries (stream_no, hidden_until) WHERE hidden_until IS NOT NULL;
CREATE INDEX ssf_entries_11 ON ssf_entries (event_no);

-- The numbers of turns and claims, and of revisions.
CREATE TABLE ssf_counters (
    name TEXT PRIMARY KEY,
    last INTEGER NOT NULL
);
INSERT INTO ssf_counters VALUES ('turns', 0), ('revisions', 0);

CREATE TABLE ssf_dead_letters (
    stream_no INTEGER NOT NULL,
    dead_at INTEGER NOT NULL,
    jti TEXT NOT NULL,
    issuer_no INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    event_no INTEGER NOT NULL,
    order_key TEXT,
    token TEXT,
    kid TEXT,
    -- The kind of the reason, and the error code of the receiver as a JSON string.
    kind TEXT NOT NULL,
    err TEXT,
    -- The reason as JSON.
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    emitted_at INTEGER NOT NULL,
    first_attempt INTEGER,
    PRIMARY KEY (stream_no, dead_at, jti)
);
CREATE INDEX ssf_dead_letters_1 ON ssf_dead_letters (issuer_no, dead_at);
CREATE INDEX ssf_dead_letters_2 ON ssf_dead_letters (event_no);

-- What the first emission under each idempotency key did.
CREATE TABLE ssf_emissions (
    issuer_no INTEGER NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    txn TEXT NOT NULL,
    -- `[[stream_id, jti], ...]` of what was accepted, and the streams that were skipped.
    accepted TEXT NOT NULL,
    skipped TEXT NOT NULL,
    PRIMARY KEY (issuer_no, key)
);
CREATE INDEX ssf_emissions_1 ON ssf_emissions (issuer_no, at);

CREATE TABLE ssf_conditions (
    issuer_no INTEGER PRIMARY KEY REFERENCES ssf_issuers (no),
    revision INTEGER NOT NULL,
    document TEXT NOT NULL
);

CREATE TABLE ssf_identities (
    issuer_no INTEGER NOT NULL,
    identity TEXT NOT NULL,
    revision INTEGER NOT NULL,
    version INTEGER,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (issuer_no, identity)
);

CREATE TABLE ssf_failures (
    issuer_no INTEGER NOT NULL,
    id TEXT NOT NULL,
    identity TEXT NOT NULL,
    condition TEXT NOT NULL,
    -- As a JSON string.
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    PRIMARY KEY (issuer_no, id)
);
CREATE INDEX ssf_failures_1 ON ssf_failures (issuer_no, identity);

-- The migrations that were made; `least` is the least version of the library that can work with
-- what each made.
CREATE TABLE ssf_migrations (
    version INTEGER PRIMARY KEY,
    least INTEGER NOT NULL
);
INSERT INTO ssf_migrations (version, least) VALUES (1, 1);
