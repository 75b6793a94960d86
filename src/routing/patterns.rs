//! Complex subjects, arranged by what an event can share with them.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use super::postings::{Digest, Postings};
use crate::subject::{ComplexSubject, SimpleSubject};

/// The member names that SSF 1.0 §3.3 defines.
const STANDARD_NAMES: [&str; 7] =
    ["user", "device", "session", "application", "tenant", "org_unit", "group"];

/// The two questions that are asked; see [`includes`](super::includes) and
/// [`excludes`](super::excludes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Includes,
    Excludes,
}

/// One member of a listed subject: its name, shared by all that have it, and its value.
#[derive(Debug)]
pub(super) struct Member {
    name: Arc<str>,
    value: Digest,
}

/// The complex subjects of all streams, grouped by their pattern: the names of their members.
///
/// An event shares the same names with all subjects of one pattern, and fulfils a rule for those
/// whose values under these names are its own. So each group keeps its subjects by the digest of
/// the values under such a set of names, a projection, and an event looks once into each group,
/// however many subjects have a value in common with it.
///
/// Receivers choose patterns freely. For them not to make groups without bound, names count only
/// once an event has come with them, beside those of SSF 1.0: they are known then. The projection
/// onto all known names of a pattern is kept from the first subject on; it serves exclusions, and
/// inclusions of events that say at least as much as the subject. Another one, for events that say
/// less, is made when the first of them comes, by going through all subjects once. Names and sets
/// of names that are new to the index come with the host's events: no receiver can cause more of
/// them.
#[derive(Debug)]
pub(super) struct Patterns<K> {
    /// The names that subjects have, and those that are known.
    names: HashMap<Arc<str>, Name>,
    /// How many names are known.
    known: u32,
    /// The sets of known names that events have come with.
    shapes: HashSet<Names>,
    groups: HashMap<Pattern, Vec<Projection<K>>>,
}

#[derive(Debug, Default)]
struct Name {
    /// How many subjects have a member of that name.
    subjects: usize,
    /// Its number, once it is known.
    number: Option<u32>,
}

/// A set of known names: their numbers, ascending.
type Names = Box<[u32]>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pattern {
    known: Names,
    others: Others,
}

/// Whether subjects have members of names that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Others {
    None,
    Some,
}

/// The subjects of one group by their values under some of its known names.
#[derive(Debug)]
struct Projection<K> {
    onto: Names,
    postings: Postings<K>,
}

/// The members of a subject under known names, ascending.
type Known = [(u32, Digest)];

impl<K: Clone + Eq + Hash> Patterns<K> {
    pub(super) fn new() -> Self {
        let mut patterns = Self {
            names: HashMap::new(),
            known: 0,
            shapes: HashSet::new(),
            groups: HashMap::new(),
        };
        for name in STANDARD_NAMES {
            patterns.names.insert(name.into(), Name { subjects: 0, number: Some(patterns.known) });
            patterns.known += 1;
        }
        patterns
    }

    /// Takes up a subject of a stream; the members are what [`remove`](Self::remove) wants back.
    pub(super) fn insert(&mut self, stream: &K, subject: &ComplexSubject) -> Box<[Member]> {
        let members: Box<[Member]> = subject
            .members()
            .map(|(name, value)| Member { name: self.use_name(name), value: digest(value) })
            .collect();
        self.file(stream, &members);
        members
    }

    /// Takes back one [`insert`](Self::insert).
    pub(super) fn remove(&mut self, stream: &K, members: &[Member]) {
        let (pattern, values) = self.pattern(members);
        if let Some(projections) = self.groups.get_mut(&pattern) {
            for Projection { onto, postings } in projections.iter_mut() {
                postings.remove(project(&values, onto), stream);
            }
            if projections.iter().all(|projection| projection.postings.is_empty()) {
                self.groups.remove(&pattern);
            }
        }
        for member in members {
            self.release_name(&member.name);
        }
    }

