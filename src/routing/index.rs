//! The subjects of many streams, arranged so that an event finds its streams by key.

use std::collections::BTreeMap;

use super::matches::identifiers;
use super::patterns::{Filed, Patterns, Rule};
use super::postings::{Digest, Postings};
use crate::subject::Subject;

/// The subjects listed by many streams, in memory. It answers for all streams at once what
/// [`includes`](super::includes) and [`excludes`](super::excludes) answer for one subject.
///
/// A look-up costs what it finds, not what is listed, and it changes nothing. For complex subjects
/// that holds up to three members. Those with more are compared with the event one by one, once they
/// agree with it in what they share of three of their members: so an event about a user may be
/// compared with all subjects of that user that have four members or more. The same holds for
/// subjects with names of the receivers' own, when these make up more than 256 sets of names.
///
/// A listed subject takes 100 to 200 bytes, whatever its text; a complex one less than 250 for each
/// of its members, beside some 200 KB for all sets of names together.
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
    listed: BTreeMap<(K, Digest), Keys>,
    /// Simple subjects and the identifiers of aliases.
    identifiers: Postings<K>,
    /// Complex subjects.
    patterns: Patterns<K>,
}

/// What a listed subject is found by.
#[derive(Debug)]
enum Keys {
    /// A simple subject: its own identity.
    Itself,
    Identifiers(Box<[Digest]>),
    Complex(Filed),
}

impl<K: Clone + Ord> SubjectIndex<K> {
    /// An index without subjects.
    #[must_use]
    pub fn new() -> Self {
        Self { listed: BTreeMap::new(), identifiers: Postings::new(), patterns: Patterns::new() }
    }

    /// Lists a subject for a stream; nothing changes when the stream lists it already.
    pub fn insert(&mut self, stream: &K, subject: &Subject) {
        let row = (stream.clone(), digest(subject));
        if self.listed.contains_key(&row) {
            return;
        }
        let keys = match subject {
            Subject::Simple(_) => {
                self.identifiers.add(row.1, stream);
                Keys::Itself
            }
            Subject::Aliases(_) => {
                let digests = digests(subject);
                digests.iter().for_each(|digest| self.identifiers.add(*digest, stream));
                Keys::Identifiers(digests)
            }
            Subject::Complex(complex) => Keys::Complex(self.patterns.insert(stream, complex)),
        };
        self.listed.insert(row, keys);
    }

    /// Takes the identical subject off a stream; nothing changes when the stream does not list it.
    pub fn remove(&mut self, stream: &K, subject: &Subject) {
        self.remove_row(&(stream.clone(), digest(subject)));
    }

    /// Takes all subjects off a stream.
    pub fn remove_stream(&mut self, stream: &K) {
        let all = (stream.clone(), Digest::FIRST)..=(stream.clone(), Digest::LAST);
        let rows: Vec<_> = self.listed.range(all).map(|(row, _)| row.clone()).collect();
        rows.iter().for_each(|row| self.remove_row(row));
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
        let mut found: Vec<K> = match event {
            // It is the subject of no event.
            _ if event.names_a_phone() => Vec::new(),
            // The two rules differ for complex subjects only.
            Subject::Simple(_) | Subject::Aliases(_) => digests(event)
                .iter()
                .flat_map(|digest| self.identifiers.streams(*digest))
                .cloned()
                .collect(),
            Subject::Complex(event) => self.patterns.find(rule, event),
        };
        found.sort_unstable();
        found.dedup();
        found
    }

    fn remove_row(&mut self, row: &(K, Digest)) {
        let (stream, identity) = row;
        match self.listed.remove(row) {
            None => {}
            Some(Keys::Itself) => self.identifiers.remove(*identity, stream),
            Some(Keys::Identifiers(digests)) => {
                digests.iter().for_each(|digest| self.identifiers.remove(*digest, stream));
            }
            Some(Keys::Complex(filed)) => self.patterns.remove(stream, &filed),
        }
    }
}

impl<K: Clone + Ord> Default for SubjectIndex<K> {
    fn default() -> Self {
        Self::new()
    }
}

fn digest(subject: &Subject) -> Digest {
    Digest::of(&subject.canonical())
}

/// What a subject that is not complex is found by.
fn digests(subject: &Subject) -> Box<[Digest]> {
    identifiers(subject).iter().map(|identifier| Digest::of(&identifier.canonical())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
}
