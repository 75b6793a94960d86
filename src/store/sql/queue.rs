//! The queue row of a stream: how it is doing, when it is due, what it has waiting.
//!
//! Whoever changes what a stream has waiting locks this row first, changes entries, looks at those
//! that decide when it is due, and stores it.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::look::{Depth, Look, look};
use super::numbers::draw;
use super::rows::{self, batch, health_text, pace_number, totals_columns};
use super::session::Session;
use super::value::{Row, Value};
use crate::id::StreamId;
use crate::outbox::{Due, Health, Lane, Pace, Sender, holds};
use crate::store::{StoreError, Totals};
use crate::stream::{Delivery, StatusSetBy, StreamStatus};
use crate::timestamp::Timestamp;

/// A queue row that is locked.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) no: i64,
    pub(super) stream_id: StreamId,
    /// The host of its endpoint; empty: it is polled.
    pub(super) host: String,
    pub(super) status: StreamStatus,
    pub(super) set_by: StatusSetBy,
    pub(super) generation: u64,
    pub(super) era: i64,
    pub(super) health: Health,
    pub(super) control: Standing,
    pub(super) ordinary: Standing,
    /// Ordinary entries that were taken in, and their bytes.
    pub(super) held: i64,
    pub(super) held_bytes: i64,
    pub(super) added: Added,
    /// What became of entries since the row was read.
    pub(super) totals: Totals,
    /// The line it stands in, if in a row, as it was read.
    line: (Pace, String),
}

/// Where a stream stands among those that have something to push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// In the row of those whose time has come, with that turn.
    InRow(i64),
    /// It is to join the row, the lowest number first.
    Joins(u64),
    /// It joins the row at that time.
    Later(Timestamp),
    /// It waits for nothing but a change.
    Out,
}

/// What came in and went out since the row was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) waiting: i64,
    pub(super) ordinary: i64,
    pub(super) ordinary_bytes: i64,
    pub(super) dead_letters: i64,
}

/// The columns that [`Queue::read`] reads.
macro_rules! queue_columns {
    () => {
        "q.stream_no, q.stream_id, q.host, q.health, q.control_turn, q.control_at, \
         q.ordinary_turn, q.ordinary_at, q.status, q.set_by, q.generation, q.era, q.ordinary, \
         q.ordinary_bytes"
    };
}
pub(super) use queue_columns;

const LOCK: &str = concat!(
    "SELECT ",
    queue_columns!(),
    " FROM ssf_queues q \
     WHERE q.stream_no IN (SELECT k.stream_no FROM {rows $1: stream_no bigint} k) \
     ORDER BY q.stream_no {lock}"
);

const LOCK_FREE: &str = concat!(
    "SELECT ",
    queue_columns!(),
    " FROM ssf_queues q \
     WHERE q.stream_no IN (SELECT k.stream_no FROM {rows $1: stream_no bigint} k) \
     ORDER BY q.stream_no {skip}"
);

const LOCK_NAMED: &str = concat!(
    "SELECT ",
    queue_columns!(),
    " FROM ssf_queues q WHERE q.stream_no IN \
     (SELECT st.no FROM {rows $1: stream_id text} k \
      CROSS JOIN ssf_streams st WHERE st.issuer_no = $2 AND st.stream_id = k.stream_id) \
     ORDER BY q.stream_no {lock}"
);

/// Locks the rows of streams, in the order in which all do.
pub(super) async fn lock(
    session: &mut dyn Session,
    streams: &[i64],
) -> Result<Vec<Queue>, StoreError> {
    read(session, LOCK, &[numbers(streams)?.into()]).await
}

/// Locks those of them that nobody else has locked.
pub(super) async fn lock_free(
    session: &mut dyn Session,
    streams: &[i64],
) -> Result<Vec<Queue>, StoreError> {
    read(session, LOCK_FREE, &[numbers(streams)?.into()]).await
}

/// Locks the rows of the streams of those identifiers.
pub(super) async fn lock_named<'i>(
    session: &mut dyn Session,
    issuer_no: i64,
    streams: impl Iterator<Item = &'i StreamId>,
) -> Result<Vec<Queue>, StoreError> {
    let streams: Vec<[&str; 1]> = streams.map(|id| [id.as_str()]).collect();
    read(session, LOCK_NAMED, &[batch(&streams)?.into(), issuer_no.into()]).await
}