    /// The streams with a subject that fulfils the rule, in no order, some more than once.
    /// `listed` are all subjects that were taken up.
    pub(super) fn find<'l>(
        &mut self,
        rule: Rule,
        event: &ComplexSubject,
        listed: impl Iterator<Item = (&'l K, &'l [Member])>,
    ) -> Vec<K>
    where
        K: 'l,
    {
        let values = self.learn(rule, event, listed);
        let shape: Names = values.iter().map(|(number, _)| *number).collect();
        let mut found = Vec::new();
        let mut digests: HashMap<&Names, Digest> = HashMap::new();
        for (pattern, projections) in &self.groups {
            let shared = shared(&pattern.known, &shape);
            let all = shared == pattern.known && pattern.others == Others::None;
            if rule == Rule::Excludes && !all {
                continue;
            }
            // The event has been learnt, so there is one unless they share nothing.
            let projection = projections.iter().find(|projection| projection.onto == shared);
            let Some(Projection { onto, postings }) = projection else { continue };
            let digest = *digests.entry(onto).or_insert_with(|| project(&values, onto));
            found.extend(postings.streams(digest).cloned());
        }
        found
    }

    /// Gets ready for an event: its names are known afterwards, and the projections that it needs
    /// are there.
    fn learn<'l>(
        &mut self,
        rule: Rule,
        event: &ComplexSubject,
        listed: impl Iterator<Item = (&'l K, &'l [Member])>,
    ) -> Vec<(u32, Digest)>
    where
        K: 'l,
    {
        let known_before = self.known;
        let mut values = Vec::new();
        for (name, value) in event.members() {
            // A name that no subject has means nothing here.
            let Some(entry) = self.names.get_mut(name) else { continue };
            let number = *entry.number.get_or_insert_with(|| {
                self.known += 1;
                self.known - 1
            });
            values.push((number, digest(value)));
        }
        values.sort_unstable();
        let shape: Names = values.iter().map(|(number, _)| *number).collect();
        // Exclusions need no other projection than the one that is always there.
        let new_shape = rule == Rule::Includes && self.shapes.insert(shape.clone());
        if self.known > known_before {
            self.groups.clear();
            listed.for_each(|(stream, members)| self.file(stream, members));
        } else if new_shape {
            self.add_projections(&shape, listed);
        }
        values
    }

    /// Makes the projections that events of a new shape need.
    fn add_projections<'l>(
        &mut self,
        shape: &Names,
        listed: impl Iterator<Item = (&'l K, &'l [Member])>,
    ) where
        K: 'l,
    {
        let mut lacking: HashMap<Pattern, Projection<K>> = HashMap::new();
        for (pattern, projections) in &self.groups {
            let onto = shared(&pattern.known, shape);
            if !onto.is_empty() && projections.iter().all(|present| present.onto != onto) {
                lacking.insert(pattern.clone(), Projection { onto, postings: Postings::new() });
            }
        }
        if lacking.is_empty() {
            return;
        }
        for (stream, members) in listed {
            let (pattern, values) = self.pattern(members);
            if let Some(Projection { onto, postings }) = lacking.get_mut(&pattern) {
                postings.add(project(&values, onto), stream);
            }
        }
        for (pattern, projection) in lacking {
            self.groups.entry(pattern).or_default().push(projection);
        }
    }

    /// Files a subject in its group, which comes with all projections that events have asked for.
    fn file(&mut self, stream: &K, members: &[Member]) {
        let (pattern, values) = self.pattern(members);
        if values.is_empty() {
            return;
        }
        if !self.groups.contains_key(&pattern) {
            let projections = self.projections(&pattern);
            self.groups.insert(pattern.clone(), projections);
        }
        for Projection { onto, postings } in self.groups.get_mut(&pattern).into_iter().flatten() {
            postings.add(project(&values, onto), stream);
        }
    }

    fn projections(&self, pattern: &Pattern) -> Vec<Projection<K>> {
        let mut onto: HashSet<Names> =
            self.shapes.iter().map(|shape| shared(&pattern.known, shape)).collect();
        onto.insert(pattern.known.clone());
        let onto = onto.into_iter().filter(|names| !names.is_empty());
        onto.map(|onto| Projection { onto, postings: Postings::new() }).collect()
    }

    fn pattern(&self, members: &[Member]) -> (Pattern, Vec<(u32, Digest)>) {
        let number = |member: &Member| Some((self.names.get(&member.name)?.number?, member.value));
        let mut values: Vec<_> = members.iter().filter_map(number).collect();
        values.sort_unstable();
        let others = if values.len() < members.len() { Others::Some } else { Others::None };
        let known = values.iter().map(|(number, _)| *number).collect();
        (Pattern { known, others }, values)
    }

    fn use_name(&mut self, name: &str) -> Arc<str> {
        let shared = match self.names.get_key_value(name) {
            Some((shared, _)) => Arc::clone(shared),
            None => name.into(),
        };
        self.names.entry(Arc::clone(&shared)).or_default().subjects += 1;
        shared
    }

    /// Takes back one [`use_name`](Self::use_name). A known name stays known: else a receiver that
    /// lists and unlists it could make the next event learn it again and again.
    fn release_name(&mut self, name: &str) {
        let Some(entry) = self.names.get_mut(name) else { return };
        entry.subjects -= 1;
        if entry.subjects == 0 && entry.number.is_none() {
            self.names.remove(name);
        }
    }
}

