//! Which streams deliver which types of events. Most streams deliver the same, so they share a list.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::streams::StreamNumber;
use crate::id::EventType;
use crate::stream::{DefaultSubjects, StreamRecord};

/// The number of a list of types.
pub(super) type ListNumber = usize;

/// The lists of types that streams deliver.
#[derive(Debug, Default)]
pub(super) struct TypeLists {
    numbers: HashMap<Arc<[EventType]>, ListNumber>,
    lists: Vec<Option<TypeList>>,
    free: Vec<ListNumber>,
    by_type: HashMap<EventType, BTreeSet<ListNumber>>,
}

#[derive(Debug)]
struct TypeList {
    types: Arc<[EventType]>,
    /// How many streams have it.
    streams: usize,
    /// Those of them that began with all subjects.
    began_with_all: BTreeSet<StreamNumber>,
}

impl TypeLists {
    /// Takes up what a stream delivers.
    pub(super) fn join(&mut self, record: &StreamRecord, stream: StreamNumber) -> ListNumber {
        let known = self.numbers.get(record.events_delivered.as_slice()).copied();
        let number = known.unwrap_or_else(|| self.begin(&record.events_delivered));
        if let Some(list) = self.list(number) {
            list.streams += 1;
            if record.default_subjects == DefaultSubjects::All {
                list.began_with_all.insert(stream);
            }
        }
        number
    }

    /// Takes back one [`join`](Self::join).
    pub(super) fn leave(&mut self, number: ListNumber, stream: StreamNumber) {
        let Some(list) = self.list(number) else { return };
        list.streams -= 1;
        list.began_with_all.remove(&stream);
        if list.streams > 0 {
            return;
        }
        let Some(list) = self.lists.get_mut(number).and_then(Option::take) else { return };
        self.free.push(number);
        self.numbers.remove(&list.types);
        for event_type in &*list.types {
            if let Some(lists) = self.by_type.get_mut(event_type) {
                lists.remove(&number);
                if lists.is_empty() {
                    self.by_type.remove(event_type);
                }
            }
        }
    }

    /// The lists that have a type.
    pub(super) fn with(&self, event_type: &EventType) -> Option<&BTreeSet<ListNumber>> {
        self.by_type.get(event_type)
    }

    /// The streams with one of these lists that began with all subjects.
    pub(super) fn that_began_with_all(
        &self,
        lists: &BTreeSet<ListNumber>,
    ) -> impl Iterator<Item = StreamNumber> {
        let lists = lists.iter().filter_map(|number| self.lists.get(*number)?.as_ref());
        lists.flat_map(|list| &list.began_with_all).copied()
    }

    fn list(&mut self, number: ListNumber) -> Option<&mut TypeList> {
        self.lists.get_mut(number)?.as_mut()
    }

    fn begin(&mut self, types: &[EventType]) -> ListNumber {
        let number = self.free.pop().unwrap_or_else(|| {
            self.lists.push(None);
            self.lists.len() - 1
        });
        let types: Arc<[EventType]> = types.into();
        for event_type in &*types {
            self.by_type.entry(event_type.clone()).or_default().insert(number);
        }
        self.numbers.insert(Arc::clone(&types), number);
        if let Some(place) = self.lists.get_mut(number) {
            *place = Some(TypeList { types, streams: 0, began_with_all: BTreeSet::new() });
        }
        number
    }
}
