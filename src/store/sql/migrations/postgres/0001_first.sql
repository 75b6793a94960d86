-- The tables of the transmitter. Nothing newer than PostgreSQL 13, no extension.
--
-- `ssf_` stands for the prefix: with another prefix or a schema, it is replaced wherever it stands.
-- Times are milliseconds since 1970-01-01T00:00:00Z. Words and JSON are text. Flags are 0 or 1.
-- Personal data: columns `subject`, `body`, `token`, `order_key`, `snapshot`, `before`, `after`,
-- `reason`, and `record` as far as receivers describe themselves with names. Secret: `secret`.
-- No private key is ever stored.

-- The transmitters that share the tables.
CREATE TABLE ssf_issuers (
    no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Up to which event the sweep has looked for bodies that nothing refers to.
    swept BIGINT NOT NULL DEFAULT 0,
    -- What became of the entries of streams that were deleted.
    redriven BIGINT NOT NULL DEFAULT 0,
    delivered BIGINT NOT NULL DEFAULT 0,
    delivered_unusually BIGINT NOT NULL DEFAULT 0,
    dead BIGINT NOT NULL DEFAULT 0,
    dead_by_held_limit BIGINT NOT NULL DEFAULT 0,
    discarded_disabled BIGINT NOT NULL DEFAULT 0,
    discarded_deleted BIGINT NOT NULL DEFAULT 0,
    discarded_replaced BIGINT NOT NULL DEFAULT 0,
    tokens_replaced BIGINT NOT NULL DEFAULT 0
);

-- The tenants that were ever seen: whoever creates a stream or suspends a receiver locks its row.
CREATE TABLE ssf_tenants (
    issuer_no BIGINT NOT NULL REFERENCES ssf_issuers,
    tenant TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (issuer_no, tenant)
);

CREATE TABLE ssf_suspensions (
    issuer_no BIGINT NOT NULL REFERENCES ssf_issuers,
    tenant TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (issuer_no, tenant, client)
);

-- Streams as they are configured.
CREATE TABLE ssf_streams (
    no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer_no BIGINT NOT NULL REFERENCES ssf_issuers,
    stream_id TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    -- Raised when the waiting entries are discarded: an entry of an earlier era is none any more.
    era BIGINT NOT NULL DEFAULT 0,
    -- `enabled`, `paused`, `disabled`.
    status TEXT NOT NULL,
    -- `ALL`, `NONE`.
    default_subjects TEXT NOT NULL,
    -- Whether its SETs are pushed.
    pushed SMALLINT NOT NULL,
    -- The whole record as JSON, without its secret.
    record TEXT NOT NULL,
    -- The `authorization_header`, sealed if the host seals.
    secret TEXT,
    UNIQUE (issuer_no, stream_id)
);
CREATE INDEX ON ssf_streams (issuer_no, tenant, client, no);

-- The event types of the streams that take entries.
CREATE TABLE ssf_stream_types (
    issuer_no BIGINT NOT NULL,
    event_type TEXT COLLATE "C" NOT NULL,
    default_subjects TEXT NOT NULL,
    stream_no BIGINT NOT NULL REFERENCES ssf_streams ON DELETE CASCADE,
    PRIMARY KEY (issuer_no, event_type, default_subjects, stream_no)
);
CREATE INDEX ON ssf_stream_types (stream_no);

-- What streams that began with NONE have added, and what streams that began with ALL have removed.
CREATE TABLE ssf_subjects (
    stream_no BIGINT NOT NULL,
    issuer_no BIGINT NOT NULL,
    -- The digest of its identity.
    digest TEXT COLLATE "C" NOT NULL,
    subject TEXT NOT NULL,
    -- From when and until when it counts; absent: always.
    counts_from BIGINT,
    counts_until BIGINT,
    PRIMARY KEY (stream_no, digest)
);
CREATE INDEX ON ssf_subjects (issuer_no, counts_until) WHERE counts_until IS NOT NULL;

-- How many subjects each stream lists. Whoever changes them locks this row first.
CREATE TABLE ssf_subject_counts (
    stream_no BIGINT PRIMARY KEY REFERENCES ssf_streams ON DELETE CASCADE,
    subjects BIGINT NOT NULL DEFAULT 0
);

-- Streams of which something is discarded and counted, and not removed yet.
CREATE TABLE ssf_leftovers (
    stream_no BIGINT PRIMARY KEY,
    issuer_no BIGINT NOT NULL,
    -- What is of an earlier era goes; absent: all goes, the stream is gone.
    era BIGINT
);
CREATE INDEX ON ssf_leftovers (issuer_no);