fn digest(value: &SimpleSubject) -> Digest {
    Digest::of(&value.canonical())
}

/// The names that two sets have in common.
fn shared(one: &Names, other: &Names) -> Names {
    one.iter().filter(|number| other.binary_search(number).is_ok()).copied().collect()
}

/// The digest of the values under those names; the subject has them all.
fn project(values: &Known, onto: &Names) -> Digest {
    let values = values.iter().filter(|(number, _)| onto.binary_search(number).is_ok());
    Digest::of_all(&values.map(|(_, value)| *value).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Subject;

    fn complex(named: &[(&str, &str)]) -> ComplexSubject {
        let opaque =
            |(name, id): &(&str, &str)| ((*name).to_owned(), SimpleSubject::opaque(id).unwrap());
        let Ok(Subject::Complex(subject)) = Subject::complex(named.iter().map(opaque)) else {
            panic!("not a complex subject")
        };
        subject
    }

    /// Patterns together with all that was inserted, as the index keeps it.
    struct Bench {
        patterns: Patterns<u32>,
        listed: Vec<(u32, Box<[Member]>)>,
        /// How often all subjects were gone through.
        walks: usize,
    }

    impl Bench {
        fn with(subjects: impl IntoIterator<Item = (u32, ComplexSubject)>) -> Self {
            let mut bench = Self { patterns: Patterns::new(), listed: Vec::new(), walks: 0 };
            for (stream, subject) in subjects {
                bench.insert(stream, &subject);
            }
            bench
        }

        fn insert(&mut self, stream: u32, subject: &ComplexSubject) {
            let members = self.patterns.insert(&stream, subject);
            self.listed.push((stream, members));
        }

        fn remove_last(&mut self) {
            let (stream, members) = self.listed.pop().unwrap();
            self.patterns.remove(&stream, &members);
        }

        fn find(&mut self, rule: Rule, event: &[(&str, &str)]) -> Vec<u32> {
            let mut seen = 0;
            let listed = self.listed.iter().map(|(stream, members)| (stream, &**members));
            let listed = listed.inspect(|_| seen += 1);
            let mut found = self.patterns.find(rule, &complex(event), listed);
            self.walks += usize::from(seen > 0);
            found.sort_unstable();
            found
        }

        fn postings(&self) -> usize {
            self.patterns.groups.values().map(Vec::len).sum()
        }
    }

    fn users_of_one_tenant() -> Bench {
        let user = |user: u32| complex(&[("tenant", "t"), ("user", &user.to_string())]);
        Bench::with((0..1_000).map(|number| (number, user(number))))
    }

    #[test]
    fn an_event_about_one_user_finds_it_among_all_users_of_the_tenant_without_a_walk() {
        let mut bench = users_of_one_tenant();
        for rule in [Rule::Includes, Rule::Excludes] {
            assert_eq!(bench.find(rule, &[("tenant", "t"), ("user", "7")]), [7]);
            let more = [("tenant", "t"), ("user", "7"), ("session", "s"), ("x", "x")];
            assert_eq!(bench.find(rule, &more), [7]);
        }
        assert_eq!((bench.walks, bench.postings()), (0, 1));
    }

    #[test]
    fn events_that_say_less_than_the_subjects_make_them_be_gone_through_once() {
        let mut bench = users_of_one_tenant();
        assert_eq!(bench.find(Rule::Includes, &[("tenant", "t")]).len(), 1_000);
        assert_eq!(bench.find(Rule::Includes, &[("user", "7")]), [7]);
        bench.insert(5_000, &complex(&[("user", "7"), ("device", "d")]));
        assert_eq!(bench.find(Rule::Includes, &[("user", "7")]), [7, 5_000]);
        assert_eq!(bench.find(Rule::Includes, &[("user", "7"), ("group", "g")]), [7, 5_000]);
        assert_eq!(bench.walks, 2);
        assert_eq!(bench.find(Rule::Excludes, &[("user", "7")]), [0; 0]);
    }

    #[test]
    fn a_stream_with_many_users_of_a_tenant_is_found_once_by_events_about_the_tenant() {
        let user = |user: u32| complex(&[("tenant", "t"), ("user", &user.to_string())]);
        let mut bench = Bench::with((0..1_000).map(|number| (1, user(number))));
        assert_eq!(bench.find(Rule::Includes, &[("tenant", "t")]), [1]);
    }

    #[test]
    fn a_receiver_cannot_make_events_look_in_more_places() {
        let mut bench =
            Bench::with((0..1_000).map(|number| {
                (number, complex(&[("tenant", "t"), (&format!("name-{number}"), "1")]))
            }));
        assert_eq!(bench.find(Rule::Includes, &[("tenant", "t")]).len(), 1_000);
        assert_eq!((bench.walks, bench.postings()), (0, 1));
    }

    #[test]
    fn a_receiver_cannot_make_subjects_be_gone_through_again() {
        let event = [("tenant", "t"), ("user", "7"), ("branch", "b")];
        let mut bench = users_of_one_tenant();
        for _ in 0..3 {
            bench.insert(5_000, &complex(&[("tenant", "t"), ("branch", "b"), ("group", "g")]));
            assert_eq!(bench.find(Rule::Includes, &event), [7, 5_000]);
            bench.remove_last();
            assert_eq!(bench.find(Rule::Includes, &event), [7]);
        }
        // Once: the name `branch` was new then.
        assert_eq!(bench.walks, 1);
    }

    #[test]
    fn names_that_only_the_event_or_only_the_subject_has_mean_what_the_rules_say() {
        let mut bench = Bench::with([(1, complex(&[("tenant", "t"), ("branch", "b")]))]);
        let tenant = [("tenant", "t"), ("x", "x")];
        assert_eq!(bench.find(Rule::Includes, &tenant), [1]);
        assert_eq!(bench.find(Rule::Excludes, &tenant), [0; 0]);
        let both = [("tenant", "t"), ("branch", "b"), ("x", "x")];
        assert_eq!(bench.find(Rule::Excludes, &both), [1]);
        let other = [("tenant", "t"), ("branch", "c")];
        assert_eq!(bench.find(Rule::Includes, &other), [0; 0]);
        assert_eq!(bench.find(Rule::Excludes, &other), [0; 0]);
    }

    #[test]
    fn what_was_taken_back_leaves_nothing_behind() {
        let subjects = [("x", "1"), ("y", "2")].map(|more| complex(&[("tenant", "t"), more]));
        let mut bench = Bench::with([(1, subjects[0].clone()), (2, subjects[1].clone())]);
        assert_eq!(bench.find(Rule::Includes, &[("x", "1")]), [1]);
        bench.remove_last();
        bench.remove_last();
        let mut names: Vec<&str> = bench.patterns.names.keys().map(|name| &**name).collect();
        names.retain(|name| !STANDARD_NAMES.contains(name));
        assert_eq!(names, ["x"], "an event has come with it");
        assert!(bench.patterns.groups.is_empty());
    }
}