async fn read(
    session: &mut dyn Session,
    statement: &'static str,
    arguments: &[Value<'_>],
) -> Result<Vec<Queue>, StoreError> {
    session.rows(statement, arguments).await?.iter().map(Queue::read).collect()
}

/// Stream numbers as an argument.
pub(super) fn numbers(streams: &[i64]) -> Result<String, StoreError> {
    let streams: Vec<[i64; 1]> = streams.iter().map(|no| [*no]).collect();
    batch(&streams)
}

/// Derives anew when streams are due of which something changed.
pub(super) async fn changed(session: &mut dyn Session, streams: &[i64]) -> Result<(), StoreError> {
    let mut queues = lock(session, streams).await?;
    renew(session, &mut queues).await
}

/// Derives anew when streams are due whose entries changed, and stores their rows.
pub(super) async fn renew(
    session: &mut dyn Session,
    queues: &mut [Queue],
) -> Result<(), StoreError> {
    let streams: Vec<i64> = queues.iter().map(|queue| queue.no).collect();
    let looks = look(session, &streams, Depth::DUE).await?;
    derive(queues, &looks, None);
    store(session, queues).await
}

/// Derives when streams are due. Those that join a row do so in the order given; at `now`, also
/// those whose time has come.
pub(super) fn derive(queues: &mut [Queue], looks: &HashMap<i64, Look>, now: Option<Timestamp>) {
    let mut order = 0;
    for queue in queues {
        if let Some(look) = looks.get(&queue.no) {
            queue.derive(look, &mut order);
        }
        for standing in [&mut queue.control, &mut queue.ordinary] {
            match *standing {
                Standing::Later(at) if now.is_some_and(|now| at <= now) => {
                    *standing = Standing::join(&mut order);
                }
                Standing::InRow(_) | Standing::Joins(_) | Standing::Later(_) | Standing::Out => {}
            }
        }
    }
}

/// Stores rows. Those that join a row get their turns.
pub(super) async fn store(
    session: &mut dyn Session,
    queues: &mut [Queue],
) -> Result<(), StoreError> {
    let joining = joining(queues).len();
    assign(queues, draw(session, joining).await?);
    store_with_turns(session, queues).await
}

/// Those that join a row, in their order.
pub(super) fn joining(queues: &mut [Queue]) -> Vec<&mut Standing> {
    let standings = queues.iter_mut().flat_map(|queue| [&mut queue.control, &mut queue.ordinary]);
    let mut joining: Vec<(u64, &mut Standing)> = standings
        .filter_map(|standing| match *standing {
            Standing::Joins(order) => Some((order, standing)),
            Standing::InRow(_) | Standing::Later(_) | Standing::Out => None,
        })
        .collect();
    joining.sort_by_key(|(order, _)| *order);
    joining.into_iter().map(|(_, standing)| standing).collect()
}

/// Gives turns to those that join a row.
pub(super) fn assign(queues: &mut [Queue], turns: impl Iterator<Item = i64>) {
    for (standing, turn) in joining(queues).into_iter().zip(turns) {
        *standing = Standing::InRow(turn);
    }
}

const STORE: &str = "UPDATE ssf_queues AS q SET pace = v.pace, health = v.health, \
     control_turn = v.control_turn, control_at = v.control_at, \
     ordinary_turn = v.ordinary_turn, ordinary_at = v.ordinary_at, holding = v.holding, \
     waiting = q.waiting + v.waiting, ordinary = q.ordinary + v.ordinary, \
     ordinary_bytes = q.ordinary_bytes + v.ordinary_bytes, \
     dead_letters = q.dead_letters + v.dead_letters, redriven = q.redriven + v.redriven, \
     delivered = q.delivered + v.delivered, \
     delivered_unusually = q.delivered_unusually + v.delivered_unusually, \
     dead = q.dead + v.dead, dead_by_held_limit = q.dead_by_held_limit + v.dead_by_held_limit, \
     discarded_disabled = q.discarded_disabled + v.discarded_disabled, \
     discarded_deleted = q.discarded_deleted + v.discarded_deleted, \
     discarded_replaced = q.discarded_replaced + v.discarded_replaced, \
     tokens_replaced = q.tokens_replaced + v.tokens_replaced \
     FROM {rows $1: stream_no bigint, pace bigint, health text, control_turn bigint, \
     control_at bigint, ordinary_turn bigint, ordinary_at bigint, holding bigint, waiting bigint, \
     ordinary bigint, ordinary_bytes bigint, dead_letters bigint, redriven bigint, \
     delivered bigint, delivered_unusually bigint, dead bigint, dead_by_held_limit bigint, \
     discarded_disabled bigint, discarded_deleted bigint, discarded_replaced bigint, \
     tokens_replaced bigint} v WHERE q.stream_no = v.stream_no";

/// Stores rows of which none joins a row.
pub(super) async fn store_with_turns(
    session: &mut dyn Session,
    queues: &[Queue],
) -> Result<(), StoreError> {
    if queues.is_empty() {
        return Ok(());
    }
    let rows = queues.iter().map(Queue::columns).collect::<Result<Vec<_>, _>>()?;
    session.run(STORE, &[batch(&rows)?.into()]).await?;
    Ok(())
}

impl Queue {
    /// Reads what `queue_columns!` names, from the first column on.
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let standing = |turn, at| match (row.opt_int(turn)?, rows::opt_time(row, at)?) {
            (Some(turn), _) => Ok(Standing::InRow(turn)),
            (None, Some(at)) => Ok(Standing::Later(at)),
            (None, None) => Ok(Standing::Out),
        };
        let (host, health) = (row.text(2)?.to_owned(), rows::health(row.text(3)?)?);
        Ok(Self {
            no: row.int(0)?,
            stream_id: rows::id(row, 1)?,
            control: standing(4, 5)?,
            ordinary: standing(6, 7)?,
            status: status(row.text(8)?)?,
            set_by: set_by(row.text(9)?)?,
            generation: rows::count(row, 10)?,
            era: row.int(11)?,
            held: row.int(12)?,
            held_bytes: row.int(13)?,
            added: Added::default(),
            totals: Totals::default(),
            line: (health.pace, host.clone()),
            host,
            health,
        })
    }

    /// What of it decides when it is due.
    pub(super) fn sender<'a>(&'a self, look: &'a Look) -> Sender<'a, Look> {
        Sender {
            pushed: self.is_pushed(),
            status: self.status,
            set_by: self.set_by,
            health: &self.health,
            backlog: look,
        }
    }

    pub(super) fn is_pushed(&self) -> bool {
        !self.host.is_empty()
    }

    /// Whether it holds ordinary entries nobody is being sent.
    pub(super) fn holds(&self) -> bool {
        let holds = match self.status {
            StreamStatus::Enabled => !self.is_pushed(),
            // Whatever its delivery is.
            status => holds(status, &Delivery::Poll),
        };
        holds && self.held > 0
    }

    /// Derives when it is due.
    pub(super) fn derive(&mut self, look: &Look, order: &mut u64) {
        let sender = self.sender(look);
        let control = sender.control_due(|_| true);
        let ordinary = sender.ordinary_due(usize::MAX, look.heads_due());
        let moved = self.line != (self.health.pace, self.host.clone());
        self.control = self.control.after(control, moved, order);
        self.ordinary = self.ordinary.after(ordinary, moved, order);
    }

    /// Counts an entry that is taken in.
    pub(super) fn count_in(&mut self, lane: Lane, bytes: i64) {
        self.count(lane, 1, bytes);
    }

    /// Counts an entry that was taken in and is gone.
    pub(super) fn count_out(&mut self, lane: Lane, bytes: i64) {
        self.count(lane, -1, -bytes);
    }

    fn count(&mut self, lane: Lane, entries: i64, bytes: i64) {
        self.added.waiting += entries;
        if !lane.is_control() {
            self.added.ordinary += entries;
            self.added.ordinary_bytes += bytes;
            self.held += entries;
            self.held_bytes += bytes;
        }
    }

    fn columns(&self) -> Result<Vec<Json>, StoreError> {
        let Added { waiting, ordinary, ordinary_bytes, dead_letters } = self.added;
        let (control_turn, control_at) = self.control.columns();
        let (ordinary_turn, ordinary_at) = self.ordinary.columns();
        let mut columns = vec![
            json!(self.no),
            json!(pace_number(self.health.pace)),
            json!(health_text(&self.health)?),
            json!(control_turn),
            json!(control_at),
            json!(ordinary_turn),
            json!(ordinary_at),
            json!(i64::from(self.holds())),
            json!(waiting),
            json!(ordinary),
            json!(ordinary_bytes),
            json!(dead_letters),
        ];
        columns.extend(totals_columns(&self.totals).map(Json::from));
        Ok(columns)
    }
}

