//! Which streams deliver which types of events.

use std::collections::{BTreeSet, HashMap};

use super::streams::StreamNumber;
use crate::id::EventType;
use crate::stream::{DefaultSubjects, StreamRecord};

/// The number of a type among those that streams deliver.
type TypeNumber = usize;

/// The types that streams deliver, each with its streams.
#[derive(Debug, Default)]
pub(super) struct Types {
    numbers: HashMap<EventType, TypeNumber>,
    delivered: Vec<Option<Delivered>>,
    free: Vec<TypeNumber>,
}

/// A type, and who delivers it.
#[derive(Debug)]
pub(super) struct Delivered {
    event_type: EventType,
    number: TypeNumber,
    /// How many streams do.
    streams: usize,
    /// Those of them that began with all subjects.
    began_with_all: BTreeSet<StreamNumber>,
}

/// The types that one stream delivers, a bit for each.
///
/// Few transmitters know more than 64 types, so that those of most streams stand beside the rest of
/// what an emission has to know of them.
#[derive(Debug, Default)]
pub(super) struct TypeSet {
    first: u64,
    others: Box<[u64]>,
}

impl Types {
    /// Takes up what a stream delivers.
    pub(super) fn join(&mut self, record: &StreamRecord, stream: StreamNumber) -> TypeSet {
        let mut set = TypeSet::default();
        for event_type in &record.events_delivered {
            let number = self.number(event_type);
            if set.has(number) {
                continue;
            }
            set.insert(number);
            let Some(delivered) = self.at(number) else { continue };
            delivered.streams += 1;
            if record.default_subjects == DefaultSubjects::All {
                delivered.began_with_all.insert(stream);
            }
        }
        set
    }

    /// Takes back one [`join`](Self::join).
    pub(super) fn leave(&mut self, types: &TypeSet, stream: StreamNumber) {
        for number in types.iter() {
            let Some(delivered) = self.at(number) else { continue };
            delivered.streams -= 1;
            delivered.began_with_all.remove(&stream);
            if delivered.streams == 0 {
                self.forget(number);
            }
        }
    }

    /// Who delivers a type, if anybody does.
    pub(super) fn delivered(&self, event_type: &EventType) -> Option<&Delivered> {
        self.delivered.get(*self.numbers.get(event_type)?)?.as_ref()
    }

    fn number(&mut self, event_type: &EventType) -> TypeNumber {
        if let Some(number) = self.numbers.get(event_type) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.delivered.push(None);
            self.delivered.len() - 1
        });
        self.numbers.insert(event_type.clone(), number);
        if let Some(place) = self.delivered.get_mut(number) {
            let (event_type, began_with_all) = (event_type.clone(), BTreeSet::new());
            *place = Some(Delivered { event_type, number, streams: 0, began_with_all });
        }
        number
    }

    fn forget(&mut self, number: TypeNumber) {
        if let Some(delivered) = self.delivered.get_mut(number).and_then(Option::take) {
            self.numbers.remove(&delivered.event_type);
            self.free.push(number);
        }
    }

    fn at(&mut self, number: TypeNumber) -> Option<&mut Delivered> {
        self.delivered.get_mut(number)?.as_mut()
    }
}

impl Delivered {
    /// Whether it is among these types.
    pub(super) fn is_in(&self, types: &TypeSet) -> bool {
        types.has(self.number)
    }

    /// The streams that deliver it and began with all subjects.
    pub(super) fn began_with_all(&self) -> impl Iterator<Item = StreamNumber> {
        self.began_with_all.iter().copied()
    }
}

impl TypeSet {
    fn has(&self, number: TypeNumber) -> bool {
        self.word(number / 64) >> (number % 64) & 1 == 1
    }

    fn word(&self, nth: usize) -> u64 {
        match nth.checked_sub(1) {
            None => self.first,
            Some(nth) => self.others.get(nth).copied().unwrap_or(0),
        }
    }

    fn insert(&mut self, number: TypeNumber) {
        let bit = 1 << (number % 64);
        let Some(nth) = (number / 64).checked_sub(1) else {
            self.first |= bit;
            return;
        };
        if self.others.len() <= nth {
            let mut longer = std::mem::take(&mut self.others).into_vec();
            longer.resize(nth + 1, 0);
            self.others = longer.into();
        }
        if let Some(word) = self.others.get_mut(nth) {
            *word |= bit;
        }
    }

    fn iter(&self) -> impl Iterator<Item = TypeNumber> {
        (0..(self.others.len() + 1) * 64).filter(|number| self.has(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Audience, ClientId, Issuer, Owner, StreamId, TenantId};
    use crate::stream::Delivery;
    use crate::timestamp::Timestamp;

    fn record(default: DefaultSubjects, types: impl IntoIterator<Item = usize>) -> StreamRecord {
        let mut record = StreamRecord::new(
            Issuer::parse("https://tr.example.com").unwrap(),
            Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap()),
            StreamId::parse("s").unwrap(),
            Audience::parse("a").unwrap(),
            Delivery::Poll,
            Timestamp::default(),
        );
        record.default_subjects = default;
        record.events_delivered = types.into_iter().map(event_type).collect();
        record
    }

    fn event_type(number: usize) -> EventType {
        EventType::parse(format!("urn:example:event:{number}")).unwrap()
    }

    /// Each stream with a selection of its own; streams with odd numbers begin with all subjects.
    #[test]
    fn each_type_knows_its_streams_until_they_leave() {
        let (mut types, mut sets) = (Types::default(), Vec::new());
        let delivers = |stream: StreamNumber, number: usize| (stream as usize * 7 + number) % 5 < 2;
        for stream in 0..50 {
            let default =
                if stream % 2 == 1 { DefaultSubjects::All } else { DefaultSubjects::None };
            let selection = (0..200).filter(|number| delivers(stream, *number));
            // A type that comes twice counts once.
            sets.push(types.join(&record(default, selection.chain([199, 199])), stream));
        }
        for number in 0..199 {
            let delivered = types.delivered(&event_type(number)).unwrap();
            let expected = (0..50).filter(|stream| delivers(*stream, number) && stream % 2 == 1);
            assert_eq!(
                delivered.began_with_all().collect::<Vec<_>>(),
                expected.collect::<Vec<_>>()
            );
            for (stream, set) in (0..).zip(&sets) {
                assert_eq!(delivered.is_in(set), delivers(stream, number));
            }
        }
        for (stream, set) in (0..).zip(&sets) {
            assert!(types.delivered(&event_type(199)).is_some());
            types.leave(set, stream);
        }
        assert!(types.numbers.is_empty() && types.delivered(&event_type(199)).is_none());
        assert_eq!(types.free.len(), types.delivered.len());
    }
}
