//! Removals of subjects that take effect later (SSF 1.0 §9.3: events may go on for a while).

use std::collections::{BTreeMap, HashMap};

use super::streams::StreamNumber;
use crate::routing::keys::Key;
use crate::stream::DefaultSubjects;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// What waits to take effect, by time.
#[derive(Debug, Default)]
pub(super) struct Later {
    due: BTreeMap<Place, Removal>,
    places: BTreeMap<(StreamNumber, Key), Place>,
    /// How many of a stream wait.
    numbers: HashMap<StreamNumber, usize>,
    counter: u64,
}

/// When a removal takes effect, and in which turn among those of the same time.
type Place = (Timestamp, u64);

/// A removal that waits.
#[derive(Debug)]
pub(super) struct Removal {
    pub(super) stream: StreamNumber,
    pub(super) default_subjects: DefaultSubjects,
    pub(super) subject: Subject,
}

impl Later {
    /// Lets a removal wait until that time. One that waits already keeps its time.
    pub(super) fn insert(&mut self, removal: Removal, at: Timestamp) {
        let key = (removal.stream, Key::of(&removal.subject));
        if self.places.contains_key(&key) {
            return;
        }
        self.counter += 1;
        let place = (at, self.counter);
        *self.numbers.entry(removal.stream).or_default() += 1;
        self.places.insert(key, place);
        self.due.insert(place, removal);
    }

    /// Forgets the removal of the identical subject.
    pub(super) fn cancel(&mut self, stream: StreamNumber, subject: &Subject) {
        // The key is worth making only where something waits.
        if self.due.is_empty() {
            return;
        }
        if let Some(place) = self.leave(stream, subject) {
            self.due.remove(&place);
        }
    }

    /// Whether a removal of the identical subject waits.
    pub(super) fn has(&self, stream: StreamNumber, subject: &Subject) -> bool {
        self.places.contains_key(&(stream, Key::of(subject)))
    }

    /// How many removals of a stream wait.
    pub(super) fn number(&self, stream: StreamNumber) -> usize {
        self.numbers.get(&stream).copied().unwrap_or(0)
    }

    /// Forgets all removals of a stream.
    pub(super) fn forget(&mut self, stream: StreamNumber) {
        let all = (stream, Key::FIRST)..=(stream, Key::LAST);
        let of_stream: Vec<_> = self.places.range(all).map(|(key, place)| (*key, *place)).collect();
        for (key, place) in of_stream {
            self.places.remove(&key);
            self.due.remove(&place);
        }
        self.numbers.remove(&stream);
    }

    /// The next removal whose time has come.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Removal> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        let removal = first.remove();
        self.leave(removal.stream, &removal.subject);
        Some(removal)
    }

    fn leave(&mut self, stream: StreamNumber, subject: &Subject) -> Option<Place> {
        let place = self.places.remove(&(stream, Key::of(subject)))?;
        let left = self.number(stream).saturating_sub(1);
        if left == 0 {
            self.numbers.remove(&stream);
        } else {
            self.numbers.insert(stream, left);
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::SimpleSubject;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn subject(id: &str) -> Subject {
        SimpleSubject::opaque(id).unwrap().into()
    }

    fn removal(stream: StreamNumber, id: &str) -> Removal {
        let default_subjects = DefaultSubjects::None;
        Removal { stream, default_subjects, subject: subject(id) }
    }

    fn due(later: &mut Later, now: i64) -> Vec<(StreamNumber, Subject)> {
        let mut due = Vec::new();
        while let Some(removal) = later.pop(at(now)) {
            due.push((removal.stream, removal.subject));
        }
        due
    }

    #[test]
    fn removals_take_effect_in_the_order_of_their_times_unless_they_are_cancelled() {
        let mut later = Later::default();
        for (stream, id, time) in [(1, "a", 3), (1, "b", 1), (2, "a", 2), (1, "a", 1), (1, "c", 1)]
        {
            later.insert(removal(stream, id), at(time));
        }
        later.cancel(1, &subject("c"));
        later.cancel(2, &subject("c"));
        assert_eq!(due(&mut later, 0), []);
        assert_eq!(due(&mut later, 2), [(1, subject("b")), (2, subject("a"))]);
        assert_eq!(due(&mut later, 3), [(1, subject("a"))]);
        assert!(later.due.is_empty() && later.places.is_empty());
    }

    #[test]
    fn a_stream_that_is_gone_takes_its_removals_with_it() {
        let mut later = Later::default();
        for (stream, id) in [(1, "a"), (2, "a"), (2, "b"), (3, "a")] {
            later.insert(removal(stream, id), at(1));
        }
        later.forget(2);
        assert_eq!(due(&mut later, 1), [(1, subject("a")), (3, subject("a"))]);
        assert!(later.places.is_empty());
    }
}
