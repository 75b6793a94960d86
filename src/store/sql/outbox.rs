//! Emission: events and their entries. It only inserts, and waits for no other emission.
//!
//! Entries come with `place = 0`: whoever delivers takes them in, and counts them then.

use std::collections::HashSet;

use super::session::Session;
use super::{issuers, rows};
use crate::id::{IdempotencyKey, Issuer, Jti, StreamId};
use crate::store::{Append, Appended, NewEntry, Repeated, StoreError};

/// How many rows go into the database in one statement.
const CHUNK: usize = 1_000;

pub(super) async fn append(
    session: &mut dyn Session,
    append: Append,
    fan_out: usize,
) -> Result<Appended, StoreError> {
    let issuer = append.issuer.clone();
    let mut appended = append_all(session, &issuer, &[append], fan_out).await?;
    appended.pop().ok_or(StoreError::Conflict)
}

/// Stores several events with their entries, in their order, each for `fan_out` streams at most.
/// Those without an idempotency key take as many statements together as one alone.
pub(super) async fn append_all(
    session: &mut dyn Session,
    issuer: &Issuer,
    appends: &[Append],
    fan_out: usize,
) -> Result<Vec<Appended>, StoreError> {
    let mut results = Vec::with_capacity(appends.len());
    if appends.is_empty() {
        return Ok(results);
    }
    check(appends, fan_out)?;
    let issuer_no = issuers::enter(session, issuer).await?;
    let mut rest = appends;
    while let [first, others @ ..] = rest {
        if let Some(key) = &first.idempotency_key {
            results.push(append_once(session, issuer_no, first, key).await?);
            rest = others;
        } else {
            let plain = rest.iter().take_while(|append| append.idempotency_key.is_none()).count();
            let (together, others) = rest.split_at(plain);
            results.extend(store(session, issuer_no, together).await?);
            rest = others;
        }
    }
    Ok(results)
}

/// Whether each is for few enough streams, and no identifier is there twice.
fn check(appends: &[Append], fan_out: usize) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    for append in appends {
        if append.entries.len() > fan_out {
            return Err(StoreError::FanOut { streams: append.entries.len(), most: fan_out });
        }
        if !append.entries.iter().all(|entry| seen.insert(&entry.jti)) {
            return Err(StoreError::IdTaken);
        }
    }
    Ok(())
}

/// Stores an event unless one was stored under its key. Two at once wait for each other, and only
/// two under the same key do.
async fn append_once(
    session: &mut dyn Session,
    issuer_no: i64,
    append: &Append,
    key: &IdempotencyKey,
) -> Result<Appended, StoreError> {
    let insert = "INSERT INTO ssf_emissions (issuer_no, key, at, txn, accepted, skipped) \
        VALUES ($1, $2, $3, $4, '[]', '[]') ON CONFLICT DO NOTHING";
    let arguments = [
        issuer_no.into(),
        key.as_str().into(),
        append.now.as_millis().into(),
        append.txn.as_str().into(),
    ];
    if session.run(insert, &arguments).await? == 0 {
        return first_result(session, issuer_no, key).await;
    }
    let mut stored = store(session, issuer_no, std::slice::from_ref(append)).await?;
    let stored = stored.pop().ok_or(StoreError::Conflict)?;
    let accepted: Vec<_> =
        stored.accepted.iter().map(|entry| (&entry.stream_id, &entry.jti)).collect();
    let update = "UPDATE ssf_emissions SET accepted = $3, skipped = $4 \
        WHERE issuer_no = $1 AND key = $2";
    let arguments = [
        issuer_no.into(),
        key.as_str().into(),
        rows::batch(&accepted)?.into(),
        rows::batch(&stored.skipped)?.into(),
    ];
    session.run(update, &arguments).await?;
    Ok(stored)
}

/// What the first emission under a key did.
async fn first_result(
    session: &mut dyn Session,
    issuer_no: i64,
    key: &IdempotencyKey,
) -> Result<Appended, StoreError> {
    let select =
        "SELECT txn, accepted, skipped FROM ssf_emissions WHERE issuer_no = $1 AND key = $2";
    let rows = session.rows(select, &[issuer_no.into(), key.as_str().into()]).await?;
    // Retention removed it just now: whoever tries again is the first.
    let row = rows.first().ok_or(StoreError::Conflict)?;
    let accepted: Vec<(StreamId, Jti)> = rows::from_json(row.text(1)?, "what was accepted")?;
    let accepted = accepted.into_iter().map(|(stream, jti)| NewEntry::new(stream, jti)).collect();
    let skipped = rows::from_json(row.text(2)?, "what was skipped")?;
    let first = Appended::new(rows::id(row, 0)?, accepted, skipped);
    Ok(Appended { repeated: Repeated::Yes, ..first })
}

