//! The lookup tables behind [`SubjectIndex`](super::SubjectIndex): streams by digest, and complex
//! subjects by what an event can share with them.

use std::collections::HashMap;
use std::hash::Hash;

use openssl::sha::sha256;

use crate::subject::{ComplexSubject, SimpleSubject};

/// The SHA-256 of an identity: of fixed size, and nobody can make two identities meet.
pub(super) type Digest = [u8; 32];

/// The members of a complex subject, sorted by name, each value as the digest of its identity.
pub(super) type Members = [(Box<str>, Digest)];

/// The two questions a table answers; see [`includes`](super::includes) and
/// [`excludes`](super::excludes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Includes,
    Excludes,
}

/// The streams under each digest. A stream counts as often as its subjects put it there, and is
/// found once.
#[derive(Debug)]
pub(super) struct Postings<K>(HashMap<Digest, HashMap<K, usize>>);

/// The complex subjects of all streams, arranged for one rule and for events whose subjects have
/// one set of member names.
///
/// Such an event shares a fixed set of names with each listed subject, and the rule is fulfilled
/// exactly when the values under these names are identical. So a subject is filed under the names
/// it shares and the digest of its values there; an event looks once under each set of names that
/// is in use, never at single subjects.
#[derive(Debug)]
pub(super) struct Table<K> {
    rule: Rule,
    /// The member names of the events, sorted.
    names: Vec<Box<str>>,
    /// By the positions of the shared names among `names`.
    filed: HashMap<Vec<usize>, Postings<K>>,
}

pub(super) fn digest(subject: &SimpleSubject) -> Digest {
    sha256(subject.canonical().as_bytes())
}

pub(super) fn members(subject: &ComplexSubject) -> Vec<(Box<str>, Digest)> {
    subject.members().map(|(name, member)| (name.into(), digest(member))).collect()
}

impl<K: Clone + Eq + Hash> Postings<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn add(&mut self, digest: Digest, stream: &K) {
        *self.0.entry(digest).or_default().entry(stream.clone()).or_default() += 1;
    }

    /// Takes back one [`add`](Self::add).
    pub(super) fn remove(&mut self, digest: Digest, stream: &K) {
        let Some(streams) = self.0.get_mut(&digest) else { return };
        let Some(count) = streams.get_mut(stream) else { return };
        *count -= 1;
        if *count == 0 {
            streams.remove(stream);
        }
        if streams.is_empty() {
            self.0.remove(&digest);
        }
    }

    pub(super) fn streams(&self, digest: Digest) -> impl Iterator<Item = &K> {
        self.0.get(&digest).into_iter().flat_map(HashMap::keys)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    /// An empty table for events with the member names of this one.
    pub(super) fn new(rule: Rule, event: &Members) -> Self {
        let names = event.iter().map(|(name, _)| name.clone()).collect();
        Self { rule, names, filed: HashMap::new() }
    }

    /// Whether this is the table for the rule and such an event.
    pub(super) fn serves(&self, rule: Rule, event: &Members) -> bool {
        self.rule == rule && self.names.iter().eq(event.iter().map(|(name, _)| name))
    }

    pub(super) fn add(&mut self, stream: &K, subject: &Members) {
        if let Some((shared, values)) = self.place(subject) {
            self.filed.entry(shared).or_insert_with(Postings::new).add(values, stream);
        }
    }

    /// Takes back one [`add`](Self::add).
    pub(super) fn remove(&mut self, stream: &K, subject: &Members) {
        let Some((shared, values)) = self.place(subject) else { return };
        let Some(postings) = self.filed.get_mut(&shared) else { return };
        postings.remove(values, stream);
        if postings.is_empty() {
            self.filed.remove(&shared);
        }
    }

    /// The streams with a subject that fulfils the rule; the event is one the table serves. A
    /// stream comes once for each set of names under which it is found.
    pub(super) fn streams(&self, event: &Members) -> impl Iterator<Item = &K> {
        self.filed.iter().flat_map(|(shared, postings)| {
            let values = shared.iter().filter_map(|position| event.get(*position));
            postings.streams(digest_of_values(values.map(|(_, value)| value)))
        })
    }

    /// Where a listed subject is filed: the names it shares with the events, and its values there.
    /// None when no such event can fulfil the rule.
    fn place(&self, subject: &Members) -> Option<(Vec<usize>, Digest)> {
        let mut shared = Vec::new();
        let mut values = Vec::new();
        for (name, value) in subject {
            match (self.names.binary_search(name), self.rule) {
                (Ok(position), _) => {
                    shared.push(position);
                    values.push(value);
                }
                (Err(_), Rule::Includes) => {}
                // Every member of an excluded subject must be in the event.
                (Err(_), Rule::Excludes) => return None,
            }
        }
        // At least one member must be shared.
        (!shared.is_empty()).then(|| (shared, digest_of_values(values)))
    }
}

fn digest_of_values<'a>(values: impl IntoIterator<Item = &'a Digest>) -> Digest {
    let bytes: Vec<u8> = values.into_iter().flatten().copied().collect();
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Subject;

    fn complex(named: &[(&str, &str)]) -> Vec<(Box<str>, Digest)> {
        let opaque =
            |(name, id): &(&str, &str)| ((*name).to_owned(), SimpleSubject::opaque(id).unwrap());
        let Ok(Subject::Complex(subject)) = Subject::complex(named.iter().map(opaque)) else {
            panic!("not a complex subject")
        };
        members(&subject)
    }

    #[test]
    fn subjects_that_share_a_tenant_are_one_place_to_events_about_the_tenant() {
        let tenant = complex(&[("tenant", "t")]);
        let mut table = Table::new(Rule::Includes, &tenant);
        for user in 0..1_000 {
            table.add(&"s", &complex(&[("tenant", "t"), ("user", &user.to_string())]));
        }
        assert_eq!(table.streams(&tenant).count(), 1);
    }

    #[test]
    fn an_event_about_one_user_does_not_meet_the_other_users_of_the_tenant() {
        let event = complex(&[("tenant", "t"), ("user", "7")]);
        for rule in [Rule::Includes, Rule::Excludes] {
            let mut table = Table::new(rule, &event);
            for user in 0..1_000 {
                table.add(&user, &complex(&[("tenant", "t"), ("user", &user.to_string())]));
            }
            assert_eq!(table.streams(&event).collect::<Vec<_>>(), [&7]);
            assert_eq!(table.filed.len(), 1);
        }
    }

    #[test]
    fn what_was_taken_back_leaves_nothing_behind() {
        let event = complex(&[("tenant", "t")]);
        let mut table = Table::new(Rule::Includes, &event);
        let subjects = [complex(&[("tenant", "t"), ("user", "1")]), event.clone()];
        for subject in &subjects {
            table.add(&"s", subject);
        }
        table.remove(&"s", &subjects[0]);
        assert_eq!(table.streams(&event).collect::<Vec<_>>(), [&"s"]);
        table.remove(&"s", &subjects[1]);
        assert!(table.filed.is_empty());
    }
}
