//! Which streams want an event: the indexes that routing asks.

use std::sync::Arc;

use super::later::{Later, Removal};
use super::streams::StreamNumber;
use super::types::{TypeSet, Types};
use crate::id::{EventType, Owner, StreamId};
use crate::routing::keys::Rule;
use crate::routing::{Interest, SubjectIndex};
use crate::store::{Candidate, StoreError, SubjectChange};
use crate::stream::{DefaultSubjects, StreamRecord, StreamStatus};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// The interests of the streams of one issuer.
///
/// What an emission has to know of a stream stands in one place here: of many streams the memory is
/// cold, and every other place would be one more to wait for.
#[derive(Debug, Default)]
pub(super) struct Interests {
    streams: Vec<Option<Interested>>,
    types: Types,
    /// What streams that began with no subject have added.
    inclusions: SubjectIndex<StreamNumber>,
    /// What streams that began with all subjects have removed.
    exclusions: SubjectIndex<StreamNumber>,
    /// Removals that take effect later.
    later: Later,
}

/// What an emission has to know of a stream.
#[derive(Debug)]
struct Interested {
    stream_id: StreamId,
    owner: Arc<Owner>,
    /// The types it delivers; none while it is disabled.
    delivers: TypeSet,
}

impl Interests {
    /// Takes a stream up as its record has it, or as it has changed; its subjects stay.
    pub(super) fn set(&mut self, number: StreamNumber, record: &StreamRecord) {
        self.leave(number);
        let place = number as usize;
        if self.streams.len() <= place {
            self.streams.resize_with(place + 1, || None);
        }
        let delivers = if takes_entries(record) {
            self.types.join(record, number)
        } else {
            TypeSet::default()
        };
        if let Some(place) = self.streams.get_mut(place) {
            let (stream_id, owner) = (record.stream_id.clone(), Arc::new(record.owner.clone()));
            *place = Some(Interested { stream_id, owner, delivers });
        }
    }

    /// Forgets a stream and its subjects.
    pub(super) fn remove(&mut self, number: StreamNumber) {
        self.leave(number);
        self.inclusions.remove_stream(&number);
        self.exclusions.remove_stream(&number);
        self.later.forget(number);
    }

    /// Adds a subject to a stream or removes it; the stream lists at most `most`.
    pub(super) fn change(
        &mut self,
        number: StreamNumber,
        record: &StreamRecord,
        change: &SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        if !self.has_room_for(number, record.default_subjects, change, most) {
            return Err(StoreError::SubjectLimit);
        }
        let (stream, default_subjects) = (&record.stream_id, record.default_subjects);
        match change {
            SubjectChange::Add(subject) => {
                self.later.cancel(number, subject);
                match default_subjects {
                    DefaultSubjects::All => self.exclusions.remove(&number, subject),
                    DefaultSubjects::None => self.inclusions.insert(&number, subject),
                }
            }
            // The subject of the stream itself is that of its control SETs, which cannot be
            // refused.
            SubjectChange::Remove(subject) | SubjectChange::RemoveLater { subject, .. }
                if *subject == Subject::of_stream(stream) => {}
            SubjectChange::Remove(subject) => {
                self.later.cancel(number, subject);
                self.take_out(number, default_subjects, subject);
            }
            SubjectChange::RemoveLater { subject, at } => {
                // Where it would change nothing, nothing has to wait.
                let changes = match default_subjects {
                    DefaultSubjects::All => !self.exclusions.lists(&number, subject),
                    DefaultSubjects::None => self.inclusions.lists(&number, subject),
                };
                if changes {
                    let subject = subject.clone();
                    self.later.insert(Removal { stream: number, default_subjects, subject }, *at);
                }
            }
        }
        Ok(())
    }

