//! Finds the streams whose subjects concern an event. A stand-in: it compares all it holds.

use serde_json::Value;

use crate::subject::Subject;

/// Which streams named which subjects.
#[derive(Clone, Debug)]
pub struct SubjectIndex<K> {
    rows: Vec<(K, Value)>,
}

impl<K> Default for SubjectIndex<K> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<K: Clone + Eq + std::hash::Hash + Ord> SubjectIndex<K> {
    /// Notes that the stream named the subject; twice is once.
    pub fn insert(&mut self, stream: &K, subject: &Subject) {
        self.remove(stream, subject);
        self.rows.push((stream.clone(), value(subject)));
    }

    /// Forgets that the stream named the identical subject.
    pub fn remove(&mut self, stream: &K, subject: &Subject) {
        let subject = value(subject);
        self.rows.retain(|(k, v)| k != stream || *v != subject);
    }

    /// Forgets all subjects of the stream.
    pub fn remove_stream(&mut self, stream: &K) {
        self.rows.retain(|(k, _)| k != stream);
    }

    /// The streams one of whose subjects includes the event's.
    #[must_use]
    pub fn including(&self, subject: &Subject) -> Vec<K> {
        let subject = value(subject);
        self.rows.iter().filter(|(_, v)| *v == subject).map(|(k, _)| k.clone()).collect()
    }

    /// The streams one of whose subjects excludes the event's.
    #[must_use]
    pub fn excluding(&self, subject: &Subject) -> Vec<K> {
        self.including(subject)
    }
}

fn value(subject: &Subject) -> Value {
    serde_json::to_value(subject).unwrap_or_default()
}
