//! What happens to entries one after the other, and its writing in a few statements for all.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::to_string;

use super::queue::Queue;
use super::rows::{self, LifeColumns, batch, error_code, life_columns};
use super::session::Session;
use super::value::Row;
use crate::id::Jti;
use crate::outbox::{DeadLetterReason, End, Happening, Lane, Life, RoundTrip, Step};
use crate::store::{Settled, StoreError};
use crate::timestamp::Timestamp;

/// An entry that something may happen to; its stream's queue row is locked.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) stream_no: i64,
    pub(super) seq: i64,
    pub(super) jti: Jti,
    pub(super) lane: Lane,
    place: i64,
    event_no: i64,
    /// As its column holds it.
    order_key: Option<String>,
    bytes: i64,
    pub(super) queued_at: Timestamp,
    pub(super) life: Life,
    /// Whether another of its order key waits behind it.
    followed: bool,
}

/// The columns that [`Entry::read`] reads.
macro_rules! entry_columns {
    () => {
        "e.stream_no, e.seq, e.jti, e.lane, e.place, e.event_no, e.order_key, e.bytes, \
         e.queued_at, e.state, e.due, e.attempts, e.fence, e.failed_with_stream, \
         e.of_current_key, (SELECT f.seq FROM ssf_entries f WHERE f.stream_no = e.stream_no \
         AND f.order_key = e.order_key AND f.place = 2 ORDER BY f.seq LIMIT 1)"
    };
}
pub(super) use entry_columns;

/// Reads entries by their identifiers. Those of an earlier era are discarded already.
const NAMED: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM {rows $1: stream_no bigint, era bigint, jti text} k CROSS JOIN ssf_entries e \
     WHERE e.stream_no = k.stream_no AND e.jti = k.jti AND e.era = k.era"
);

/// Reads entries of streams whose queue rows are locked.
pub(super) async fn named(
    session: &mut dyn Session,
    wanted: &[(&Queue, &Jti)],
) -> Result<Entries, StoreError> {
    let wanted: Vec<_> = wanted.iter().map(|(queue, jti)| (queue.no, queue.era, jti)).collect();
    let mut entries = Entries::default();
    if !wanted.is_empty() {
        for row in session.rows(NAMED, &[batch(&wanted)?.into()]).await? {
            entries.add(Entry::read(&row)?);
        }
    }
    Ok(entries)
}

/// Entries of some streams, and what happened to them.
#[derive(Debug, Default)]
pub(super) struct Entries {
    waiting: HashMap<(i64, Jti), Entry>,
    lived_on: HashSet<(i64, Jti)>,
    ended: Vec<Entry>,
    dead: Vec<Dead>,
}

