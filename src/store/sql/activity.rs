//! When receivers were last active, and verifications last queued.

use super::rows;
use super::session::Session;
use super::streams;
use crate::id::{Issuer, Owner};
use crate::store::{Activity, Overdue, StoreError};
use crate::timestamp::Timestamp;

/// Notes that a receiver was active; an earlier time changes nothing.
pub(super) async fn touch(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    activity: Activity,
) -> Result<(), StoreError> {
    let found = streams::owned(session, issuer, owner, &activity.stream_id).await?;
    let touch = "UPDATE ssf_queues SET active_at = $2 WHERE stream_no = $1 AND active_at < $2";
    session.run(touch, &[found.no.into(), activity.at.as_millis().into()]).await?;
    Ok(())
}

const IDLE: &str = "SELECT q.active_at, st.record, st.secret FROM \
     (SELECT q.stream_no, q.active_at, q.stream_id FROM ssf_queues q \
      WHERE q.issuer_no = (SELECT i.no FROM ssf_issuers i WHERE i.issuer = $1) \
      AND q.status = 'enabled' ORDER BY q.active_at, q.stream_id LIMIT $2) q \
     JOIN ssf_streams st ON st.no = q.stream_no ORDER BY q.active_at, q.stream_id";

/// Enabled streams whose receiver has not been active since then.
pub(super) async fn idle(
    session: &mut dyn Session,
    issuer: &Issuer,
    since: Timestamp,
    most: usize,
) -> Result<Overdue, StoreError> {
    overdue(session, IDLE, issuer, since, most).await
}

const UNVERIFIED: &str = "SELECT q.verification_at, st.record, st.secret FROM \
     (SELECT q.stream_no, q.verification_at, q.stream_id FROM ssf_queues q \
      WHERE q.issuer_no = (SELECT i.no FROM ssf_issuers i WHERE i.issuer = $1) \
      AND q.status = 'enabled' ORDER BY q.verification_at, q.stream_id LIMIT $2) q \
     JOIN ssf_streams st ON st.no = q.stream_no ORDER BY q.verification_at, q.stream_id";

/// Enabled streams for which no verification was queued since then.
pub(super) async fn unverified(
    session: &mut dyn Session,
    issuer: &Issuer,
    since: Timestamp,
    most: usize,
) -> Result<Overdue, StoreError> {
    overdue(session, UNVERIFIED, issuer, since, most).await
}

async fn overdue(
    session: &mut dyn Session,
    statement: &'static str,
    issuer: &Issuer,
    since: Timestamp,
    most: usize,
) -> Result<Overdue, StoreError> {
    let looked_at = rows::number(most.saturating_add(1) as u64);
    let mut overdue = Overdue::default();
    for row in session.rows(statement, &[issuer.as_str().into(), looked_at.into()]).await? {
        let at = rows::time(&row, 0)?;
        if at > since || overdue.streams.len() == most {
            overdue.next = Some(at);
            break;
        }
        overdue.streams.push(rows::record(issuer, row.text(1)?, row.opt_text(2)?)?);
    }
    Ok(overdue)
}
