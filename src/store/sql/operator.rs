//! What the operator sees and does.

use super::session::Session;
use super::value::Row;
use super::{issuers, rows, streams, tenants};
use crate::id::{Issuer, Owner, StreamId};
use crate::store::{Backlog, StoreError, StreamOverview, Totals};
use crate::stream::StreamRecord;
use crate::timestamp::Timestamp;

/// The columns of an overview. What was emitted lately is counted by nobody yet; so entries are
/// counted one by one as long as they are few.
macro_rules! overviews {
    ($which:literal) => {
        concat!(
            "SELECT s.record, s.secret, q.health, q.waiting, ",
            "CASE WHEN q.waiting <= 10000 THEN (SELECT count(*) FROM (SELECT 1 AS one ",
            "FROM ssf_entries e WHERE e.stream_no = s.no AND e.era = s.era LIMIT 10001) few) END, ",
            "(SELECT e.emitted_at FROM ssf_entries e WHERE e.stream_no = s.no AND e.era = s.era ",
            "ORDER BY e.seq LIMIT 1), ",
            "(SELECT e.place FROM ssf_entries e WHERE e.stream_no = s.no AND e.lane = 0 ",
            "ORDER BY e.seq DESC LIMIT 1), ",
            "q.control_turn, q.control_at, q.ordinary_turn, q.ordinary_at, ",
            "CASE WHEN s.status = 'enabled' THEN s.pushed ELSE 0 END, q.dead_letters, ",
            "q.redriven, q.delivered, q.delivered_unusually, q.dead, q.dead_by_held_limit, ",
            "q.discarded_disabled, q.discarded_deleted, q.discarded_replaced, q.tokens_replaced ",
            "FROM ssf_streams s JOIN ssf_queues q ON q.stream_no = s.no WHERE s.issuer_no = ",
            "(SELECT i.no FROM ssf_issuers i WHERE i.issuer = $1) AND ",
            $which
        )
    };
}

pub(super) async fn find(
    session: &mut dyn Session,
    issuer: &Issuer,
    stream: &StreamId,
) -> Result<StreamRecord, StoreError> {
    Ok(streams::find(session, issuer, stream).await?.record)
}

pub(super) async fn list_overviews(
    session: &mut dyn Session,
    issuer: &Issuer,
    after: Option<&StreamId>,
    most: usize,
) -> Result<Vec<StreamOverview>, StoreError> {
    let select = overviews!("s.stream_id > $2 ORDER BY s.stream_id LIMIT $3");
    // No identifier is empty.
    let after = after.map_or("", StreamId::as_str);
    let most = rows::number(most as u64);
    let rows = session.rows(select, &[issuer.as_str().into(), after.into(), most.into()]).await?;
    rows.iter().map(|row| read(issuer, row)).collect()
}

pub(super) async fn overview(
    session: &mut dyn Session,
    issuer: &Issuer,
    stream: &StreamId,
) -> Result<StreamOverview, StoreError> {
    let select = overviews!("s.stream_id = $2");
    let rows = session.rows(select, &[issuer.as_str().into(), stream.as_str().into()]).await?;
    read(issuer, rows.first().ok_or(StoreError::NotFound)?)
}

fn read(issuer: &Issuer, row: &Row) -> Result<StreamOverview, StoreError> {
    let (record, health) =
        (rows::record(issuer, row.text(0)?, row.opt_text(1)?)?, rows::health(row.text(2)?)?);
    let counted = row.opt_int(4)?.map(|_| rows::count(row, 4)).transpose()?;
    let backlog = match counted {
        Some(exactly) if exactly <= Backlog::COUNTED => Backlog::Exactly(exactly),
        Some(_) => Backlog::About(Backlog::COUNTED + 1),
        None => Backlog::About(rows::count(row, 3)?),
    };
    let oldest_pending = rows::opt_time(row, 5)?;
    // An entry that is not taken in yet is due like any other of its stream.
    let fresh = row.opt_int(6)? == Some(0) && row.int(11)? == 1;
    let fresh = fresh.then(|| health.ordinary_from().or(oldest_pending)).flatten();
    // What is due at once has been due since it was emitted.
    let turn = |turn, at| -> Result<Option<Timestamp>, StoreError> {
        Ok(if row.opt_int(turn)?.is_some() { oldest_pending } else { rows::opt_time(row, at)? })
    };
    let next_attempt = [turn(7, 8)?, turn(9, 10)?, fresh].into_iter().flatten().min();
    Ok(StreamOverview {
        backlog,
        oldest_pending,
        next_attempt,
        dead_letters: rows::count(row, 12)?,
        totals: rows::totals(row, 13, backlog.entries())?,
        ..StreamOverview::new(record, health)
    })
}

pub(super) async fn suspend(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
) -> Result<(), StoreError> {
    let issuer_no = issuers::enter(session, issuer).await?;
    tenants::suspend(session, issuer_no, owner).await
}

pub(super) async fn resume(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
) -> Result<(), StoreError> {
    match issuers::find(session, issuer).await? {
        Some(issuer_no) => tenants::resume(session, issuer_no, owner).await,
        None => Ok(()),
    }
}

/// What became of all entries: of those that streams have, and of those that deleted ones had.
pub(super) async fn totals(
    session: &mut dyn Session,
    issuer: &Issuer,
) -> Result<Totals, StoreError> {
    let select = "SELECT \
        i.redriven + CAST(COALESCE(sum(q.redriven), 0) AS BIGINT), \
        i.delivered + CAST(COALESCE(sum(q.delivered), 0) AS BIGINT), \
        i.delivered_unusually + CAST(COALESCE(sum(q.delivered_unusually), 0) AS BIGINT), \
        i.dead + CAST(COALESCE(sum(q.dead), 0) AS BIGINT), \
        i.dead_by_held_limit + CAST(COALESCE(sum(q.dead_by_held_limit), 0) AS BIGINT), \
        i.discarded_disabled + CAST(COALESCE(sum(q.discarded_disabled), 0) AS BIGINT), \
        i.discarded_deleted + CAST(COALESCE(sum(q.discarded_deleted), 0) AS BIGINT), \
        i.discarded_replaced + CAST(COALESCE(sum(q.discarded_replaced), 0) AS BIGINT), \
        i.tokens_replaced + CAST(COALESCE(sum(q.tokens_replaced), 0) AS BIGINT), \
        CAST(COALESCE(sum(q.waiting), 0) AS BIGINT), \
        (SELECT count(*) FROM ssf_entries e WHERE e.issuer_no = i.no AND e.place = 0) \
        FROM ssf_issuers i LEFT JOIN ssf_queues q ON q.issuer_no = i.no \
        WHERE i.issuer = $1 GROUP BY i.no";
    let rows = session.rows(select, &[issuer.as_str().into()]).await?;
    let Some(row) = rows.first() else { return Ok(Totals::default()) };
    let waiting = rows::count(row, rows::TOTALS)? + rows::count(row, rows::TOTALS + 1)?;
    rows::totals(row, 0, waiting)
}
