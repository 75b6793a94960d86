//! What streams lose: all that waits, when they are disabled; everything, when they are deleted.

use super::{Found, lock, owned};
use crate::id::{Issuer, Owner, StreamId};
use crate::store::sql::session::Session;
use crate::store::sql::{leftovers, rows};
use crate::store::{Deleted, StoreError};

/// Removes all that waits, and counts it as discarded by disabling.
pub(super) async fn discard(session: &mut dyn Session, no: i64) -> Result<(), StoreError> {
    let bodies = "DELETE FROM ssf_events \
        WHERE no IN (SELECT event_no FROM ssf_entries WHERE stream_no = $1) \
        AND NOT EXISTS (SELECT 1 FROM ssf_entries e \
            WHERE e.event_no = ssf_events.no AND e.stream_no <> $1) \
        AND NOT EXISTS (SELECT 1 FROM ssf_dead_letters d WHERE d.event_no = ssf_events.no)";
    session.run(bodies, &[no.into()]).await?;
    let entries = "DELETE FROM ssf_entries WHERE stream_no = $1";
    let discarded = session.run(entries, &[no.into()]).await?;
    let update = "UPDATE ssf_queues SET waiting = 0, ordinary = 0, ordinary_bytes = 0, \
        discarded_disabled = discarded_disabled + $2 WHERE stream_no = $1";
    session.run(update, &[no.into(), rows::number(discarded).into()]).await?;
    Ok(())
}

/// Counts all that was taken in as discarded by disabling, and leaves it to be removed.
pub(super) async fn leave(session: &mut dyn Session, no: i64) -> Result<(), StoreError> {
    let control = "DELETE FROM ssf_entries WHERE stream_no = $1 AND lane > 0";
    session.run(control, &[no.into()]).await?;
    // Nobody holds what is gone.
    let claims = "UPDATE ssf_entries SET state = 0, due = NULL WHERE stream_no = $1 AND state = 1";
    session.run(claims, &[no.into()]).await?;
    let update = "UPDATE ssf_queues SET discarded_disabled = discarded_disabled + waiting, \
        waiting = 0, ordinary = 0, ordinary_bytes = 0 WHERE stream_no = $1";
    session.run(update, &[no.into()]).await?;
    Ok(())
}

/// Deletes a stream. What it leaves to be removed is that of the number that is returned.
pub(in super::super) async fn delete(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
) -> Result<(Deleted, Option<i64>), StoreError> {
    let found = owned(session, issuer, owner, stream).await?;
    let Found { no, issuer_no, era, .. } = lock(session, issuer, found.no).await?;
    let queue = "SELECT waiting FROM ssf_queues WHERE stream_no = $1 {lock}";
    let queue = session.rows(queue, &[no.into()]).await?;
    let waiting = rows::count(queue.first().ok_or(StoreError::NotFound)?, 0)?;
    if !leftovers::is_little(session, no).await? || leftovers::are_there(session, no).await? {
        // Control entries go with the others: nobody finds what is of no stream.
        depart(session, issuer_no, no, 0, rows::number(waiting)).await?;
        leftovers::note(session, issuer_no, no, None).await?;
        session.run("DELETE FROM ssf_streams WHERE no = $1", &[no.into()]).await?;
        return Ok((Deleted::new(waiting), Some(no)));
    }

    let bodies = "DELETE FROM ssf_events \
        WHERE no IN (SELECT event_no FROM ssf_entries WHERE stream_no = $1 \
            UNION SELECT event_no FROM ssf_dead_letters WHERE stream_no = $1) \
        AND NOT EXISTS (SELECT 1 FROM ssf_entries e \
            WHERE e.event_no = ssf_events.no AND e.stream_no <> $1) \
        AND NOT EXISTS (SELECT 1 FROM ssf_dead_letters d \
            WHERE d.event_no = ssf_events.no AND d.stream_no <> $1)";
    session.run(bodies, &[no.into()]).await?;
    // Emissions that overlapped with a disabling left these.
    let late = "DELETE FROM ssf_entries WHERE stream_no = $1 AND era < $2";
    let late = session.run(late, &[no.into(), era.into()]).await?;
    let waiting = "DELETE FROM ssf_entries WHERE stream_no = $1";
    let discarded = session.run(waiting, &[no.into()]).await?;
    session.run("DELETE FROM ssf_dead_letters WHERE stream_no = $1", &[no.into()]).await?;
    depart(session, issuer_no, no, rows::number(late), rows::number(discarded)).await?;
    // This waits for a subject that is being added, which the next statement then sees.
    session.run("DELETE FROM ssf_streams WHERE no = $1", &[no.into()]).await?;
    session.run("DELETE FROM ssf_subjects WHERE stream_no = $1", &[no.into()]).await?;
    Ok((Deleted::new(discarded), None))
}

/// Adds what became of the entries of a stream that goes to the counters of its issuer.
async fn depart(
    session: &mut dyn Session,
    issuer_no: i64,
    no: i64,
    disabled: i64,
    deleted: i64,
) -> Result<(), StoreError> {
    let update = "UPDATE ssf_issuers SET \
        redriven = ssf_issuers.redriven + q.redriven, \
        delivered = ssf_issuers.delivered + q.delivered, \
        delivered_unusually = ssf_issuers.delivered_unusually + q.delivered_unusually, \
        dead = ssf_issuers.dead + q.dead, \
        dead_by_held_limit = ssf_issuers.dead_by_held_limit + q.dead_by_held_limit, \
        discarded_disabled = ssf_issuers.discarded_disabled + q.discarded_disabled + $3, \
        discarded_deleted = ssf_issuers.discarded_deleted + q.discarded_deleted + $4, \
        discarded_replaced = ssf_issuers.discarded_replaced + q.discarded_replaced, \
        tokens_replaced = ssf_issuers.tokens_replaced + q.tokens_replaced \
        FROM ssf_queues q WHERE q.stream_no = $2 AND ssf_issuers.no = $1";
    session.run(update, &[issuer_no.into(), no.into(), disabled.into(), deleted.into()]).await?;
    Ok(())
}
