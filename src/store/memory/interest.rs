//! Which streams want an event: the indexes that routing asks.

use std::collections::HashMap;
use std::sync::Arc;

use super::later::{Later, Removal};
use super::types::{ListNumber, StreamNumber, TypeLists};
use crate::id::{EventType, Owner, StreamId};
use crate::routing::{Interest, SubjectIndex};
use crate::store::{Candidate, SubjectChange};
use crate::stream::{DefaultSubjects, StreamRecord, StreamStatus};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// The interests of the streams of one issuer.
///
/// Streams have numbers here, and what an emission has to know of one stands in one place: of many
/// streams the memory is cold, and every other place would be one more to wait for.
#[derive(Debug, Default)]
pub(super) struct Interests {
    numbers: HashMap<StreamId, StreamNumber>,
    streams: Vec<Option<Interested>>,
    free: Vec<StreamNumber>,
    lists: TypeLists,
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
    delivers: Option<ListNumber>,
}

impl Interests {
    /// Takes a stream up as its record has it, or as it has changed; its subjects stay.
    pub(super) fn set(&mut self, record: &StreamRecord) {
        let number = self.numbers.get(&record.stream_id).copied();
        let number = number.unwrap_or_else(|| self.new_number(&record.stream_id));
        self.leave(number);
        let delivers = takes_entries(record).then(|| self.lists.join(record, number));
        if let Some(place) = self.streams.get_mut(number) {
            let (stream_id, owner) = (record.stream_id.clone(), Arc::new(record.owner.clone()));
            *place = Some(Interested { stream_id, owner, delivers });
        }
    }

    /// Forgets a stream and its subjects.
    pub(super) fn remove(&mut self, stream: &StreamId) {
        let Some(number) = self.numbers.remove(stream) else { return };
        self.leave(number);
        self.inclusions.remove_stream(&number);
        self.exclusions.remove_stream(&number);
        self.later.forget(stream);
        self.free.push(number);
    }

    /// Adds a subject to a stream or removes it.
    pub(super) fn change(&mut self, record: &StreamRecord, change: &SubjectChange) {
        let (stream, default_subjects) = (&record.stream_id, record.default_subjects);
        let Some(&number) = self.numbers.get(stream) else { return };
        match change {
            SubjectChange::Add(subject) => {
                self.later.cancel(stream, subject);
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

    /// Whether a stream has a subject among its own.
    pub(super) fn of(&self, record: &StreamRecord, subject: &Subject) -> Interest {
        let listed = |by: Vec<StreamNumber>| {
            self.numbers.get(&record.stream_id).is_some_and(|number| by.contains(number))
        };
        let wanted = match record.default_subjects {
            _ if *subject == Subject::of_stream(&record.stream_id) => true,
            DefaultSubjects::All => !listed(self.exclusions.excluding(subject)),
            DefaultSubjects::None => listed(self.inclusions.including(subject)),
        };
        if wanted { Interest::Wanted } else { Interest::NotWanted }
    }

    /// The streams that want an event of that type about that subject.
    ///
    /// Beside these it costs a look at the streams that deliver the type and have removed the
    /// subject, and at those that have added the subject and do not deliver the type.
    pub(super) fn candidates(&self, event_type: &EventType, subject: &Subject) -> Vec<Candidate> {
        let Some(lists) = self.lists.with(event_type) else { return Vec::new() };
        let delivers = |number: &StreamNumber| {
            let list = self.interested(*number).and_then(|interested| interested.delivers);
            list.is_some_and(|list| lists.contains(&list))
        };
        let excluding = self.exclusions.excluding(subject);
        let began_with_all = self.lists.that_began_with_all(lists);
        let mut wanting: Vec<StreamNumber> =
            began_with_all.filter(|number| excluding.binary_search(number).is_err()).collect();
        wanting.extend(self.inclusions.including(subject).into_iter().filter(delivers));
        // A stream always has its own subject (SSF 1.0 §8.1.4.1), also where it added none.
        let own = subject.as_stream().and_then(|own| self.numbers.get(&own).copied());
        wanting.extend(own.filter(delivers).filter(|own| !wanting.contains(own)));
        let found = wanting.into_iter().filter_map(|number| self.interested(number));
        found.map(|it| Candidate::new(it.stream_id.clone(), Arc::clone(&it.owner))).collect()
    }

    fn take_out(&mut self, stream: &StreamId, default: DefaultSubjects, subject: &Subject) {
        let Some(number) = self.numbers.get(stream) else { return };
        match default {
            DefaultSubjects::All => self.exclusions.insert(number, subject),
            DefaultSubjects::None => self.inclusions.remove(number, subject),
        }
    }

    fn interested(&self, number: StreamNumber) -> Option<&Interested> {
        self.streams.get(number)?.as_ref()
    }

    fn new_number(&mut self, stream: &StreamId) -> StreamNumber {
        let number = self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            self.streams.len() - 1
        });
        self.numbers.insert(stream.clone(), number);
        number
    }

    /// Takes back what [`set`](Self::set) did last for that stream, but for its number.
    fn leave(&mut self, number: StreamNumber) {
        let interested = self.streams.get_mut(number).and_then(Option::take);
        if let Some(list) = interested.and_then(|interested| interested.delivers) {
            self.lists.leave(list, number);
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