-- What a listed subject is found by.
CREATE TABLE ssf_subject_keys (
    issuer_no BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    stream_no BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (issuer_no, key, stream_no, digest),
    FOREIGN KEY (stream_no, digest) REFERENCES ssf_subjects ON DELETE CASCADE
);
CREATE INDEX ON ssf_subject_keys (stream_no, digest);

-- The sets of member names that complex subjects were ever listed with.
CREATE TABLE ssf_patterns (
    issuer_no BIGINT NOT NULL REFERENCES ssf_issuers,
    names TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (issuer_no, names)
);

-- How each stream is doing, and when it has something to push. Apart from its configuration: it
-- changes with every batch. Whoever changes what a stream has waiting locks this row first; an
-- emission does not.
CREATE TABLE ssf_queues (
    stream_no BIGINT PRIMARY KEY REFERENCES ssf_streams ON DELETE CASCADE,
    issuer_no BIGINT NOT NULL,
    stream_id TEXT COLLATE "C" NOT NULL,
    -- The host of its endpoint; empty: it is polled.
    host TEXT COLLATE "C" NOT NULL,
    -- 0 unknown, 1 prompt, 2 slow.
    pace SMALLINT NOT NULL DEFAULT 0,
    -- Its health as JSON.
    health TEXT NOT NULL,
    -- In the row of those that have a control entry to push, or when it joins that row.
    control_turn BIGINT,
    control_at BIGINT,
    -- The same for ordinary entries.
    ordinary_turn BIGINT,
    ordinary_at BIGINT,
    -- Copies of what its record says, so that whoever locks this row sees them as they are.
    status TEXT NOT NULL,
    -- Who gave it that status: `receiver`, `transmitter`, `suspension`.
    set_by TEXT NOT NULL,
    generation BIGINT NOT NULL,
    era BIGINT NOT NULL DEFAULT 0,
    -- Whether it holds ordinary entries nobody is being sent.
    holding SMALLINT NOT NULL DEFAULT 0,
    -- Entries taken in: all, the ordinary ones, and the bytes of these.
    waiting BIGINT NOT NULL DEFAULT 0,
    ordinary BIGINT NOT NULL DEFAULT 0,
    ordinary_bytes BIGINT NOT NULL DEFAULT 0,
    dead_letters BIGINT NOT NULL DEFAULT 0,
    active_at BIGINT NOT NULL,
    -- When the receiver last asked for a verification; when one was last queued by anybody.
    verified_at BIGINT,
    verification_at BIGINT NOT NULL,
    redriven BIGINT NOT NULL DEFAULT 0,
    delivered BIGINT NOT NULL DEFAULT 0,
    delivered_unusually BIGINT NOT NULL DEFAULT 0,
    dead BIGINT NOT NULL DEFAULT 0,
    dead_by_held_limit BIGINT NOT NULL DEFAULT 0,
    discarded_disabled BIGINT NOT NULL DEFAULT 0,
    discarded_deleted BIGINT NOT NULL DEFAULT 0,
    discarded_replaced BIGINT NOT NULL DEFAULT 0,
    tokens_replaced BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX ON ssf_queues (issuer_no, pace, control_turn) INCLUDE (host) WHERE control_turn IS NOT NULL;
CREATE INDEX ON ssf_queues (issuer_no, pace, control_at) WHERE control_at IS NOT NULL;
CREATE INDEX ON ssf_queues (issuer_no, pace, ordinary_turn) INCLUDE (host) WHERE ordinary_turn IS NOT NULL;
CREATE INDEX ON ssf_queues (issuer_no, pace, ordinary_at) WHERE ordinary_at IS NOT NULL;
CREATE INDEX ON ssf_queues (issuer_no, active_at, stream_id) WHERE status = 'enabled';
CREATE INDEX ON ssf_queues (issuer_no, verification_at, stream_id) WHERE status = 'enabled';
CREATE INDEX ON ssf_queues (issuer_no, stream_id) WHERE holding = 1;

-- The claims that all SETs of one event share, once. Without a foreign key to them: the sweep
-- removes those that nothing waits for.
CREATE TABLE ssf_events (
    no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer_no BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- What waits. No foreign keys: an emission only inserts, and locks nothing that somebody else
-- waits for. Entries that an emission inserts while their stream is disabled or deleted are of an
-- earlier era, or of no stream; they are discarded when they are taken in.
CREATE TABLE ssf_entries (
    stream_no BIGINT NOT NULL,
    -- The order in which they came.
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    issuer_no BIGINT NOT NULL,
    era BIGINT NOT NULL,
    jti TEXT COLLATE "C" NOT NULL,
    -- 0 ordinary, 1 stream-updated, 2 verification.
    lane SMALLINT NOT NULL,
    event_no BIGINT NOT NULL,
    -- As a JSON string; control entries have none.
    order_key TEXT COLLATE "C",
    -- The bytes of the claims.
    bytes BIGINT NOT NULL,
    emitted_at BIGINT NOT NULL,
    -- When its present life began.
    queued_at BIGINT NOT NULL,
    first_attempt BIGINT,
    token TEXT,
    kid TEXT COLLATE "C",
    -- 0: not taken in yet; 1: the head of its order key; 2: any other.
    place SMALLINT NOT NULL,
    -- 1: a head that nobody holds and whose kept token is to be sent.
    signed SMALLINT NOT NULL DEFAULT 0,
    -- 0 waiting, 1 claimed, 2 retrying, 3 deferred.
    state SMALLINT NOT NULL DEFAULT 0,
    -- When the state ends; absent: it waits.
    due BIGINT,
    attempts BIGINT NOT NULL DEFAULT 0,
    fence BIGINT NOT NULL DEFAULT 0,
    failed_with_stream SMALLINT NOT NULL DEFAULT 0,
    of_current_key SMALLINT NOT NULL DEFAULT 0,
    -- Until when no other poll is given it.
    hidden_until BIGINT,
    PRIMARY KEY (stream_no, seq)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX ON ssf_entries (stream_no, jti);
CREATE UNIQUE INDEX ON ssf_entries (stream_no, order_key) WHERE place = 1;
CREATE INDEX ON ssf_entries (stream_no, due, seq) WHERE place = 1;
CREATE INDEX ON ssf_entries (stream_no, kid, due, seq) WHERE signed = 1;
CREATE INDEX ON ssf_entries (stream_no, order_key, seq) WHERE place = 2;
CREATE INDEX ON ssf_entries (issuer_no, seq) WHERE place = 0;
CREATE INDEX ON ssf_entries (stream_no, due) WHERE state = 1;
CREATE INDEX ON ssf_entries (stream_no, lane, seq) WHERE lane > 0;
CREATE INDEX ON ssf_entries (stream_no, hidden_until) WHERE hidden_until IS NOT NULL;
CREATE INDEX ON ssf_entries (event_no);

-- The numbers of turns and claims, and of revisions.
CREATE SEQUENCE ssf_turns;
CREATE SEQUENCE ssf_revisions;

CREATE TABLE ssf_dead_letters (
    stream_no BIGINT NOT NULL,
    dead_at BIGINT NOT NULL,
    jti TEXT COLLATE "C" NOT NULL,
    issuer_no BIGINT NOT NULL,
    lane SMALLINT NOT NULL,
    event_no BIGINT NOT NULL,
    order_key TEXT COLLATE "C",
    token TEXT,
    kid TEXT COLLATE "C",
    -- The kind of the reason, and the error code of the receiver as a JSON string.
    kind TEXT NOT NULL,
    err TEXT,
    -- The reason as JSON.
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    emitted_at BIGINT NOT NULL,
    first_attempt BIGINT,
    PRIMARY KEY (stream_no, dead_at, jti)
);
CREATE INDEX ON ssf_dead_letters (issuer_no, dead_at);
CREATE INDEX ON ssf_dead_letters (event_no);

-- What the first emission under each idempotency key did.
CREATE TABLE ssf_emissions (
    issuer_no BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    txn TEXT NOT NULL,
    -- `[[stream_id, jti], ...]` of what was accepted, and the streams that were skipped.
    accepted TEXT NOT NULL,
    skipped TEXT NOT NULL,
    PRIMARY KEY (issuer_no, key)
);
CREATE INDEX ON ssf_emissions (issuer_no, at);

CREATE TABLE ssf_conditions (
    issuer_no BIGINT PRIMARY KEY REFERENCES ssf_issuers,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL
);

CREATE TABLE ssf_identities (
    issuer_no BIGINT NOT NULL,
    identity TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    version BIGINT,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (issuer_no, identity)
);

CREATE TABLE ssf_failures (
    issuer_no BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    identity TEXT COLLATE "C" NOT NULL,
    condition TEXT NOT NULL,
    -- As a JSON string.
    reason TEXT NOT NULL,
    at BIGINT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    PRIMARY KEY (issuer_no, id)
);
CREATE INDEX ON ssf_failures (issuer_no, identity);

-- The migrations that were made; `least` is the least version of the library that can work with
-- what each made.
CREATE TABLE ssf_migrations (
    version BIGINT PRIMARY KEY,
    least BIGINT NOT NULL
);
INSERT INTO ssf_migrations (version, least) VALUES (1, 1);
