//! Dead letters: reading them, and giving them another life.

use std::collections::HashSet;

use super::session::Session;
use super::{rows, streams};
use crate::id::{Issuer, Jti, StreamId};
use crate::outbox::Lane;
use crate::store::{DeadLetter, LetterQuery, Redrive, RedriveLetter, Redriven, StoreError};
use crate::timestamp::Timestamp;

pub(super) async fn list(
    session: &mut dyn Session,
    issuer: &Issuer,
    stream: &StreamId,
    query: &LetterQuery,
) -> Result<Vec<DeadLetter>, StoreError> {
    let stream = streams::find(session, issuer, stream).await?;
    let select = "SELECT d.jti, d.lane, d.order_key, e.body, d.token, d.kid, d.reason, \
            d.attempts, d.emitted_at, d.first_attempt, d.dead_at \
        FROM ssf_dead_letters d JOIN ssf_events e ON e.no = d.event_no \
        WHERE d.stream_no = $1 AND (d.dead_at, d.jti) > ($2, $3) \
        AND ($4 IS NULL OR d.jti = $4) AND ($5 IS NULL OR d.kind = $5) \
        AND ($6 IS NULL OR d.err = $6) AND ($7 IS NULL OR d.dead_at >= $7) \
        AND ($8 IS NULL OR d.dead_at < $8) \
        ORDER BY d.dead_at, d.jti LIMIT $9";
    let filter = &query.filter;
    let (after_at, after_jti) = match &query.after {
        Some(after) => (after.dead_at.as_millis(), after.jti.as_str()),
        // No identifier is empty.
        None => (i64::MIN, ""),
    };
    let arguments = [
        stream.no.into(),
        after_at.into(),
        after_jti.into(),
        filter.jti.as_ref().map(Jti::as_str).into(),
        filter.kind.map(|kind| kind.as_str()).into(),
        filter.err.as_deref().map(rows::error_code).transpose()?.into(),
        filter.dead_from.map(|from| from.as_millis()).into(),
        filter.dead_before.map(|before| before.as_millis()).into(),
        rows::number(query.most as u64).into(),
    ];
    session.rows(select, &arguments).await?.iter().map(rows::letter).collect()
}

/// Gives dead letters another life. They come as entries that are taken in like those of an
/// emission.
pub(super) async fn redrive(
    session: &mut dyn Session,
    issuer: &Issuer,
    stream: &StreamId,
    redrive: Redrive,
) -> Result<Vec<Redriven>, StoreError> {
    let no = streams::find(session, issuer, stream).await?.no;
    let select = "SELECT status FROM ssf_queues WHERE stream_no = $1 {lock}";
    let queue = session.rows(select, &[no.into()]).await?;
    let queue = queue.first().ok_or(StoreError::NotFound)?;
    if queue.text(0)? == "disabled" {
        return Err(StoreError::StreamDisabled);
    }
    let outcomes = outcomes(session, no, &redrive).await?;
    let done = outcomes.iter().zip(&redrive.letters);
    let done: Vec<_> = done
        .filter(|(outcome, _)| **outcome == Redriven::Done)
        .map(|(_, RedriveLetter { place, new_jti })| {
            (place.dead_at.as_millis(), &place.jti, new_jti.as_ref())
        })
        .collect();
    let mut seen = HashSet::new();
    if !done.iter().all(|(_, jti, new_jti)| seen.insert(new_jti.unwrap_or(jti))) {
        return Err(StoreError::IdTaken);
    }
    revive(session, no, rows::batch(&done)?, redrive.now).await?;
    let update = "UPDATE ssf_queues SET dead_letters = dead_letters - $2, \
        redriven = redriven + $2 WHERE stream_no = $1";
    session.run(update, &[no.into(), rows::number(done.len() as u64).into()]).await?;
    Ok(outcomes)
}

/// What becomes of each letter. One that is named twice is gone the second time.
async fn outcomes(
    session: &mut dyn Session,
    no: i64,
    redrive: &Redrive,
) -> Result<Vec<Redriven>, StoreError> {
    let places = redrive.letters.iter().map(|letter| &letter.place);
    let batch: Vec<_> = places.map(|place| (place.dead_at.as_millis(), &place.jti)).collect();
    let select = "SELECT r.n, d.lane FROM {rows $2: dead_at bigint, jti text} r \
        CROSS JOIN ssf_dead_letters d \
        WHERE d.stream_no = $1 AND d.dead_at = r.dead_at AND d.jti = r.jti";
    let found = session.rows(select, &[no.into(), rows::batch(&batch)?.into()]).await?;
    let mut outcomes = vec![Redriven::Gone; redrive.letters.len()];
    let mut named = HashSet::new();
    let mut lanes: Vec<(usize, Lane)> = Vec::with_capacity(found.len());
    for row in &found {
        lanes.push((
            usize::try_from(rows::count(row, 0)?).unwrap_or(usize::MAX),
            rows::lane(row, 1)?,
        ));
    }
    lanes.sort_unstable_by_key(|(n, _)| *n);
    for (n, lane) in lanes {
        let (Some(outcome), Some(letter)) = (outcomes.get_mut(n), redrive.letters.get(n)) else {
            continue;
        };
        if named.insert(&letter.place) {
            *outcome = if lane.is_control() { Redriven::Refused } else { Redriven::Done };
        }
    }
    Ok(outcomes)
}

/// Makes entries of dead letters, the newest of their stream in that order.
async fn revive(
    session: &mut dyn Session,
    no: i64,
    letters: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO ssf_entries \
        (stream_no, issuer_no, era, jti, lane, event_no, order_key, bytes, emitted_at, \
        queued_at, token, kid, place) \
        SELECT d.stream_no, d.issuer_no, q.era, COALESCE(r.new_jti, d.jti), 0, d.event_no, \
            d.order_key, octet_length(e.body), d.emitted_at, $3, \
            CASE WHEN r.new_jti IS NULL THEN d.token END, \
            CASE WHEN r.new_jti IS NULL THEN d.kid END, 0 \
        FROM {rows $2: dead_at bigint, jti text, new_jti text} r \
        CROSS JOIN ssf_dead_letters d CROSS JOIN ssf_events e CROSS JOIN ssf_queues q \
        WHERE d.stream_no = $1 AND d.dead_at = r.dead_at AND d.jti = r.jti \
        AND e.no = d.event_no AND q.stream_no = d.stream_no ORDER BY r.n";
    session.run(insert, &[no.into(), letters.as_str().into(), now.as_millis().into()]).await?;
    let delete = "DELETE FROM ssf_dead_letters WHERE stream_no = $1 AND (dead_at, jti) IN \
        (SELECT r.dead_at, r.jti FROM {rows $2: dead_at bigint, jti text, new_jti text} r)";
    session.run(delete, &[no.into(), letters.as_str().into()]).await?;
    Ok(())
}
