//! Taking in: what an emission inserted gets its place, and streams whose time has come their turn.
//!
//! An emission locks nothing and counts nothing. What it inserted is found here, oldest first, so
//! many at a time, by whoever locks the queue rows of its streams.

use std::collections::{HashMap, HashSet};

use super::endings::remove_bodies;
use super::look::{Depth, look};
use super::queue::{self, Queue, Standing, lock_free, numbers};
use super::rows::{self, batch};
use super::session::Session;
use crate::outbox::Discard;
use crate::store::StoreError;
use crate::timestamp::Timestamp;

/// At most so many entries are taken in, and streams woken, at once: SQLite lets nobody else write
/// meanwhile.
const MOST: usize = 256;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Woken {
    /// Whether streams may stand in the row of those with control entries, or with ordinary ones.
    pub(super) control: bool,
    pub(super) ordinary: bool,
    /// Whether there is more to take in or to wake than was done.
    pub(super) more: bool,
    /// Whether anything was locked for it.
    pub(super) locked: bool,
}

/// What there is to do, by kind: 0 streams of fresh entries and how many they are, 1 and 2 streams
/// whose time has come, 3 and 4 whether streams stand in the rows.
const FIND: &str = "SELECT 0, f.stream_no, count(*), (SELECT q.stream_no FROM ssf_queues q \
     WHERE q.stream_no = f.stream_no), min(f.seq) \
     FROM (SELECT e.stream_no, e.seq FROM ssf_entries e WHERE e.issuer_no = $1 AND e.place = 0 \
     ORDER BY e.seq LIMIT $3) f GROUP BY f.stream_no \
     UNION ALL SELECT 1, c.stream_no, 1, c.stream_no, c.control_at FROM \
     (SELECT q.stream_no, q.control_at FROM ssf_queues q WHERE q.issuer_no = $1 \
     AND q.pace IN (0, 1, 2) AND q.control_at <= $2 LIMIT $3) c \
     UNION ALL SELECT 2, o.stream_no, 1, o.stream_no, o.ordinary_at FROM \
     (SELECT q.stream_no, q.ordinary_at FROM ssf_queues q WHERE q.issuer_no = $1 \
     AND q.pace IN (0, 1, 2) AND q.ordinary_at <= $2 LIMIT $3) o \
     UNION ALL SELECT 3, c.stream_no, 0, NULL, 0 FROM (SELECT q.stream_no FROM ssf_queues q \
     WHERE q.issuer_no = $1 AND q.control_turn IS NOT NULL ORDER BY q.pace, q.control_turn LIMIT 1) c \
     UNION ALL SELECT 4, o.stream_no, 0, NULL, 0 FROM (SELECT q.stream_no FROM ssf_queues q \
     WHERE q.issuer_no = $1 AND q.ordinary_turn IS NOT NULL ORDER BY q.pace, q.ordinary_turn LIMIT 1) o";

/// The streams there is something to do for.
#[derive(Debug, Default)]
struct Found {
    woken: Woken,
    /// Streams of fresh entries, those first that come first.
    fresh: Vec<(i64, i64)>,
    /// Streams whose time has come, by it.
    due: Vec<(i64, i64)>,
    /// Streams that are gone and got entries nevertheless.
    orphans: Vec<i64>,
}

async fn find(
    session: &mut dyn Session,
    issuer_no: i64,
    now: Option<Timestamp>,
) -> Result<Found, StoreError> {
    let most = rows::number(MOST as u64);
    let now = now.map_or(i64::MIN, Timestamp::as_millis);
    let arguments = [issuer_no.into(), now.into(), most.into()];
    let (mut found, mut counts) = (Found::default(), [0_i64; 3]);
    for row in session.rows(FIND, &arguments).await? {
        let (stream_no, count) = (row.int(1)?, row.int(2)?);
        let at = (row.int(4)?, stream_no);
        let [entries, control, ordinary] = &mut counts;
        match row.int(0)? {
            0 => {
                *entries += count;
                match row.opt_int(3)? {
                    Some(_) => found.fresh.push(at),
                    None => found.orphans.push(stream_no),
                }
            }
            1 => {
                *control += 1;
                found.due.push(at);
            }
            2 => {
                *ordinary += 1;
                found.due.push(at);
            }
            3 => found.woken.control = true,
            _ => found.woken.ordinary = true,
        }
    }
    found.woken.more = counts.iter().any(|count| *count >= most);
    found.fresh.sort_unstable();
    found.due.sort_unstable();
    Ok(found)
}

