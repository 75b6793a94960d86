//! The streams in the row, page by page, and when the next one joins it.

use super::{Candidate, LOCKED, PACES, Round, Turn};
use crate::outbox::{Due, Pace};
use crate::store::sql::intake::Woken;
use crate::store::sql::queue::{Queue, Standing, numbers, queue_columns};
use crate::store::sql::rows::{self, batch, pace_number};
use crate::store::sql::session::Session;
use crate::store::sql::value::Value;
use crate::store::{StoreError, Tokens};
use crate::timestamp::Timestamp;

/// The most streams of one pace on one page.
const PAGE: usize = 65;

/// How far the row was read, by pace.
#[derive(Debug, Default)]
pub(super) struct Pages {
    read: [Option<i64>; 3],
    all_read: [bool; 3],
}

macro_rules! page {
    ($turn:literal, $pace:literal, $most:literal, $after:literal, $which:expr) => {
        concat!(
            "SELECT ",
            queue_columns!(),
            " FROM ssf_queues q WHERE q.issuer_no = $1 AND q.pace = ",
            $pace,
            " AND q.",
            $turn,
            " IS NOT NULL AND q.",
            $turn,
            " > ",
            $after,
            " AND q.host NOT IN (SELECT f.host FROM {rows $2: pace bigint, host text} f \
             WHERE f.pace = ",
            $pace,
            ")",
            $which,
            " ORDER BY q.",
            $turn,
            " LIMIT ",
            $most,
            " {skip}"
        )
    };
}

macro_rules! pages {
    ($turn:literal, $which:expr) => {
        concat!(
            "SELECT * FROM (",
            page!($turn, "0", "$3", "$6", $which),
            ") p UNION ALL SELECT * FROM (",
            page!($turn, "1", "$4", "$7", $which),
            ") p UNION ALL SELECT * FROM (",
            page!($turn, "2", "$5", "$8", $which),
            ") p"
        )
    };
}

const CONTROL: &str = pages!("control_turn", "");
const ORDINARY: &str = pages!("ordinary_turn", "");
/// Only those with heads that are signed by certain keys, or were when somebody held them.
const SIGNED: &str = pages!(
    "ordinary_turn",
    " AND ((SELECT h.seq FROM ssf_entries h WHERE h.stream_no = q.stream_no AND h.signed = 1 \
     AND h.kid IN (SELECT w.kid FROM {rows $9: kid text} w) LIMIT 1) IS NOT NULL \
     OR (SELECT h.seq FROM ssf_entries h WHERE h.stream_no = q.stream_no AND h.state = 1 \
     AND h.kid IN (SELECT w.kid FROM {rows $9: kid text} w) LIMIT 1) IS NOT NULL)"
);

impl Pages {
    /// Locks the next streams for whose pace and host there are places.
    pub(super) async fn next(
        &mut self,
        session: &mut dyn Session,
        round: &Round<'_>,
        turn: Turn,
    ) -> Result<Vec<Queue>, StoreError> {
        let lane = turn.lane();
        // One more than are wanted tells whether there are more.
        let wanted = round.request.most.saturating_add(1).min(PAGE);
        let mut most = [0_usize; 3];
        for ((most, pace), all_read) in most.iter_mut().zip(PACES).zip(self.all_read) {
            *most = if all_read { 0 } else { round.places.free(lane, pace).min(wanted) };
        }
        if most.iter().all(|most| *most == 0) {
            return Ok(Vec::new());
        }
        let full = full_hosts(round, turn).map(|(pace, host)| (pace_number(pace), host));
        let mut arguments: Vec<Value<'_>> =
            vec![round.issuer_no.into(), batch(&full.collect::<Vec<_>>())?.into()];
        arguments.extend(most.iter().map(|most| Value::from(rows::number(*most as u64))));
        arguments.extend(self.read.iter().map(|read| Value::from(read.unwrap_or(i64::MIN))));
        let statement = match (turn, &round.request.tokens) {
            (Turn::Control, _) => CONTROL,
            (Turn::Ordinary, Tokens::Any) => ORDINARY,
            (Turn::Ordinary, Tokens::SignedBy(keys)) => {
                let keys: Vec<[&str; 1]> = keys.iter().map(|key| [key.as_str()]).collect();
                arguments.push(batch(&keys)?.into());
                SIGNED
            }
        };
        let page = session.rows(statement, &arguments).await?;
        let page = page.iter().map(Queue::read).collect::<Result<Vec<_>, _>>()?;
        for (at, pace) in PACES.into_iter().enumerate() {
            let of_pace = page.iter().filter(|queue| queue.health.pace == pace);
            let (Some(read), Some(all_read), Some(most)) =
                (self.read.get_mut(at), self.all_read.get_mut(at), most.get(at))
            else {
                continue;
            };
            *all_read |= *most > 0 && of_pace.clone().count() < *most;
            let last = of_pace.filter_map(|queue| match (turn, queue.control, queue.ordinary) {
                (Turn::Control, Standing::InRow(number), _)
                | (Turn::Ordinary, _, Standing::InRow(number)) => Some(number),
                (Turn::Control | Turn::Ordinary, _, _) => None,
            });
            *read = last.max().or(*read);
        }
        Ok(page)
    }
}

