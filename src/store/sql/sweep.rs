//! What retention no longer asks for.

use std::collections::BTreeMap;

use super::endings::remove_bodies;
use super::intake::take_in;
use super::rows::{self, batch};
use super::session::Session;
use super::{issuers, leftovers, queue, subjects};
use crate::store::{StoreError, SweepRequest, Swept};
use crate::timestamp::Timestamp;

/// Removes what is too old, at most so many rows of each kind.
pub(super) async fn sweep(
    session: &mut dyn Session,
    request: SweepRequest,
) -> Result<Swept, StoreError> {
    let SweepRequest { issuer, dead_before, keys_before, most } = request;
    let Some(issuer_no) = issuers::find(session, &issuer).await? else {
        return Ok(Swept::default());
    };
    take_in(session, issuer_no, None).await?;
    // A removal that took effect so long ago is not looked back upon.
    subjects::expire(session, issuer_no, dead_before.max(keys_before), most).await?;
    leftovers::clear_any(session, issuer_no).await?;
    let most = rows::number(most as u64);
    let mut swept = Swept {
        dead_letters: dead_letters(session, issuer_no, dead_before, most).await?,
        ..Swept::default()
    };
    let arguments = [issuer_no.into(), keys_before.as_millis().into(), most.into()];
    swept.idempotency_keys = session.run(KEYS, &arguments).await?;
    bodies(session, issuer_no, most).await?;
    if let Some(row) = session.rows(OLDEST, &[issuer_no.into()]).await?.first() {
        swept.oldest_dead = rows::opt_time(row, 0)?;
        swept.oldest_key = rows::opt_time(row, 1)?;
    }
    Ok(swept)
}

const OLDEST: &str = "SELECT (SELECT d.dead_at FROM ssf_dead_letters d WHERE d.issuer_no = $1 \
     ORDER BY d.dead_at LIMIT 1), \
     (SELECT k.at FROM ssf_emissions k WHERE k.issuer_no = $1 ORDER BY k.at LIMIT 1)";

const OLD_LETTERS: &str = "SELECT stream_no, dead_at, jti FROM ssf_dead_letters \
     WHERE issuer_no = $1 AND dead_at < $2 ORDER BY dead_at LIMIT $3";

const REMOVE_LETTERS: &str = "DELETE FROM ssf_dead_letters WHERE (stream_no, dead_at, jti) IN \
     (SELECT v.stream_no, v.dead_at, v.jti \
      FROM {rows $1: stream_no bigint, dead_at bigint, jti text} v) \
     RETURNING stream_no, event_no";

const UNCOUNT: &str = "UPDATE ssf_queues AS q SET dead_letters = q.dead_letters - v.letters \
     FROM {rows $1: stream_no bigint, letters bigint} v WHERE q.stream_no = v.stream_no";

async fn dead_letters(
    session: &mut dyn Session,
    issuer_no: i64,
    before: Timestamp,
    most: i64,
) -> Result<u64, StoreError> {
    let arguments = [issuer_no.into(), before.as_millis().into(), most.into()];
    let old = session.rows(OLD_LETTERS, &arguments).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let old = old.iter().map(|row| Ok((row.int(0)?, row.int(1)?, row.text(2)?)));
    let old: Vec<_> = old.collect::<Result<_, StoreError>>()?;
    let streams: Vec<i64> = old.iter().map(|(no, _, _)| *no).collect();
    queue::lock(session, &streams).await?;
    let removed = session.rows(REMOVE_LETTERS, &[batch(&old)?.into()]).await?;
    let (mut counts, mut events) = (BTreeMap::<i64, i64>::new(), Vec::new());
    for row in &removed {
        *counts.entry(row.int(0)?).or_default() += 1;
        events.push(row.int(1)?);
    }
    let counts: Vec<_> = counts.into_iter().collect();
    session.run(UNCOUNT, &[batch(&counts)?.into()]).await?;
    remove_bodies(session, events.into_iter()).await?;
    Ok(removed.len() as u64)
}

const KEYS: &str = "DELETE FROM ssf_emissions WHERE (issuer_no, key) IN \
     (SELECT k.issuer_no, k.key FROM ssf_emissions k \
      WHERE k.issuer_no = $1 AND k.at < $2 ORDER BY k.at LIMIT $3)";

const NEXT_BODIES: &str = "SELECT v.no FROM ssf_events v \
     WHERE v.no > (SELECT i.swept FROM ssf_issuers i WHERE i.no = $1) ORDER BY v.no LIMIT $2";

/// Removes bodies that were left behind when two transactions at once settled the last SETs of
/// their event. Each sweep looks at the next events, and after the last again at the first.
async fn bodies(session: &mut dyn Session, issuer_no: i64, most: i64) -> Result<(), StoreError> {
    let looked_at = session.rows(NEXT_BODIES, &[issuer_no.into(), most.into()]).await?;
    let looked_at = looked_at.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    let reached = match looked_at.last() {
        Some(last) if rows::number(looked_at.len() as u64) >= most => *last,
        Some(_) | None => 0,
    };
    remove_bodies(session, looked_at.into_iter()).await?;
    let note = "UPDATE ssf_issuers SET swept = $2 WHERE no = $1 AND swept <> $2";
    session.run(note, &[issuer_no.into(), reached.into()]).await?;
    Ok(())
}
