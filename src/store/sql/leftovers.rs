//! What is discarded and counted, and not removed yet: nobody waits until a million rows are gone.
//!
//! A stream that is disabled or deleted with few entries loses them at once. Of one with many it is
//! noted here that they are none any more; they are removed in transactions of their own, a chunk in
//! each. While a stream has leftovers it is disabled or gone, and takes nothing new but control
//! entries. Entries that were not taken in yet are not meant: whoever takes them in discards them.

use super::endings::remove_bodies;
use super::session::Session;
use crate::store::StoreError;

/// So many rows are removed in one transaction: SQLite lets nobody else write meanwhile.
const CHUNK: i64 = 1_000;

/// Whether a stream has little enough of everything to lose it at once.
pub(super) async fn is_little(session: &mut dyn Session, no: i64) -> Result<bool, StoreError> {
    let select = "SELECT \
        (SELECT count(*) FROM (SELECT 1 AS one FROM ssf_entries \
            WHERE stream_no = $1 LIMIT $2) entries), \
        (SELECT count(*) FROM (SELECT 1 AS one FROM ssf_dead_letters \
            WHERE stream_no = $1 LIMIT $2) letters), \
        (SELECT count(*) FROM (SELECT 1 AS one FROM ssf_subjects \
            WHERE stream_no = $1 LIMIT $2) subjects)";
    let rows = session.rows(select, &[no.into(), CHUNK.into()]).await?;
    let row = rows.first().ok_or(StoreError::NotFound)?;
    Ok(row.int(0)? < CHUNK && row.int(1)? < CHUNK && row.int(2)? < CHUNK)
}

/// Notes that what a stream had before that era goes; without an era, all it has.
pub(super) async fn note(
    session: &mut dyn Session,
    issuer_no: i64,
    no: i64,
    era: Option<i64>,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO ssf_leftovers (stream_no, issuer_no, era) VALUES ($1, $2, $3) \
        ON CONFLICT (stream_no) DO UPDATE SET era = excluded.era";
    session.run(insert, &[no.into(), issuer_no.into(), era.into()]).await?;
    Ok(())
}

/// Whether a stream has leftovers.
pub(super) async fn are_there(session: &mut dyn Session, no: i64) -> Result<bool, StoreError> {
    let select = "SELECT stream_no FROM ssf_leftovers WHERE stream_no = $1";
    Ok(!session.rows(select, &[no.into()]).await?.is_empty())
}

/// Removes a chunk of the leftovers of some stream of an issuer.
pub(super) async fn clear_any(session: &mut dyn Session, issuer_no: i64) -> Result<(), StoreError> {
    let select = "SELECT stream_no FROM ssf_leftovers WHERE issuer_no = $1 LIMIT 1 {skip}";
    if let Some(row) = session.rows(select, &[issuer_no.into()]).await?.first() {
        clear(session, row.int(0)?).await?;
    }
    Ok(())
}

/// Removes a chunk of the leftovers of a stream; says whether there are more.
pub(super) async fn clear(session: &mut dyn Session, no: i64) -> Result<bool, StoreError> {
    let select = "SELECT era FROM ssf_leftovers WHERE stream_no = $1 {lock}";
    let rows = session.rows(select, &[no.into()]).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let era = row.opt_int(0)?;
    let is_gone = era.is_none();
    let mut removed = entries(session, no, era.unwrap_or(i64::MAX)).await?;
    if removed == 0 && is_gone {
        removed = letters(session, no).await? + subjects(session, no).await?;
    }
    if removed == 0 {
        session.run("DELETE FROM ssf_leftovers WHERE stream_no = $1", &[no.into()]).await?;
    }
    Ok(removed > 0)
}

async fn entries(session: &mut dyn Session, no: i64, era: i64) -> Result<u64, StoreError> {
    let delete = "DELETE FROM ssf_entries WHERE stream_no = $1 AND seq IN \
        (SELECT seq FROM ssf_entries WHERE stream_no = $1 AND era < $2 AND place > 0 \
        ORDER BY seq LIMIT $3) RETURNING event_no";
    let removed = session.rows(delete, &[no.into(), era.into(), CHUNK.into()]).await?;
    let events = removed.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    remove_bodies(session, events.into_iter()).await?;
    Ok(removed.len() as u64)
}

async fn letters(session: &mut dyn Session, no: i64) -> Result<u64, StoreError> {
    let delete = "DELETE FROM ssf_dead_letters WHERE stream_no = $1 AND (dead_at, jti) IN \
        (SELECT dead_at, jti FROM ssf_dead_letters WHERE stream_no = $1 \
        ORDER BY dead_at, jti LIMIT $2) RETURNING event_no";
    let removed = session.rows(delete, &[no.into(), CHUNK.into()]).await?;
    let events = removed.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    remove_bodies(session, events.into_iter()).await?;
    Ok(removed.len() as u64)
}

async fn subjects(session: &mut dyn Session, no: i64) -> Result<u64, StoreError> {
    let delete = "DELETE FROM ssf_subjects WHERE stream_no = $1 AND digest IN \
        (SELECT digest FROM ssf_subjects WHERE stream_no = $1 ORDER BY digest LIMIT $2)";
    session.run(delete, &[no.into(), CHUNK.into()]).await
}
