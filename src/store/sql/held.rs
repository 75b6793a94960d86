//! What streams hold that nobody is being sent.

use super::endings::{Entries, Entry, entry_columns};
use super::intake::take_in;
use super::queue;
use super::session::Session;
use super::{issuers, rows};
use crate::id::{Issuer, StreamId};
use crate::outbox::{Happening, Held};
use crate::store::{GiveUpHeld, HeldStream, Settled, StoreError};

const PAGE: &str = "SELECT k.stream_id, k.ordinary, k.ordinary_bytes, e.queued_at FROM \
     (SELECT q.stream_no, q.stream_id, q.ordinary, q.ordinary_bytes FROM ssf_queues q \
      WHERE q.issuer_no = $1 AND q.holding = 1 AND q.stream_id > $2 \
      ORDER BY q.stream_id LIMIT $3) k \
     {first h.lane = 0 AND h.place > 0 ORDER BY h.seq LIMIT 1} ORDER BY k.stream_id";

/// A page of the streams that hold something, from their counters.
pub(super) async fn list(
    session: &mut dyn Session,
    issuer: &Issuer,
    after: Option<&StreamId>,
    most: usize,
) -> Result<Vec<HeldStream>, StoreError> {
    let Some(issuer_no) = issuers::find(session, issuer).await? else { return Ok(Vec::new()) };
    take_in(session, issuer_no, None).await?;
    // No identifier is empty.
    let after = after.map_or("", StreamId::as_str);
    let arguments = [issuer_no.into(), after.into(), rows::number(most as u64).into()];
    let held = |row: &super::value::Row| {
        let held = Held::new(rows::count(row, 1)?, rows::count(row, 2)?, rows::time(row, 3)?);
        Ok(HeldStream::new(rows::id(row, 0)?, held))
    };
    session.rows(PAGE, &arguments).await?.iter().map(held).collect()
}

const OLDEST: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM ssf_entries e WHERE e.stream_no = $1 AND e.lane = 0 AND e.place > 0 \
     AND (e.hidden_until IS NULL OR e.hidden_until <= $3) ORDER BY e.seq LIMIT $2"
);

/// Gives up the oldest of what a stream holds, while it is more than it may be.
pub(super) async fn give_up(
    session: &mut dyn Session,
    issuer: &Issuer,
    request: GiveUpHeld,
) -> Result<u64, StoreError> {
    let GiveUpHeld { stream_id, limits, now, most } = request;
    let Some(issuer_no) = issuers::find(session, issuer).await? else { return Ok(0) };
    take_in(session, issuer_no, None).await?;
    let named = std::iter::once(&stream_id);
    let Some(mut queue) = queue::lock_named(session, issuer_no, named).await?.pop() else {
        return Ok(0);
    };
    let (mut entries, mut oldest) = (Entries::default(), Vec::new());
    let most = rows::number(most as u64);
    let arguments = [queue.no.into(), most.into(), now.as_millis().into()];
    for row in session.rows(OLDEST, &arguments).await? {
        let entry = Entry::read(&row)?;
        oldest.push((entry.jti.clone(), entry.queued_at));
        entries.add(entry);
    }
    let mut given_up = 0;
    for (jti, queued_at) in oldest {
        if !queue.holds() {
            break;
        }
        let (held, bytes) = (queue.held.unsigned_abs(), queue.held_bytes.unsigned_abs());
        let held = Held::new(held, bytes, queued_at);
        let Some(limit) = limits.exceeded(&held, now) else { break };
        let happening = Happening::ExceedLimit { limit, now };
        let settled = entries.happen(&mut queue, &jti, happening, now)?;
        given_up += u64::from(settled == Settled::Done);
    }
    entries.write(session, now).await?;
    queue::renew(session, &mut [queue]).await?;
    Ok(given_up)
}
