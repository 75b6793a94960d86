//! Streams as they are configured.
//!
//! Whoever changes a stream locks, in this order: its tenant, when it may be suspended; its row; its
//! queue.

mod create;
mod delete;
mod update;

use super::rows;
use super::session::Session;
use super::value::Row;
use crate::id::{Issuer, Owner, StreamId};
use crate::store::StoreError;
use crate::stream::{Delivery, StreamRecord, StreamStatus};

pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use update::{Updated, update};

/// A stream, and where its rows are.
#[derive(Debug)]
pub(super) struct Found {
    /// Its number.
    pub(super) no: i64,
    /// The number of its issuer.
    pub(super) issuer_no: i64,
    /// The era of what waits.
    pub(super) era: i64,
    /// Its record.
    pub(super) record: StreamRecord,
}

/// Finds a stream of any owner.
pub(super) async fn find(
    session: &mut dyn Session,
    issuer: &Issuer,
    stream: &StreamId,
) -> Result<Found, StoreError> {
    let select = "SELECT s.no, s.issuer_no, s.era, s.record, s.secret \
        FROM ssf_issuers i JOIN ssf_streams s ON s.issuer_no = i.no \
        WHERE i.issuer = $1 AND s.stream_id = $2";
    let rows = session.rows(select, &[issuer.as_str().into(), stream.as_str().into()]).await?;
    found(issuer, rows.first().ok_or(StoreError::NotFound)?)
}

/// Finds a stream of that owner.
pub(super) async fn owned(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
) -> Result<Found, StoreError> {
    let found = find(session, issuer, stream).await?;
    if found.record.owner == *owner { Ok(found) } else { Err(StoreError::NotFound) }
}

/// Locks the row of a stream, and reads it as it is then.
async fn lock(session: &mut dyn Session, issuer: &Issuer, no: i64) -> Result<Found, StoreError> {
    let select = "SELECT no, issuer_no, era, record, secret FROM ssf_streams WHERE no = $1 {lock}";
    let rows = session.rows(select, &[no.into()]).await?;
    found(issuer, rows.first().ok_or(StoreError::NotFound)?)
}

fn found(issuer: &Issuer, row: &Row) -> Result<Found, StoreError> {
    let record = rows::record(issuer, row.text(3)?, row.opt_text(4)?)?;
    Ok(Found { no: row.int(0)?, issuer_no: row.int(1)?, era: row.int(2)?, record })
}

pub(super) async fn read(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
) -> Result<StreamRecord, StoreError> {
    Ok(owned(session, issuer, owner, stream).await?.record)
}

pub(super) async fn list(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
) -> Result<Vec<StreamRecord>, StoreError> {
    let select = "SELECT s.record, s.secret \
        FROM ssf_issuers i JOIN ssf_streams s ON s.issuer_no = i.no \
        WHERE i.issuer = $1 AND s.tenant = $2 AND s.client = $3 ORDER BY s.no";
    let arguments =
        [issuer.as_str().into(), owner.tenant.as_str().into(), owner.client.as_str().into()];
    let rows = session.rows(select, &arguments).await?;
    rows.iter().map(|row| rows::record(issuer, row.text(0)?, row.opt_text(1)?)).collect()
}

/// Lists the event types that a stream takes entries of. A disabled stream holds nothing (SSF 1.0
/// §8.1.2.1).
async fn insert_types(
    session: &mut dyn Session,
    issuer_no: i64,
    no: i64,
    record: &StreamRecord,
) -> Result<(), StoreError> {
    if record.status == StreamStatus::Disabled || record.events_delivered.is_empty() {
        return Ok(());
    }
    let insert = "INSERT INTO ssf_stream_types \
        (issuer_no, event_type, default_subjects, stream_no) \
        SELECT $1, r.event_type, $2, $3 FROM {rows $4: event_type text} r WHERE TRUE \
        ON CONFLICT DO NOTHING";
    let types: Vec<_> = record.events_delivered.iter().map(|event_type| [event_type]).collect();
    let arguments = [
        issuer_no.into(),
        record.default_subjects.as_str().into(),
        no.into(),
        rows::batch(&types)?.into(),
    ];
    session.run(insert, &arguments).await?;
    Ok(())
}

fn pushed(record: &StreamRecord) -> i64 {
    match record.delivery {
        Delivery::Push(_) => 1,
        Delivery::Poll => 0,
    }
}