/// Takes entries in, and at `now` lets streams whose time has come join the row. Streams that
/// others have locked are left to them.
pub(super) async fn take_in(
    session: &mut dyn Session,
    issuer_no: i64,
    now: Option<Timestamp>,
) -> Result<Woken, StoreError> {
    let Found { mut woken, fresh, due, orphans } = find(session, issuer_no, now).await?;
    if !orphans.is_empty() {
        woken.locked = true;
        discard_orphans(session, issuer_no, &orphans).await?;
    }
    let mut seen = HashSet::new();
    let order = fresh.iter().chain(&due).map(|(_, no)| *no);
    let order: Vec<i64> = order.filter(|no| seen.insert(*no)).collect();
    if order.is_empty() {
        return Ok(woken);
    }
    let mut queues = lock_free(session, &order).await?;
    woken.locked |= !queues.is_empty();
    if !fresh.is_empty() {
        place_fresh(session, issuer_no, &mut queues).await?;
    }
    // What stands in the row already stays there when it gets more.
    let due: HashSet<i64> = due.into_iter().map(|(_, no)| no).collect();
    let stands =
        |queue: &Queue| matches!(queue.ordinary, Standing::InRow(_)) && !due.contains(&queue.no);
    let moving = queues.iter().filter(|queue| !stands(queue)).map(|queue| queue.no);
    let looks = look(session, &moving.collect::<Vec<_>>(), Depth::DUE).await?;
    let rank: HashMap<i64, usize> = order.iter().enumerate().map(|(n, no)| (*no, n)).collect();
    queues.sort_by_key(|queue| rank.get(&queue.no).copied());
    queue::derive(&mut queues, &looks, now);
    for queue in &queues {
        woken.control |= queue.control.is_in_row();
        woken.ordinary |= queue.ordinary.is_in_row();
    }
    queue::store(session, &mut queues).await?;
    Ok(woken)
}

/// Fresh entries of streams, and whether their order keys have heads.
const FRESH: &str = "SELECT e.stream_no, e.seq, e.era, e.lane, e.bytes, e.order_key, e.event_no, \
     (SELECT h.seq FROM ssf_entries h WHERE h.stream_no = e.stream_no \
     AND h.order_key = e.order_key AND h.place = 1) \
     FROM (SELECT * FROM ssf_entries WHERE issuer_no = $1 AND place = 0 ORDER BY seq LIMIT $3) e \
     WHERE e.stream_no IN (SELECT k.stream_no FROM {rows $2: stream_no bigint} k)";

const PLACE: &str = "UPDATE ssf_entries AS e SET place = v.place, \
     signed = CASE WHEN v.place = 1 AND e.state <> 1 AND e.of_current_key = 0 \
     AND e.token IS NOT NULL THEN 1 ELSE 0 END \
     FROM {rows $1: stream_no bigint, seq bigint, place bigint} v \
     WHERE e.stream_no = v.stream_no AND e.seq = v.seq";

const REMOVE: &str = "DELETE FROM ssf_entries WHERE (stream_no, seq) IN \
     (SELECT v.stream_no, v.seq FROM {rows $1: stream_no bigint, seq bigint} v)";

/// Gives the fresh entries of locked streams their places. Those of an earlier era are discarded.
async fn place_fresh(
    session: &mut dyn Session,
    issuer_no: i64,
    queues: &mut [Queue],
) -> Result<(), StoreError> {
    let streams: Vec<i64> = queues.iter().map(|queue| queue.no).collect();
    let most = rows::number(MOST as u64);
    let arguments = [issuer_no.into(), numbers(&streams)?.into(), most.into()];
    let mut fresh = session.rows(FRESH, &arguments).await?;
    fresh.sort_by_key(|row| row.int(1).unwrap_or_default());
    let mut by_number: HashMap<i64, &mut Queue> =
        queues.iter_mut().map(|queue| (queue.no, queue)).collect();
    let (mut placed, mut late, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    let mut headed = HashSet::new();
    for row in &fresh {
        let (stream_no, seq) = (row.int(0)?, row.int(1)?);
        let Some(queue) = by_number.get_mut(&stream_no) else { continue };
        if row.int(2)? != queue.era {
            queue.totals.discard(Discard::StreamDisabled, 1);
            late.push((stream_no, seq));
            bodies.push(row.int(6)?);
            continue;
        }
        let lane = rows::lane(row, 3)?;
        queue.count_in(lane, row.int(4)?);
        let first = row.opt_text(5)?.is_some_and(|key| headed.insert((stream_no, key)));
        let head = first && row.opt_int(7)?.is_none();
        placed.push((stream_no, seq, if head { 1 } else { 2 }));
    }
    if !placed.is_empty() {
        session.run(PLACE, &[batch(&placed)?.into()]).await?;
    }
    if !late.is_empty() {
        session.run(REMOVE, &[batch(&late)?.into()]).await?;
        remove_bodies(session, bodies.into_iter()).await?;
    }
    Ok(())
}

const ORPHANS: &str = "DELETE FROM ssf_entries WHERE (stream_no, seq) IN \
     (SELECT e.stream_no, e.seq FROM ssf_entries e WHERE e.issuer_no = $1 AND e.place = 0 \
     AND e.stream_no IN (SELECT k.stream_no FROM {rows $2: stream_no bigint} k) \
     ORDER BY e.seq LIMIT $3) RETURNING event_no";

/// Discards entries of streams that were deleted while they were emitted.
async fn discard_orphans(
    session: &mut dyn Session,
    issuer_no: i64,
    streams: &[i64],
) -> Result<(), StoreError> {
    let most = rows::number(MOST as u64);
    let arguments = [issuer_no.into(), numbers(streams)?.into(), most.into()];
    let removed = session.rows(ORPHANS, &arguments).await?;
    let bodies = removed.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
    let discarded = rows::number(removed.len() as u64);
    let count = "UPDATE ssf_issuers SET discarded_deleted = discarded_deleted + $2 WHERE no = $1";
    session.run(count, &[issuer_no.into(), discarded.into()]).await?;
    remove_bodies(session, bodies.into_iter()).await
}
