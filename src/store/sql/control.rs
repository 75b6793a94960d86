//! Verification and stream-updated SETs.

use super::endings::{Entries, Entry, entry_columns};
use super::queue::{self, Queue};
use super::session::Session;
use super::{rows, streams};
use crate::id::{Issuer, Jti, Owner, StreamId};
use crate::outbox::{Discard, Happening, Lane};
use crate::store::{NewControl, NewVerification, StartedBy, StoreError, VerificationQueued};
use crate::stream::StreamStatus;
use crate::timestamp::Timestamp;

/// Queues a verification, unless it comes too early.
pub(super) async fn queue_verification(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
    verification: NewVerification,
) -> Result<VerificationQueued, StoreError> {
    let NewVerification { control, min_interval, started_by } = verification;
    let (no, now) = (streams::owned(session, issuer, owner, stream).await?.no, control.now);
    let mut queue = lock(session, no).await?;
    let times = "SELECT verified_at, verification_at FROM ssf_queues WHERE stream_no = $1";
    let times = session.rows(times, &[no.into()]).await?;
    let times = times.first().ok_or(StoreError::NotFound)?;
    let last = match started_by {
        StartedBy::Receiver => rows::opt_time(times, 0)?,
        StartedBy::Transmitter => Some(rows::time(times, 1)?),
    };
    if let Some(last) = last
        && now.since(last) < min_interval
    {
        return Ok(VerificationQueued::TooSoon(last.after(min_interval)));
    }
    check_unused(session, no, &control.jti).await?;
    match started_by {
        StartedBy::Receiver => {
            let note = "UPDATE ssf_queues SET verified_at = $2, verification_at = $2 \
                 WHERE stream_no = $1";
            session.run(note, &[no.into(), now.as_millis().into()]).await?;
        }
        StartedBy::Transmitter => {
            let note = "UPDATE ssf_queues SET verification_at = $2 WHERE stream_no = $1";
            session.run(note, &[no.into(), now.as_millis().into()]).await?;
            if verification_of(session, &queue).await?.is_some() {
                return Ok(VerificationQueued::Unsettled);
            }
        }
    }
    match queue.status {
        StreamStatus::Enabled | StreamStatus::Paused => {
            accept_into(session, &mut queue, control).await?;
        }
        // A disabled stream holds nothing: accepted and discarded in one.
        StreamStatus::Disabled => queue.totals.discard(Discard::StreamDisabled, 1),
    }
    queue::renew(session, &mut [queue]).await?;
    Ok(VerificationQueued::Queued)
}

/// Accepts a control entry of a stream; a verification replaces an unsettled older one. The queue
/// row is still to be renewed ([`queue::changed`]).
pub(super) async fn accept(
    session: &mut dyn Session,
    stream_no: i64,
    control: NewControl,
) -> Result<(), StoreError> {
    let mut queue = lock(session, stream_no).await?;
    check_unused(session, stream_no, &control.jti).await?;
    accept_into(session, &mut queue, control).await?;
    queue::store(session, &mut [queue]).await
}

async fn lock(session: &mut dyn Session, stream_no: i64) -> Result<Queue, StoreError> {
    queue::lock(session, &[stream_no]).await?.pop().ok_or(StoreError::NotFound)
}

async fn check_unused(
    session: &mut dyn Session,
    stream_no: i64,
    jti: &Jti,
) -> Result<(), StoreError> {
    let find = "SELECT seq FROM ssf_entries WHERE stream_no = $1 AND jti = $2";
    let found = session.rows(find, &[stream_no.into(), jti.as_str().into()]).await?;
    if found.is_empty() { Ok(()) } else { Err(StoreError::IdTaken) }
}

const VERIFICATION: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM ssf_entries e WHERE e.stream_no = $1 AND e.lane = 2 AND e.lane > 0 AND e.era = $2"
);

/// The verification that is not settled yet.
async fn verification_of(
    session: &mut dyn Session,
    queue: &Queue,
) -> Result<Option<Entry>, StoreError> {
    let found = session.rows(VERIFICATION, &[queue.no.into(), queue.era.into()]).await?;
    found.first().map(Entry::read).transpose()
}

async fn accept_into(
    session: &mut dyn Session,
    queue: &mut Queue,
    control: NewControl,
) -> Result<(), StoreError> {
    if control.lane == Lane::Verification
        && let Some(older) = verification_of(session, queue).await?
    {
        let (jti, mut entries) = (older.jti.clone(), Entries::default());
        entries.add(older);
        entries.happen(queue, &jti, Happening::Discard(Discard::Replaced), control.now)?;
        entries.write(session, control.now).await?;
    }
    insert(session, queue, &control).await
}

/// Inserts a control entry. Whoever does holds the lock, so it needs no taking in.
async fn insert(
    session: &mut dyn Session,
    queue: &mut Queue,
    control: &NewControl,
) -> Result<(), StoreError> {
    let event = "INSERT INTO ssf_events (issuer_no, body) \
         SELECT issuer_no, $2 FROM ssf_queues WHERE stream_no = $1 RETURNING no";
    let body = control.body.as_str();
    let event = session.rows(event, &[queue.no.into(), body.into()]).await?;
    let event_no = event.first().ok_or(StoreError::NotFound)?.int(0)?;
    let entry = "INSERT INTO ssf_entries (stream_no, issuer_no, era, jti, lane, event_no, bytes, \
         emitted_at, queued_at, place) \
         SELECT stream_no, issuer_no, era, $2, $3, $4, $5, $6, $6, 2 \
         FROM ssf_queues WHERE stream_no = $1";
    let (bytes, at) = (rows::number(body.len() as u64), Timestamp::as_millis(control.now));
    let arguments = [
        queue.no.into(),
        control.jti.as_str().into(),
        rows::lane_number(control.lane).into(),
        event_no.into(),
        bytes.into(),
        at.into(),
    ];
    session.run(entry, &arguments).await?;
    queue.count_in(control.lane, bytes);
    Ok(())
}
