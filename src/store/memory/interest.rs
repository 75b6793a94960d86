//! Which streams want an event: the indexes that routing asks.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::later::{Later, Removal};
use crate::id::{EventType, StreamId};
use crate::routing::{Interest, SubjectIndex};
use crate::store::SubjectChange;
use crate::stream::{DefaultSubjects, StreamRecord, StreamStatus};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// The interests of the streams of one issuer.
#[derive(Debug, Default)]
pub(super) struct Interests {
    /// The streams that deliver the type, are not disabled and began with all subjects.
    by_type: HashMap<EventType, BTreeSet<StreamId>>,
    /// What streams that began with no subject have added.
    inclusions: SubjectIndex<StreamId>,
    /// What streams that began with all subjects have removed.
    exclusions: SubjectIndex<StreamId>,
    /// Removals that take effect later.
    later: Later,
}

impl Interests {
    /// Takes a stream up as its record has it.
    pub(super) fn add(&mut self, record: &StreamRecord) {
        if record.default_subjects == DefaultSubjects::All && takes_entries(record) {
            for event_type in &record.events_delivered {
                let streams = self.by_type.entry(event_type.clone()).or_default();
                streams.insert(record.stream_id.clone());
            }
        }
    }

    /// Takes back what [`add`](Self::add) did for that record; its subjects stay.
    pub(super) fn remove(&mut self, record: &StreamRecord) {
        for event_type in &record.events_delivered {
            if let Some(streams) = self.by_type.get_mut(event_type) {
                streams.remove(&record.stream_id);
                if streams.is_empty() {
                    self.by_type.remove(event_type);
                }
            }
        }
    }

    /// Forgets the subjects of a stream.
    pub(super) fn forget_subjects(&mut self, stream: &StreamId) {
        self.inclusions.remove_stream(stream);
        self.exclusions.remove_stream(stream);
        self.later.forget(stream);
    }

    /// Adds a subject to a stream or removes it.
    pub(super) fn change(&mut self, record: &StreamRecord, change: &SubjectChange) {
        let (stream, default_subjects) = (&record.stream_id, record.default_subjects);
        match change {
            SubjectChange::Add(subject) => {
                self.later.cancel(stream, subject);
                match default_subjects {
                    DefaultSubjects::All => self.exclusions.remove(stream, subject),
                    DefaultSubjects::None => self.inclusions.insert(stream, subject),
                }
            }
            // The subject of the stream itself is that of its control SETs, which cannot be
            // refused.
            SubjectChange::Remove(subject) | SubjectChange::RemoveLater { subject, .. }
                if *subject == Subject::of_stream(stream) => {}
            SubjectChange::Remove(subject) => {
                self.later.cancel(stream, subject);
                self.take_out(stream, default_subjects, subject);
            }
            SubjectChange::RemoveLater { subject, at } => {
                let (stream, subject) = (stream.clone(), subject.clone());
                self.later.insert(Removal { stream, default_subjects, subject }, *at);
            }
        }
    }

    /// Lets removals take effect whose time has come.
    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some(Removal { stream, default_subjects, subject }) = self.later.pop(now) {
            self.take_out(&stream, default_subjects, &subject);
        }
    }

    fn take_out(&mut self, stream: &StreamId, default: DefaultSubjects, subject: &Subject) {
        match default {
            DefaultSubjects::All => self.exclusions.insert(stream, subject),
            DefaultSubjects::None => self.inclusions.remove(stream, subject),
        }
    }

    /// Whether a stream has a subject among its own.
    pub(super) fn of(&self, record: &StreamRecord, subject: &Subject) -> Interest {
        let stream = &record.stream_id;
        let wanted = match record.default_subjects {
            _ if *subject == Subject::of_stream(stream) => true,
            DefaultSubjects::All => !self.exclusions.excluding(subject).contains(stream),
            DefaultSubjects::None => self.inclusions.including(subject).contains(stream),
        };
        if wanted { Interest::Wanted } else { Interest::NotWanted }
    }

    /// The streams that may want an event of that type about that subject: those that began with
    /// all subjects do, of the others [`wants`] has to be asked.
    pub(super) fn candidates(
        &self,
        event_type: &EventType,
        subject: &Subject,
    ) -> impl Iterator<Item = StreamId> {
        let excluding: HashSet<StreamId> = self.exclusions.excluding(subject).into_iter().collect();
        let streams = self.by_type.get(event_type).into_iter().flatten();
        let by_type = streams.filter(move |stream| !excluding.contains(*stream)).cloned();
        by_type.chain(self.inclusions.including(subject))
    }
}

/// Whether a stream wants events of that type.
pub(super) fn wants(record: &StreamRecord, event_type: &EventType) -> bool {
    takes_entries(record) && record.events_delivered.contains(event_type)
}

/// Whether entries are accepted for a stream: a disabled one holds nothing (SSF 1.0 §8.1.2.1).
pub(super) fn takes_entries(record: &StreamRecord) -> bool {
    match record.status {
        StreamStatus::Enabled | StreamStatus::Paused => true,
        StreamStatus::Disabled => false,
    }
}
