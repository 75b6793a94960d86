//! When something can be claimed, and which stream's turn it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::id::StreamId;
use crate::outbox::{Due, Pace};
use crate::timestamp::Timestamp;

/// What decides which places a push of a stream takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Line {
    pub(super) pace: Pace,
    pub(super) host: Arc<str>,
}

/// The streams of which something can be claimed, now or later. Streams that wait for nothing but
/// a change are not in it, so they cost a claim nothing.
///
/// Streams whose time has come stand in rows, one for each line: one that was served goes to the
/// end of its row, so that a stream with a long backlog cannot starve the others. Among the rows it
/// is the turn of the stream that stands longest. A row for which there are no places is passed
/// over as a whole.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    rows: HashMap<Line, BTreeMap<u64, StreamId>>,
    /// The rows that are not empty, by the ticket of their first.
    fronts: BTreeMap<Pace, BTreeSet<(u64, Arc<str>)>>,
    later: BTreeMap<Pace, BTreeSet<(Timestamp, StreamId)>>,
    places: HashMap<StreamId, (Line, Place)>,
    last_ticket: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    InRow(u64),
    Later(Timestamp),
}

impl Schedule {
    /// Puts a stream where it belongs. One that stands in its row already keeps its place.
    pub(super) fn set(&mut self, stream: &StreamId, line: &Line, due: Due) {
        if let (Some((old, Place::InRow(_))), Due::AtOnce) = (self.places.get(stream), due)
            && old == line
        {
            return;
        }
        self.remove(stream);
        match due {
            Due::AtOnce => self.join(stream.clone(), line.clone()),
            Due::At(at) => {
                self.later.entry(line.pace).or_default().insert((at, stream.clone()));
                self.places.insert(stream.clone(), (line.clone(), Place::Later(at)));
            }
            Due::Never => {}
        }
    }

    /// Takes a stream out.
    pub(super) fn remove(&mut self, stream: &StreamId) {
        match self.places.remove(stream) {
            Some((line, Place::InRow(ticket))) => self.leave(&line, ticket),
            Some((line, Place::Later(at))) => {
                if let Some(later) = self.later.get_mut(&line.pace) {
                    later.remove(&(at, stream.clone()));
                }
            }
            None => {}
        }
    }

    /// Lets the streams whose time has come join their rows, in the order of their times.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let mut due = Vec::new();
        for later in self.later.values_mut() {
            while let Some(first) = later.pop_first() {
                if first.0 > now {
                    later.insert(first);
                    break;
                }
                due.push(first);
            }
        }
        due.sort_unstable();
        for (_, stream) in due {
            if let Some((line, _)) = self.places.remove(&stream) {
                self.join(stream, line);
            }
        }
    }

    /// The stream whose turn it is, of those for whose pace and host there are places.
    pub(super) fn first(
        &self,
        pace_open: impl Fn(Pace) -> bool,
        host_open: impl Fn(Pace, &str) -> bool,
    ) -> Option<StreamId> {
        let open = self.fronts.iter().filter(|(pace, _)| pace_open(**pace));
        let first = |(pace, fronts): (&Pace, &BTreeSet<(u64, Arc<str>)>)| {
            let (ticket, host) = fronts.iter().find(|(_, host)| host_open(*pace, host))?;
            Some((*ticket, Line { pace: *pace, host: Arc::clone(host) }))
        };
        let (ticket, line) = open.filter_map(first).min()?;
        self.rows.get(&line)?.get(&ticket).cloned()
    }

    /// When the first stream joins its row, of those for whose pace there are places.
    pub(super) fn next(&self, pace_open: impl Fn(Pace) -> bool) -> Due {
        let open = self.later.iter().filter(|(pace, _)| pace_open(**pace));
        let first = open.filter_map(|(_, later)| later.first()).map(|(at, _)| *at).min();
        first.map_or(Due::Never, Due::At)
    }

    fn join(&mut self, stream: StreamId, line: Line) {
        self.last_ticket += 1;
        let row = self.rows.entry(line.clone()).or_default();
        if row.is_empty() {
            let front = (self.last_ticket, Arc::clone(&line.host));
            self.fronts.entry(line.pace).or_default().insert(front);
        }
        row.insert(self.last_ticket, stream.clone());
        self.places.insert(stream, (line, Place::InRow(self.last_ticket)));
    }

    fn leave(&mut self, line: &Line, ticket: u64) {
        let Some(row) = self.rows.get_mut(line) else { return };
        row.remove(&ticket);
        let next = row.first_key_value().map(|(next, _)| *next);
        if next.is_none() {
            self.rows.remove(line);
        }
        let fronts = self.fronts.entry(line.pace).or_default();
        if fronts.remove(&(ticket, Arc::clone(&line.host))) {
            fronts.extend(next.map(|next| (next, Arc::clone(&line.host))));
        }
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

    fn line(pace: Pace, host: &str) -> Line {
        Line { pace, host: host.into() }
    }

    fn set(schedule: &mut Schedule, id: &str, due: Due) {
        schedule.set(&stream(id), &line(Pace::Prompt, "h"), due);
    }

    /// The streams in the order of their turns.
    fn turns(schedule: &mut Schedule) -> Vec<String> {
        let mut turns = Vec::new();
        while let Some(stream) = schedule.first(|_| true, |_, _| true) {
            schedule.remove(&stream);
            turns.push(stream.to_string());
        }
        turns
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
        set(&mut schedule, "later", Due::At(at(5)));
        set(&mut schedule, "a", Due::AtOnce);
        set(&mut schedule, "b", Due::AtOnce);
        set(&mut schedule, "a", Due::AtOnce);
        schedule.advance(at(4));
        assert_eq!(schedule.next(|_| true), Due::At(at(5)));
        schedule.advance(at(5));
        assert_eq!(schedule.next(|_| true), Due::Never);
        assert_eq!(turns(&mut schedule), ["a", "b", "later"]);
    }

    #[test]
    fn a_stream_that_waits_for_a_change_is_nowhere() {
        let mut schedule = Schedule::default();
        for due in [Due::At(at(5)), Due::AtOnce, Due::Never] {
            set(&mut schedule, "a", due);
        }
        assert_eq!((schedule.rows.len(), schedule.places.len()), (0, 0));
        assert!(schedule.fronts.values().all(BTreeSet::is_empty));
        assert!(schedule.later.values().all(BTreeSet::is_empty));
    }

    #[test]
    fn rows_without_places_are_passed_over_and_keep_their_turn() {
        let mut schedule = Schedule::default();
        let lines =
            [("slow", Pace::Slow, "a"), ("full", Pace::Prompt, "b"), ("x", Pace::Prompt, "c")];
        for (id, pace, host) in lines {
            schedule.set(&stream(id), &line(pace, host), Due::AtOnce);
        }
        let open = schedule.first(|pace| pace != Pace::Slow, |_, host| host != "b");
        assert_eq!(open, Some(stream("x")));
        assert_eq!(turns(&mut schedule), ["slow", "full", "x"]);
    }

    #[test]
    fn a_stream_whose_pace_or_host_changes_moves_to_another_row() {
        let mut schedule = Schedule::default();
        set(&mut schedule, "a", Due::AtOnce);
        schedule.set(&stream("a"), &line(Pace::Slow, "h"), Due::AtOnce);
        assert_eq!(schedule.first(|pace| pace == Pace::Prompt, |_, _| true), None);
        assert_eq!(schedule.first(|pace| pace == Pace::Slow, |_, _| true), Some(stream("a")));
        assert_eq!((schedule.rows.len(), schedule.places.len()), (1, 1));
    }
}