impl Standing {
    /// Where it stands when it is due then. What stands in its row already keeps its turn, unless
    /// it moved to another line.
    fn after(self, due: Due, moved: bool, order: &mut u64) -> Self {
        match (due, self) {
            (Due::AtOnce, Self::InRow(turn)) if !moved => Self::InRow(turn),
            (Due::AtOnce, Self::Joins(order)) => Self::Joins(order),
            (Due::AtOnce, Self::InRow(_) | Self::Later(_) | Self::Out) => Self::join(order),
            (Due::At(at), _) => Self::Later(at),
            (Due::Never, _) => Self::Out,
        }
    }

    /// Whether it stands in the row, or joins it.
    pub(super) const fn is_in_row(self) -> bool {
        match self {
            Self::InRow(_) | Self::Joins(_) => true,
            Self::Later(_) | Self::Out => false,
        }
    }

    /// Last of those that join.
    pub(super) fn join(order: &mut u64) -> Self {
        *order += 1;
        Self::Joins(*order)
    }

    /// The columns for its turn and its time.
    fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::InRow(turn) => (Some(turn), None),
            Self::Later(at) => (None, Some(at.as_millis())),
            Self::Joins(_) | Self::Out => (None, None),
        }
    }
}

/// A column that does not hold one of the words the store writes there.
#[derive(Debug, thiserror::Error)]
#[error("what is stored as {0} cannot be read")]
struct UnknownWord(&'static str);

fn status(word: &str) -> Result<StreamStatus, StoreError> {
    match word {
        "enabled" => Ok(StreamStatus::Enabled),
        "paused" => Ok(StreamStatus::Paused),
        "disabled" => Ok(StreamStatus::Disabled),
        _ => Err(StoreError::Corrupt(Box::new(UnknownWord("a status")))),
    }
}

fn set_by(word: &str) -> Result<StatusSetBy, StoreError> {
    match word {
        "receiver" => Ok(StatusSetBy::Receiver),
        "transmitter" => Ok(StatusSetBy::Transmitter),
        "suspension" => Ok(StatusSetBy::Suspension),
        _ => Err(StoreError::Corrupt(Box::new(UnknownWord("a setter of a status")))),
    }
}
