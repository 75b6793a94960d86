//! Removals of subjects that take effect later (SSF 1.0 §9.3: events may go on for a while).

use std::collections::{BTreeMap, HashMap};

use super::streams::StreamNumber;
use crate::id::StreamId;
use crate::stream::DefaultSubjects;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// What waits to take effect, by time.
#[derive(Debug, Default)]
pub(super) struct Later {
    due: BTreeMap<(Timestamp, u64), Removal>,
    places: HashMap<(StreamId, String), (Timestamp, u64)>,
    counter: u64,
}

/// A removal that waits.
#[derive(Debug)]
pub(super) struct Removal {
    pub(super) stream: StreamId,
    pub(super) number: StreamNumber,
    pub(super) default_subjects: DefaultSubjects,
    pub(super) subject: Subject,
}

impl Later {
    /// Lets a removal wait until that time. One that waits already keeps its time.
    pub(super) fn insert(&mut self, removal: Removal, at: Timestamp) {
        let key = (removal.stream.clone(), removal.subject.canonical());
        if self.places.contains_key(&key) {
            return;
        }
        self.counter += 1;
        let place = (at, self.counter);
        self.places.insert(key, place);
        self.due.insert(place, removal);
    }

    /// Forgets the removal of the identical subject.
    pub(super) fn cancel(&mut self, stream: &StreamId, subject: &Subject) {
        // The canonical text is worth making only where something waits.
        if self.due.is_empty() {
            return;
        }
        if let Some(place) = self.places.remove(&(stream.clone(), subject.canonical())) {
            self.due.remove(&place);
        }
    }

    /// Forgets all removals of a stream.
    pub(super) fn forget(&mut self, stream: &StreamId) {
        self.due.retain(|_, removal| removal.stream != *stream);
        self.places.retain(|(owner, _), _| owner != stream);
    }

    /// The next removal whose time has come.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Removal> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        let removal = first.remove();
        self.places.remove(&(removal.stream.clone(), removal.subject.canonical()));
        Some(removal)
    }
}
