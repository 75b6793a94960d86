//! Fills the tables of a store with more than calls could store in the time of a test: statements
//! that both databases take. The store holds one issuer and one stream already, `s0`.

/// Entries that wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// The first stream that gets some, `0` being `s0`, and how many do, one after the other.
    pub(crate) first: u32,
    pub(crate) streams: u32,
    /// How many entries there are in all.
    pub(crate) entries: u32,
    pub(crate) keys: Keys,
    pub(crate) tokens: Tokens,
}

/// Their order keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Each has one of its own.
    Own,
    /// All have the same, and the first of them retries much later.
    OneRetrying,
}

/// Whether tokens are kept for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    None,
    Kept,
}

/// Makes `s1` to `s<last>` like `s0`.
pub(crate) fn streams(last: u32) -> Vec<String> {
    let numbers = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) "
    );
    let streams = format!(
        "{numbers} INSERT INTO ssf_streams (issuer_no, stream_id, tenant, client, version, \
         generation, era, status, default_subjects, pushed, record, secret) \
         SELECT s.issuer_no, 's' || n.i, s.tenant, s.client, s.version, s.generation, s.era, \
         s.status, s.default_subjects, s.pushed, \
         replace(s.record, '\"s0\"', '\"s' || n.i || '\"'), s.secret \
         FROM ssf_streams s CROSS JOIN n WHERE s.stream_id = 's0' ORDER BY n.i"
    );
    let queues = "INSERT INTO ssf_queues (stream_no, issuer_no, stream_id, host, pace, health, \
         status, set_by, generation, era, active_at, verification_at) \
         SELECT s.no, s.issuer_no, s.stream_id, q.host, q.pace, q.health, q.status, q.set_by, \
         q.generation, q.era, q.active_at + s.no, q.verification_at + s.no \
         FROM ssf_streams s CROSS JOIN ssf_queues q \
         WHERE q.stream_id = 's0' AND s.stream_id <> 's0'";
    let types = "INSERT INTO ssf_stream_types (issuer_no, event_type, default_subjects, stream_no) \
         SELECT t.issuer_no, t.event_type, t.default_subjects, s.no \
         FROM ssf_streams s CROSS JOIN ssf_stream_types t WHERE s.stream_id <> 's0'";
    let counts = "INSERT INTO ssf_subject_counts (stream_no, subjects) \
         SELECT s.no, 0 FROM ssf_streams s WHERE s.stream_id <> 's0'";
    vec![
        streams,
        queues.to_owned(),
        types.to_owned(),
        counts.to_owned(),
        "ANALYZE ssf_streams".to_owned(),
    ]
}

/// Stores entries, taken in already, and enters their streams in the row, if they are pushed.
pub(crate) fn entries(load: &Load, body: &str, token: &str) -> Vec<String> {
    let Load { first, streams, entries, keys, tokens } = *load;
    let numbers = format!(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {}) ",
        entries - 1
    );
    let events = format!(
        "INSERT INTO ssf_events (issuer_no, body) SELECT issuer_no, '{body}' FROM ssf_streams \
         WHERE stream_id = 's0'"
    );
    let (key, place, state, due) = match keys {
        Keys::Own => ("'\"k' || n.i || '\"'", "1", "0", "NULL"),
        Keys::OneRetrying => (
            "'\"k\"'",
            "CASE WHEN n.i = 0 THEN 1 ELSE 2 END",
            "CASE WHEN n.i = 0 THEN 2 ELSE 0 END",
            "CASE WHEN n.i = 0 THEN 9000000000000 END",
        ),
    };
    let (token, kid) = match tokens {
        Tokens::None => ("NULL".to_owned(), "NULL"),
        Tokens::Kept => (format!("'{token}'"), "'k'"),
    };
    let rows = format!(
        "{numbers} INSERT INTO ssf_entries (stream_no, issuer_no, era, jti, lane, event_no, \
         order_key, bytes, emitted_at, queued_at, token, kid, place, state, due) \
         SELECT s.no, s.issuer_no, s.era, 'e{first}-' || n.i, 0, \
         (SELECT max(v.no) FROM ssf_events v), {key}, {bytes}, 0, 0, {token}, {kid}, {place}, \
         {state}, {due} \
         FROM n CROSS JOIN ssf_streams s \
         WHERE s.issuer_no = 1 AND s.stream_id = 's' || ({first} + n.i % {streams}) \
         ORDER BY n.i",
        bytes = body.len()
    );
    let of_each = entries / streams;
    let (last, bytes) = (first + streams - 1, of_each as usize * body.len());
    let queues = format!(
        "{} UPDATE ssf_queues SET waiting = waiting + {of_each}, ordinary = ordinary + {of_each}, \
         ordinary_bytes = ordinary_bytes + {bytes}, \
         holding = CASE WHEN host = '' OR status = 'paused' THEN 1 ELSE 0 END, \
         ordinary_turn = CASE WHEN host <> '' AND status = 'enabled' THEN -stream_no END \
         WHERE stream_id IN (SELECT 's' || n.i FROM n)",
        format_args!(
            "WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n \
             WHERE i < {last})"
        )
    );
    vec![events, rows, queues]
}