    fn has_room_for(
        &self,
        number: StreamNumber,
        default_subjects: DefaultSubjects,
        change: &SubjectChange,
        most: u32,
    ) -> bool {
        let most = most as usize;
        match (default_subjects, change) {
            (DefaultSubjects::None, SubjectChange::Add(subject)) => {
                self.inclusions.number(&number) < most || self.inclusions.lists(&number, subject)
            }
            (
                DefaultSubjects::All,
                SubjectChange::Remove(subject) | SubjectChange::RemoveLater { subject, .. },
            ) => {
                let listed = self.exclusions.number(&number) + self.later.number(number);
                listed < most
                    || self.exclusions.lists(&number, subject)
                    || self.later.has(number, subject)
            }
            (
                DefaultSubjects::None,
                SubjectChange::Remove(_) | SubjectChange::RemoveLater { .. },
            )
            | (DefaultSubjects::All, SubjectChange::Add(_)) => true,
        }
    }

    /// Lets removals take effect whose time has come.
    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some(removal) = self.later.pop(now) {
            self.take_out(removal.stream, removal.default_subjects, &removal.subject);
        }
    }

    /// Whether a stream has a subject among its own.
    pub(super) fn of(
        &self,
        number: StreamNumber,
        record: &StreamRecord,
        subject: &Subject,
    ) -> Interest {
        let wanted = match record.default_subjects {
            _ if *subject == Subject::of_stream(&record.stream_id) => true,
            DefaultSubjects::All => !self.exclusions.holds(Rule::Excludes, &number, subject),
            DefaultSubjects::None => self.inclusions.holds(Rule::Includes, &number, subject),
        };
        if wanted { Interest::Wanted } else { Interest::NotWanted }
    }

    /// The streams that want an event of that type about that subject; `own` is the stream that the
    /// subject is that of.
    ///
    /// Beside these it costs a look at the streams that deliver the type, began with all subjects and
    /// have removed that one, and at those that have added the subject and do not deliver the type.
    pub(super) fn candidates(
        &self,
        event_type: &EventType,
        subject: &Subject,
        own: Option<StreamNumber>,
    ) -> Vec<(StreamNumber, Candidate)> {
        let Some(delivered) = self.types.delivered(event_type) else { return Vec::new() };
        let delivers = |number: &StreamNumber| {
            self.interested(*number).is_some_and(|stream| delivered.is_in(&stream.delivers))
        };
        let excluding = self.exclusions.excluding(subject);
        let mut wanting: Vec<StreamNumber> = delivered
            .began_with_all()
            .filter(|number| excluding.binary_search(number).is_err())
            .collect();
        wanting.extend(self.inclusions.including(subject).into_iter().filter(delivers));
        // A stream always has its own subject (SSF 1.0 §8.1.4.1), also where it added none.
        wanting.extend(own.filter(delivers).filter(|own| !wanting.contains(own)));
        let candidate = |number: StreamNumber| {
            let Interested { stream_id, owner, .. } = self.interested(number)?;
            Some((number, Candidate::new(stream_id.clone(), Arc::clone(owner))))
        };
        wanting.into_iter().filter_map(candidate).collect()
    }

    fn take_out(&mut self, number: StreamNumber, default: DefaultSubjects, subject: &Subject) {
        match default {
            DefaultSubjects::All => self.exclusions.insert(&number, subject),
            DefaultSubjects::None => self.inclusions.remove(&number, subject),
        }
    }

    fn interested(&self, number: StreamNumber) -> Option<&Interested> {
        self.streams.get(number as usize)?.as_ref()
    }

    /// Takes back what [`set`](Self::set) did last for that stream.
    fn leave(&mut self, number: StreamNumber) {
        let interested = self.streams.get_mut(number as usize).and_then(Option::take);
        if let Some(interested) = interested {
            self.types.leave(&interested.delivers, number);
        }
    }
}

/// Whether entries are accepted for a stream: a disabled one holds nothing (SSF 1.0 §8.1.2.1).
pub(super) fn takes_entries(record: &StreamRecord) -> bool {
    match record.status {
        StreamStatus::Enabled | StreamStatus::Paused => true,
        StreamStatus::Disabled => false,
    }
}
