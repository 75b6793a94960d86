//! The subjects of many streams, arranged so that an event finds its streams by key.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use super::matches::identifiers;
use super::tables::{self, Digest, Members, Postings, Rule, Table};
use crate::subject::Subject;

/// How many tables for complex subjects are kept: two for each set of member names that events come
/// with, and hosts know few such sets.
const MAX_TABLES: usize = 64;

/// The subjects listed by many streams, in memory. It answers for all streams at once what
/// [`includes`](super::includes) and [`excludes`](super::excludes) answer for one subject.
///
/// A lookup costs what it finds, not what is listed. One exception: the first event whose complex
/// subject has a new set of member names arranges all listed complex subjects for such events;
/// these sets come from the host, so no receiver can cause more of them.
///
/// `K` names a stream.
///
/// ```
/// use ssf_transmitter::routing::SubjectIndex;
/// use ssf_transmitter::subject::{SimpleSubject, Subject};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenant = SimpleSubject::opaque("t-1")?;
/// let user = SimpleSubject::email("user@example.com")?;
/// let mut index = SubjectIndex::new();
/// index.insert(&"stream-1", &Subject::complex([("tenant", tenant.clone())])?);
///
/// let event = Subject::complex([("tenant", tenant), ("user", user)])?;
/// assert_eq!(index.including(&event), ["stream-1"]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct SubjectIndex<K> {
    /// What each stream lists, by the digest of the subject's identity.
    listed: HashMap<K, HashMap<Digest, Keys>>,
    /// Simple subjects and the identifiers of aliases.
    identifiers: Postings<K>,
    /// Complex subjects, arranged when an event first needs it.
    tables: Mutex<Vec<Table<K>>>,
}

/// What a listed subject is found by.
#[derive(Debug)]
enum Keys {
    Identifiers(Box<[Digest]>),
    Complex(Box<Members>),
}

impl<K: Clone + Eq + Hash + Ord> SubjectIndex<K> {
    /// An index without subjects.
    #[must_use]
    pub fn new() -> Self {
        Self {
            listed: HashMap::new(),
            identifiers: Postings::new(),
            tables: Mutex::new(Vec::new()),
        }
    }

    /// Lists a subject for a stream; nothing changes when the stream lists it already.
    pub fn insert(&mut self, stream: &K, subject: &Subject) {
        let identity = digest(subject);
        if self.listed.get(stream).is_some_and(|listed| listed.contains_key(&identity)) {
            return;
        }
        let keys = Keys::of(subject);
        match &keys {
            Keys::Identifiers(digests) => {
                digests.iter().for_each(|digest| self.identifiers.add(*digest, stream));
            }
            Keys::Complex(members) => {
                self.tables_mut().iter_mut().for_each(|table| table.add(stream, members));
            }
        }
        self.listed.entry(stream.clone()).or_default().insert(identity, keys);
    }

    /// Takes the identical subject off a stream; nothing changes when the stream does not list it.
    pub fn remove(&mut self, stream: &K, subject: &Subject) {
        let Some(listed) = self.listed.get_mut(stream) else { return };
        let Some(keys) = listed.remove(&digest(subject)) else { return };
        if listed.is_empty() {
            self.listed.remove(stream);
        }
        self.forget(stream, &keys);
    }

    /// Takes all subjects off a stream.
    pub fn remove_stream(&mut self, stream: &K) {
        for keys in self.listed.remove(stream).into_iter().flat_map(HashMap::into_values) {
            self.forget(stream, &keys);
        }
    }

    /// The streams with a subject that [`includes`](super::includes) the event's, sorted, each once.
    #[must_use]
    pub fn including(&self, event: &Subject) -> Vec<K> {
        self.find(Rule::Includes, event)
    }

    /// The streams with a subject that [`excludes`](super::excludes) the event's, sorted, each once.
    #[must_use]
    pub fn excluding(&self, event: &Subject) -> Vec<K> {
        self.find(Rule::Excludes, event)
    }

    fn find(&self, rule: Rule, event: &Subject) -> Vec<K> {
        let found: BTreeSet<K> = match Keys::of(event) {
            // The two rules differ for complex subjects only.
            Keys::Identifiers(digests) => digests
                .iter()
                .flat_map(|digest| self.identifiers.streams(*digest))
                .cloned()
                .collect(),
            Keys::Complex(members) => self.find_complex(rule, &members),
        };
        found.into_iter().collect()
    }

