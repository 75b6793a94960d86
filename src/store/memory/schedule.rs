//! When something can be claimed, and which stream's turn it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::id::StreamId;
use crate::timestamp::Timestamp;

/// When something can be claimed. The earlier of two is their `min`; what waits for both, their
/// `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Whatever the time is.
    AtOnce,
    /// From that time on.
    At(Timestamp),
    /// Not before something changes.
    Never,
}

impl Due {
    /// Whether the time has come.
    pub(super) fn has_come(self, now: Timestamp) -> bool {
        self <= Self::At(now)
    }
}

impl From<Option<Timestamp>> for Due {
    /// No time to wait for means at once.
    fn from(not_before: Option<Timestamp>) -> Self {
        not_before.map_or(Self::AtOnce, Self::At)
    }
}

/// The streams of which something can be claimed, now or later. Streams that wait for nothing but
/// a change are not in it, so they cost a claim nothing.
///
/// Streams whose time has come stand in a row: one that was served goes to its end, so that a
/// stream with a long backlog cannot starve the others.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    row: BTreeMap<u64, StreamId>,
    later: BTreeSet<(Timestamp, StreamId)>,
    places: HashMap<StreamId, Place>,
    last_ticket: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    InRow(u64),
    Later(Timestamp),
}

impl Schedule {
    /// Puts a stream where it belongs. One that stands in the row already keeps its place.
    pub(super) fn set(&mut self, stream: &StreamId, due: Due) {
        if let (Some(Place::InRow(_)), Due::AtOnce) = (self.places.get(stream), due) {
            return;
        }
        self.remove(stream);
        match due {
            Due::AtOnce => self.join(stream.clone()),
            Due::At(at) => {
                self.later.insert((at, stream.clone()));
                self.places.insert(stream.clone(), Place::Later(at));
            }
            Due::Never => {}
        }
    }

    /// Takes a stream out.
    pub(super) fn remove(&mut self, stream: &StreamId) {
        match self.places.remove(stream) {
            Some(Place::InRow(ticket)) => {
                self.row.remove(&ticket);
            }
            Some(Place::Later(at)) => {
                self.later.remove(&(at, stream.clone()));
            }
            None => {}
        }
    }

    /// Lets the streams whose time has come join the row.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some((at, stream)) = self.later.pop_first() {
            if at > now {
                self.later.insert((at, stream));
                return;
            }
            self.join(stream);
        }
    }

    /// The next in the row behind that ticket, with its own ticket.
    pub(super) fn next(&self, behind: u64) -> Option<(u64, StreamId)> {
        let (&ticket, stream) = self.row.range(behind.saturating_add(1)..).next()?;
        Some((ticket, stream.clone()))
    }

    /// All streams, in the order of their time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Due, &StreamId)> {
        let row = self.row.values().map(|stream| (Due::AtOnce, stream));
        row.chain(self.later.iter().map(|(at, stream)| (Due::At(*at), stream)))
    }

    fn join(&mut self, stream: StreamId) {
        self.last_ticket += 1;
        self.row.insert(self.last_ticket, stream.clone());
        self.places.insert(stream, Place::InRow(self.last_ticket));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn stream(id: &str) -> StreamId {
        StreamId::parse(id).unwrap()
    }

    fn row(schedule: &Schedule) -> Vec<String> {
        schedule.row.values().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_due_at_once_comes_before_any_time_and_never_after_all() {
        let mut due = [Due::Never, Due::At(at(1)), Due::AtOnce, Due::At(at(-1))];
        due.sort();
        assert_eq!(due, [Due::AtOnce, Due::At(at(-1)), Due::At(at(1)), Due::Never]);
        assert!(Due::At(at(1)).has_come(at(1)) && !Due::At(at(2)).has_come(at(1)));
    }

    #[test]
    fn a_stream_joins_the_row_when_its_time_has_come_and_keeps_its_place() {
        let mut schedule = Schedule::default();
        schedule.set(&stream("later"), Due::At(at(5)));
        schedule.set(&stream("a"), Due::AtOnce);
        schedule.set(&stream("b"), Due::AtOnce);
        schedule.set(&stream("a"), Due::AtOnce);
        schedule.advance(at(4));
        assert_eq!(row(&schedule), ["a", "b"]);
        schedule.advance(at(5));
        assert_eq!(row(&schedule), ["a", "b", "later"]);
    }

    #[test]
    fn a_stream_that_waits_for_a_change_is_nowhere() {
        let mut schedule = Schedule::default();
        schedule.set(&stream("a"), Due::At(at(5)));
        schedule.set(&stream("a"), Due::Never);
        assert_eq!((schedule.iter().count(), schedule.places.len()), (0, 0));
    }
}
