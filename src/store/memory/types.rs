//! Which streams deliver which types of events. Most streams deliver the same, so they share a list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::id::EventType;
use crate::stream::{DefaultSubjects, StreamRecord};

/// The number of a stream among those of its issuer.
pub(super) type StreamNumber = usize;

/// The number of a list of types.
pub(super) type ListNumber = usize;

/// The lists of types that streams deliver.
#[derive(Debug, Default)]
pub(super) struct TypeLists {
    numbers: HashMap<Arc<[EventType]>, ListNumber>,
    lists: BTreeMap<ListNumber, TypeList>,
    by_type: HashMap<EventType, BTreeSet<ListNumber>>,
    last: ListNumber,
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
        if let Some(list) = self.lists.get_mut(&number) {
            list.streams += 1;
            if record.default_subjects == DefaultSubjects::All {
                list.began_with_all.insert(stream);
            }
        }
        number
    }

    /// Takes back one [`join`](Self::join).
    pub(super) fn leave(&mut self, number: ListNumber, stream: StreamNumber) {
        let Some(list) = self.lists.get_mut(&number) else { return };
        list.streams -= 1;
        list.began_with_all.remove(&stream);
        if list.streams > 0 {
            return;
        }
        let Some(list) = self.lists.remove(&number) else { return };
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
        let lists = lists.iter().filter_map(|number| self.lists.get(number));
        lists.flat_map(|list| &list.began_with_all).copied()
    }

    fn begin(&mut self, types: &[EventType]) -> ListNumber {
        self.last += 1;
        let types: Arc<[EventType]> = types.into();
        for event_type in &*types {
            self.by_type.entry(event_type.clone()).or_default().insert(self.last);
        }
        self.numbers.insert(Arc::clone(&types), self.last);
        let list = TypeList { types, streams: 0, began_with_all: BTreeSet::new() };
        self.lists.insert(self.last, list);
        self.last
    }
}