    fn find_complex(&self, rule: Rule, event: &Members) -> BTreeSet<K> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.iter().find(|table| table.serves(rule, event)) {
            return table.streams(event).cloned().collect();
        }
        let table = self.arrange(rule, event);
        let found = table.streams(event).cloned().collect();
        if tables.len() >= MAX_TABLES {
            tables.remove(0);
        }
        tables.push(table);
        found
    }

    /// The table of all listed complex subjects for events such as this one.
    fn arrange(&self, rule: Rule, event: &Members) -> Table<K> {
        let mut table = Table::new(rule, event);
        for (stream, listed) in &self.listed {
            for keys in listed.values() {
                if let Keys::Complex(members) = keys {
                    table.add(stream, members);
                }
            }
        }
        table
    }

    fn forget(&mut self, stream: &K, keys: &Keys) {
        match keys {
            Keys::Identifiers(digests) => {
                digests.iter().for_each(|digest| self.identifiers.remove(*digest, stream));
            }
            Keys::Complex(members) => {
                self.tables_mut().iter_mut().for_each(|table| table.remove(stream, members));
            }
        }
    }

    fn tables_mut(&mut self) -> &mut Vec<Table<K>> {
        self.tables.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash + Ord> Default for SubjectIndex<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl Keys {
    fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Complex(complex) => Self::Complex(tables::members(complex).into()),
            _ => Self::Identifiers(identifiers(subject).iter().map(tables::digest).collect()),
        }
    }
}

fn digest(subject: &Subject) -> Digest {
    openssl::sha::sha256(subject.canonical().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routing::{excludes, includes};
    use crate::subject::{SimpleSubject, samples};

    type Stream = u8;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(Stream, Subject),
        Remove(Stream, prop::sample::Index),
        RemoveStream(Stream),
        Look(Subject),
    }

    fn step() -> impl Strategy<Value = Step> {
        let stream = 0..4_u8;
        prop_oneof![
            6 => (stream.clone(), samples::subject()).prop_map(|(s, x)| Step::Insert(s, x)),
            2 => (stream.clone(), any::<prop::sample::Index>()).prop_map(|(s, i)| Step::Remove(s, i)),
            1 => stream.prop_map(Step::RemoveStream),
            4 => samples::subject().prop_map(Step::Look),
        ]
    }

    /// The rule applied to every listed subject in turn.
    fn brute_force(
        rule: fn(&Subject, &Subject) -> bool,
        listed: &[(Stream, Subject)],
        event: &Subject,
    ) -> Vec<Stream> {
        let matching = listed.iter().filter(|(_, subject)| rule(subject, event));
        matching.map(|(stream, _)| *stream).collect::<BTreeSet<_>>().into_iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_index_finds_what_the_rules_say(steps in prop::collection::vec(step(), 1..20)) {
            let mut index = SubjectIndex::new();
            let mut listed: Vec<(Stream, Subject)> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(stream, subject) => {
                        index.insert(&stream, &subject);
                        if !listed.contains(&(stream, subject.clone())) {
                            listed.push((stream, subject));
                        }
                    }
                    Step::Remove(stream, which) if !listed.is_empty() => {
                        let subject = which.get(&listed).1.clone();
                        index.remove(&stream, &subject);
                        listed.retain(|entry| *entry != (stream, subject.clone()));
                    }
                    Step::Remove(..) => {}
                    Step::RemoveStream(stream) => {
                        index.remove_stream(&stream);
                        listed.retain(|(of, _)| *of != stream);
                    }
                    Step::Look(event) => {
                        let including = brute_force(includes, &listed, &event);
                        let excluding = brute_force(excludes, &listed, &event);
                        prop_assert_eq!(index.including(&event), including);
                        prop_assert_eq!(index.excluding(&event), excluding);
                    }
                }
            }
            for (stream, subject) in &listed {
                index.remove(stream, subject);
            }
            prop_assert!(index.listed.is_empty() && index.identifiers.is_empty());
        }
    }

    fn opaque(id: &str) -> SimpleSubject {
        SimpleSubject::opaque(id).unwrap()
    }

    #[test]
    fn a_stream_keeps_an_identifier_as_long_as_one_of_its_subjects_has_it() {
        let simple = Subject::from(opaque("1"));
        let aliases = Subject::aliases([opaque("1"), opaque("1"), opaque("2")]).unwrap();
        let mut index = SubjectIndex::new();
        index.insert(&"s", &simple);
        index.insert(&"s", &aliases);

        index.remove(&"s", &simple);
        assert_eq!(index.including(&simple), ["s"]);
        index.remove(&"s", &aliases);
        assert_eq!(index.including(&simple), [""; 0]);
    }

    #[test]
    fn more_kinds_of_events_than_tables_are_kept_find_their_streams_all_the_same() {
        let mut index = SubjectIndex::new();
        index.insert(&"s", &Subject::complex([("tenant", opaque("t"))]).unwrap());
        for round in 0..2 {
            for kind in 0..MAX_TABLES + 3 {
                let members =
                    [("tenant".to_owned(), opaque("t")), (format!("n{kind}"), opaque("1"))];
                let event = Subject::complex(members).unwrap();
                assert_eq!(index.including(&event), ["s"], "round {round}");
            }
        }
        assert_eq!(index.tables_mut().len(), MAX_TABLES);
    }
}