/// A dead letter to be: stream, number, kind, error code, reason, attempts.
type Dead = (i64, i64, &'static str, Option<String>, String, u32);

impl Entries {
    pub(super) fn add(&mut self, entry: Entry) {
        self.waiting.insert((entry.stream_no, entry.jti.clone()), entry);
    }

    /// An entry that did not end.
    pub(super) fn get(&self, stream_no: i64, jti: &Jti) -> Option<&Entry> {
        self.waiting.get(&(stream_no, jti.clone()))
    }

    /// Lets something happen to an entry, and counts it.
    pub(super) fn happen(
        &mut self,
        queue: &mut Queue,
        jti: &Jti,
        happening: Happening,
        now: Timestamp,
    ) -> Result<Settled, StoreError> {
        let key = (queue.no, jti.clone());
        let Some(entry) = self.waiting.get_mut(&key) else { return Ok(Settled::Gone) };
        match entry.life.after(happening) {
            Step::Refused => return Ok(Settled::Gone),
            Step::GoesOn(life) => {
                entry.life = life;
                self.lived_on.insert(key);
            }
            Step::Ends(end) => {
                if let Some(entry) = self.waiting.remove(&key) {
                    self.lived_on.remove(&key);
                    self.end(queue, entry, &end, now)?;
                }
            }
        }
        Ok(Settled::Done)
    }

    fn end(
        &mut self,
        queue: &mut Queue,
        entry: Entry,
        end: &End,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        queue.totals.count(end);
        if entry.place > 0 {
            queue.count_out(entry.lane, entry.bytes);
        }
        match end {
            End::Delivered { .. } if entry.lane == Lane::Verification => {
                queue.health.verified = Some(RoundTrip::new(entry.queued_at, now));
            }
            End::Delivered { .. } | End::Discarded(_) => {}
            End::Dead { reason, attempts } => {
                queue.added.dead_letters += 1;
                self.dead.push(dead(&entry, reason, *attempts)?);
            }
        }
        self.ended.push(entry);
        Ok(())
    }

    /// Writes what happened. The queue rows are still to be renewed.
    pub(super) async fn write(
        self,
        session: &mut dyn Session,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let lives = self.lived_on.iter().filter_map(|key| self.waiting.get(key));
        let lives: Vec<_> = lives.map(|e| (e.stream_no, e.seq, e.life)).collect();
        write_lives(session, &lives).await?;
        if self.ended.is_empty() {
            return Ok(());
        }
        if !self.dead.is_empty() {
            let arguments = [batch(&self.dead)?.into(), now.as_millis().into()];
            session.run(BURY, &arguments).await?;
        }
        let ended: Vec<_> = self.ended.iter().map(|e| (e.stream_no, e.seq)).collect();
        session.run(REMOVE, &[batch(&ended)?.into()]).await?;
        let keys: HashSet<_> = self.ended.iter().filter_map(Entry::vacates).collect();
        if !keys.is_empty() {
            let keys: Vec<_> = keys.into_iter().collect();
            session.run(PROMOTE, &[batch(&keys)?.into()]).await?;
        }
        remove_bodies(session, self.ended.iter().map(|entry| entry.event_no)).await
    }
}

impl Entry {
    /// Reads what `entry_columns!` names.
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            stream_no: row.int(0)?,
            seq: row.int(1)?,
            jti: rows::id(row, 2)?,
            lane: rows::lane(row, 3)?,
            place: row.int(4)?,
            event_no: row.int(5)?,
            order_key: row.opt_text(6)?.map(str::to_owned),
            bytes: row.int(7)?,
            queued_at: rows::time(row, 8)?,
            life: rows::life(row, 9)?,
            followed: row.opt_int(15)?.is_some(),
        })
    }

    /// The order key that is without a head when this entry is gone.
    fn vacates(&self) -> Option<(i64, &str)> {
        let key = self.order_key.as_deref().filter(|_| self.place == 1 && self.followed)?;
        Some((self.stream_no, key))
    }
}

fn dead(entry: &Entry, reason: &DeadLetterReason, attempts: u32) -> Result<Dead, StoreError> {
    let text = to_string(reason).map_err(|error| StoreError::Corrupt(Box::new(error)))?;
    let err = reason.err().map(error_code).transpose()?;
    Ok((entry.stream_no, entry.seq, reason.kind().as_str(), err, text, attempts))
}

/// Moves entries to the dead letters; they are still to be removed.
const BURY: &str = "INSERT INTO ssf_dead_letters (stream_no, dead_at, jti, issuer_no, lane, \
     event_no, order_key, token, kid, kind, err, reason, attempts, emitted_at, first_attempt) \
     SELECT e.stream_no, $2, e.jti, e.issuer_no, e.lane, e.event_no, e.order_key, e.token, e.kid, \
     v.kind, v.err, v.reason, v.attempts, e.emitted_at, e.first_attempt \
     FROM {rows $1: stream_no bigint, seq bigint, kind text, err text, reason text, \
     attempts bigint} v \
     CROSS JOIN ssf_entries e WHERE e.stream_no = v.stream_no AND e.seq = v.seq";