/// Stores events and their entries. Streams that are gone or disabled get none.
async fn store(
    session: &mut dyn Session,
    issuer_no: i64,
    appends: &[Append],
) -> Result<Vec<Appended>, StoreError> {
    let with_entries: Vec<&Append> =
        appends.iter().filter(|append| !append.entries.is_empty()).collect();
    let events = insert_events(session, issuer_no, &with_entries).await?;
    let accepted = insert_entries(session, issuer_no, &with_entries, &events).await?;
    let mut unused = Vec::new();
    for (append, event) in with_entries.iter().zip(events) {
        if !append.entries.iter().any(|entry| accepted.contains(&entry.jti)) {
            unused.push([event]);
        }
    }
    if !unused.is_empty() {
        let delete = "DELETE FROM ssf_events \
            WHERE no IN (SELECT r.no FROM {rows $1: no bigint} r)";
        session.run(delete, &[rows::batch(&unused)?.into()]).await?;
    }
    Ok(appends.iter().map(|append| appended(append, &accepted)).collect())
}

fn appended(append: &Append, accepted: &HashSet<Jti>) -> Appended {
    let (accepted, skipped): (Vec<_>, Vec<_>) =
        append.entries.iter().cloned().partition(|entry| accepted.contains(&entry.jti));
    let skipped = skipped.into_iter().map(|entry| entry.stream_id).collect();
    Appended::new(append.txn.clone(), accepted.into(), skipped)
}

/// Stores the claims of each event once; returns the numbers of the events in their order.
async fn insert_events(
    session: &mut dyn Session,
    issuer_no: i64,
    appends: &[&Append],
) -> Result<Vec<i64>, StoreError> {
    let insert = "INSERT INTO ssf_events (issuer_no, body) \
        SELECT $1, r.body FROM {rows $2: body text} r ORDER BY r.n RETURNING no";
    let mut events = Vec::with_capacity(appends.len());
    for chunk in appends.chunks(CHUNK) {
        let bodies: Vec<_> = chunk.iter().map(|append| [append.body.as_str()]).collect();
        let bodies = rows::batch(&bodies)?;
        let inserted = session.rows(insert, &[issuer_no.into(), bodies.into()]).await?;
        let numbers: Result<Vec<_>, _> = inserted.iter().map(|row| row.int(0)).collect();
        let mut numbers = numbers?;
        // They are numbered in the order inserted, and returned in any.
        numbers.sort_unstable();
        events.append(&mut numbers);
    }
    Ok(events)
}

/// Stores the entries for the streams that take them; returns which those are.
async fn insert_entries(
    session: &mut dyn Session,
    issuer_no: i64,
    appends: &[&Append],
    events: &[i64],
) -> Result<HashSet<Jti>, StoreError> {
    let insert = "INSERT INTO ssf_entries \
        (stream_no, issuer_no, era, jti, lane, event_no, order_key, bytes, emitted_at, \
        queued_at, place) \
        SELECT s.no, s.issuer_no, s.era, r.jti, 0, r.event_no, r.order_key, r.bytes, r.at, \
            r.at, 0 \
        FROM {rows $2: stream_id text, jti text, event_no bigint, order_key text, bytes bigint, \
            at bigint} r \
        CROSS JOIN ssf_streams s \
        WHERE s.issuer_no = $1 AND s.stream_id = r.stream_id AND s.status <> 'disabled' \
        ORDER BY r.n RETURNING jti";
    let mut entries = Vec::new();
    for (append, event) in appends.iter().zip(events) {
        let order_key = rows::order_key_text(&append.order_key)?;
        let (bytes, at) = (append.body.as_str().len() as u64, append.now.as_millis());
        for NewEntry { stream_id, jti } in &append.entries {
            entries.push((stream_id, jti, *event, order_key.clone(), rows::number(bytes), at));
        }
    }
    let mut accepted = HashSet::with_capacity(entries.len());
    for chunk in entries.chunks(CHUNK) {
        let chunk = rows::batch(chunk)?;
        for row in session.rows(insert, &[issuer_no.into(), chunk.into()]).await? {
            accepted.insert(rows::id(&row, 0)?);
        }
    }
    Ok(accepted)
}