/// The hosts where there is no place for streams of a pace.
fn full_hosts<'p>(round: &'p Round<'_>, turn: Turn) -> impl Iterator<Item = (Pace, &'p str)> {
    PACES.into_iter().flat_map(move |pace| {
        round.places.full_hosts(turn.lane(), pace).map(move |host| (pace, host))
    })
}

macro_rules! next {
    ($kind:literal, $pace:literal, $at:literal, $turn:literal) => {
        concat!(
            "SELECT ",
            $kind,
            ", ",
            $pace,
            ", (SELECT q.",
            $at,
            " FROM ssf_queues q WHERE q.issuer_no = $1 AND q.pace = ",
            $pace,
            " AND q.",
            $at,
            " IS NOT NULL AND q.stream_no NOT IN \
             (SELECT k.stream_no FROM {rows $2: stream_no bigint} k) ORDER BY q.",
            $at,
            " LIMIT 1), (SELECT q.stream_no FROM ssf_queues q WHERE q.issuer_no = $1 AND q.pace = ",
            $pace,
            " AND q.",
            $turn,
            " IS NOT NULL AND q.stream_no NOT IN \
             (SELECT k.stream_no FROM {rows $2: stream_no bigint} k) AND q.host NOT IN \
             (SELECT f.host FROM {rows $3: kind bigint, pace bigint, host text} f \
              WHERE f.kind = ",
            $kind,
            " AND f.pace = ",
            $pace,
            ") ORDER BY q.",
            $turn,
            " LIMIT 1) UNION ALL "
        )
    };
}

/// Of each turn and pace, when the first other stream joins the row, and which stands there; then
/// which has something to take in.
const NEXT: &str = concat!(
    next!("0", "0", "control_at", "control_turn"),
    next!("0", "1", "control_at", "control_turn"),
    next!("0", "2", "control_at", "control_turn"),
    next!("1", "0", "ordinary_at", "ordinary_turn"),
    next!("1", "1", "ordinary_at", "ordinary_turn"),
    next!("1", "2", "ordinary_at", "ordinary_turn"),
    "SELECT 2, 0, f.seq, f.stream_no FROM (SELECT e.seq, e.stream_no FROM ssf_entries e \
     WHERE e.issuer_no = $1 AND e.place = 0 ORDER BY e.seq LIMIT 1) f"
);

/// What of the streams that a claim did not come to it could get.
#[derive(Debug)]
pub(super) struct Ahead {
    /// When.
    pub(super) due: Due,
    /// Streams that others have locked.
    pub(super) locked: Vec<i64>,
}

/// What the claim could get of the streams that it did not come to.
pub(super) async fn ahead(
    session: &mut dyn Session,
    round: &Round<'_>,
    woken: Woken,
) -> Result<Ahead, StoreError> {
    let now = round.request.now;
    let turns = [Turn::Control, Turn::Ordinary];
    let mine: Vec<i64> = round.streams.keys().copied().collect();
    let full = turns.into_iter().enumerate().flat_map(|(kind, turn)| {
        full_hosts(round, turn).map(move |(pace, host)| (kind, pace_number(pace), host))
    });
    let full = batch(&full.collect::<Vec<_>>())?;
    let arguments = [round.issuer_no.into(), numbers(&mine)?.into(), full.into()];
    let (mut due, mut locked) = (Due::Never, Vec::new());
    for Candidate { queue, .. } in round.streams.values() {
        for (standing, open) in [queue.control, queue.ordinary].into_iter().zip(&round.open) {
            match standing {
                Standing::Later(at) if open.contains(&queue.health.pace) => {
                    due = due.min(Due::At(at));
                }
                Standing::Later(_) | Standing::InRow(_) | Standing::Joins(_) | Standing::Out => {}
            }
        }
    }
    // What should be in the row by now, and what stands in it, is locked by others, unless there
    // was too much of it to be looked at.
    let overdue = if woken.more { Due::AtOnce } else { Due::At(now.after(LOCKED)) };
    for row in session.rows(NEXT, &arguments).await? {
        let (kind, pace) = (row.int(0)?, row.int(1)?);
        if kind == 2 {
            due = due.min(overdue);
            locked.extend(row.opt_int(3)?);
            continue;
        }
        let [control, ordinary] = &round.open;
        let open = if kind == 0 { control } else { ordinary };
        if !open.contains(&rows::pace(pace)?) {
            continue;
        }
        match rows::opt_time(&row, 2)? {
            Some(at) if at <= now => due = due.min(overdue),
            Some(at) => due = due.min(Due::At(at)),
            None => {}
        }
        // Of those that were not asked for nothing is known.
        let asked_for = kind == 0 || round.request.tokens == Tokens::Any;
        if let Some(stream_no) = row.opt_int(3)?.filter(|_| asked_for) {
            due = due.min(Due::At(Timestamp::after(now, LOCKED)));
            locked.push(stream_no);
        }
    }
    Ok(Ahead { due, locked })
}