const REMOVE: &str = "DELETE FROM ssf_entries WHERE (stream_no, seq) IN \
     (SELECT v.stream_no, v.seq FROM {rows $1: stream_no bigint, seq bigint} v)";

/// Makes the oldest entry of each order key its head.
const PROMOTE: &str = "UPDATE ssf_entries AS e SET place = 1, \
     signed = CASE WHEN e.state <> 1 AND e.of_current_key = 0 AND e.token IS NOT NULL \
     THEN 1 ELSE 0 END FROM {rows $1: stream_no bigint, order_key text} v \
     WHERE e.stream_no = v.stream_no AND e.seq = \
     (SELECT h.seq FROM ssf_entries h WHERE h.stream_no = v.stream_no \
      AND h.order_key = v.order_key AND h.place = 2 ORDER BY h.seq LIMIT 1)";

const LIVES: &str = "UPDATE ssf_entries AS e SET state = v.state, due = v.due, \
     attempts = v.attempts, fence = v.fence, failed_with_stream = v.failed_with_stream, \
     of_current_key = v.of_current_key, \
     signed = CASE WHEN v.state <> 1 AND v.of_current_key = 0 AND e.place = 1 \
     AND e.token IS NOT NULL THEN 1 ELSE 0 END \
     FROM {rows $1: stream_no bigint, seq bigint, state bigint, due bigint, attempts bigint, \
     fence bigint, failed_with_stream bigint, of_current_key bigint} v \
     WHERE e.stream_no = v.stream_no AND e.seq = v.seq";

/// Writes where entries are in their lives.
pub(super) async fn write_lives(
    session: &mut dyn Session,
    lives: &[(i64, i64, Life)],
) -> Result<(), StoreError> {
    if lives.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = lives.iter().map(|(no, seq, life)| life_row(*no, *seq, life)).collect();
    session.run(LIVES, &[batch(&rows)?.into()]).await?;
    Ok(())
}

type LifeRow = (i64, i64, i64, Option<i64>, i64, i64, i64, i64);

fn life_row(no: i64, seq: i64, life: &Life) -> LifeRow {
    let (state, due, attempts, fence, failed, anew): LifeColumns = life_columns(life);
    (no, seq, state, due, attempts, fence, failed, anew)
}

/// Two transactions that settle the last SETs of an event each still see the SET of the other: the
/// one that comes second waits here, and then looks.
/// Each is found by its number: they are locked in the order given.
const LOCK_BODIES: &str = "SELECT (SELECT b.no FROM ssf_events b WHERE b.no = v.no {lock}) \
     FROM {rows $1: no bigint} v ORDER BY v.n";

/// Removes the bodies of events that nothing refers to any more. References are asked for in the
/// order of an index: however many entries an event has, no table is read in search of the first.
const BODIES: &str = "DELETE FROM ssf_events \
     WHERE no IN (SELECT v.no FROM {rows $1: no bigint} v) \
     AND (SELECT e.seq FROM ssf_entries e WHERE e.event_no >= ssf_events.no \
          AND e.event_no <= ssf_events.no ORDER BY e.event_no LIMIT 1) IS NULL \
     AND (SELECT d.lane FROM ssf_dead_letters d WHERE d.event_no >= ssf_events.no \
          AND d.event_no <= ssf_events.no ORDER BY d.event_no LIMIT 1) IS NULL";

/// Removes the bodies of those events that nothing refers to any more.
pub(super) async fn remove_bodies(
    session: &mut dyn Session,
    events: impl Iterator<Item = i64> + Send,
) -> Result<(), StoreError> {
    let events: BTreeSet<[i64; 1]> = events.map(|no| [no]).collect();
    if events.is_empty() {
        return Ok(());
    }
    let events: Vec<_> = events.into_iter().collect();
    let events = batch(&events)?;
    session.rows(LOCK_BODIES, &[events.as_str().into()]).await?;
    session.run(BODIES, &[events.into()]).await?;
    Ok(())
}
