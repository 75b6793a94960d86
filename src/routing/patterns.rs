//! Complex subjects, arranged by what an event can share with them.

use std::collections::HashMap;
use std::hash::Hash;

use super::postings::{Digest, Postings};
use super::rows::{RowId, RowPostings, Rows};
use crate::subject::{ComplexSubject, SimpleSubject};

/// The member names that SSF 1.0 §3.3 defines, those first that tell most subjects apart.
const STANDARD_NAMES: [&str; 7] =
    ["session", "device", "user", "application", "group", "org_unit", "tenant"];

/// How many members a subject is filed by. Each set of them is kept, so that makes seven places.
const MOST_FILED: usize = 3;

/// How many sets of names there are groups for, beside those that SSF 1.0 alone makes up.
const MOST_OTHER_SETS: usize = 256;

/// The two questions that are asked; see [`includes`](super::includes) and
/// [`excludes`](super::excludes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Includes,
    Excludes,
}

/// One member of a subject: its name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    name: Name,
    value: Digest,
}

/// The name of a member. Those of SSF 1.0 come first, in the order above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Standard(u8),
    Other(Digest),
}

/// How a subject was filed.
#[derive(Debug)]
pub(super) enum Filed {
    /// By all its members.
    Whole(Box<[Member]>),
    /// By some of them: all are in its row.
    Partly(RowId),
}

/// The complex subjects of all streams, in groups by the names they are filed by.
///
/// An event shares the same of these names with all subjects of a group, and fulfils a rule for
/// those whose values under the shared names are its own. So a group keeps its subjects by the
/// digest of their values under every set of its names, and an event looks once into each group,
/// however many subjects have a value in common with it: a tenant that a million subjects share
/// costs nothing. All is in place when the subject is listed; events change nothing.
///
/// There are seven such sets of three names, and a subject is never filed by more. The event is
/// compared with those that have more members one by one, once it agrees with what they are filed
/// by. Receivers choose names freely, so that only so many sets of names of their own get a group:
/// beyond, subjects are filed by the names of SSF 1.0 alone. Events that share no more than names a
/// subject is not filed by find it by these.
#[derive(Debug)]
pub(super) struct Patterns<K> {
    groups: HashMap<Names, Group<K>>,
    /// How many of the groups have names beside those of SSF 1.0.
    other_sets: usize,
    /// The subjects that are filed by some of their members.
    rows: Rows<K, Member>,
}

/// The names that a group is filed by, ascending.
type Names = Box<[Name]>;

/// A set of the names of a group: bit `n` stands for the one at position `n`.
type Set = usize;

#[derive(Debug)]
struct Group<K> {
    /// For each set of names the streams of the subjects filed whole.
    whole: Vec<Postings<K>>,
    /// For each set of names the subjects filed partly.
    partly: Vec<RowPostings<K>>,
    /// The same subjects by each value they are not filed by.
    rest: RowPostings<K>,
}

impl<K: Clone + Ord> Patterns<K> {
    pub(super) fn new() -> Self {
        Self { groups: HashMap::new(), other_sets: 0, rows: Rows::new() }
    }

    /// Takes up a subject of a stream.
    pub(super) fn insert(&mut self, stream: &K, subject: &ComplexSubject) -> Filed {
        let members = members(subject);
        let (by, rest) = members.split_at(self.filed_by(&members));
        let group = self.groups.entry(names(by)).or_insert_with_key(|names| {
            self.other_sets += usize::from(has_others(names));
            Group::new()
        });
        if rest.is_empty() {
            group.whole.resize_with(1 << by.len(), Postings::new);
            for (set, postings) in group.whole.iter_mut().enumerate().skip(1) {
                postings.add(project(by, set), stream);
            }
            return Filed::Whole(members);
        }
        group.partly.resize_with(1 << by.len(), RowPostings::new);
        let row = self.rows.insert(stream.clone(), members.clone(), by.len());
        for (set, postings) in group.partly.iter_mut().enumerate().skip(1) {
            postings.add(project(by, set), stream, row, &self.rows);
        }
        rest.iter().for_each(|member| group.rest.add(member.value, stream, row, &self.rows));
        Filed::Partly(row)
    }

    /// Takes back one [`insert`](Self::insert).
    pub(super) fn remove(&mut self, stream: &K, filed: &Filed) {
        match filed {
            Filed::Whole(members) => self.take_out(members, |group| {
                for (set, postings) in group.whole.iter_mut().enumerate().skip(1) {
                    postings.remove(project(members, set), stream);
                }
            }),
            Filed::Partly(row) => {
                let Some((members, filed_by)) = self.rows.remove(*row) else { return };
                let (by, rest) = members.split_at(filed_by);
                self.take_out(by, |group| {
                    for (set, postings) in group.partly.iter_mut().enumerate().skip(1) {
                        postings.remove(project(by, set), stream, *row);
                    }
                    rest.iter().for_each(|member| group.rest.remove(member.value, stream, *row));
                });
            }
        }
    }

    /// The streams with a subject that fulfils the rule, in no order, some more than once.
    pub(super) fn find(&self, rule: Rule, event: &ComplexSubject) -> Vec<K> {
        let event = members(event);
        let fits = |listed: &[Member]| rule.holds(listed, &event);
        let mut found = Vec::new();
        let mut digests = Digests::new(&event);
        for (names, group) in &self.groups {
            let (set, shared) = shared(names, &event);
            if rule == Rule::Excludes && shared.len() < names.len() {
                continue;
            }
            if shared.is_empty() {
                for member in &*event {
                    group.rest.find(member.value, &self.rows, fits, &mut found);
                }
                continue;
            }
            let digest = digests.of(shared);
            if let Some(postings) = group.whole.get(set) {
                found.extend(postings.streams(digest).cloned());
            }
            if let Some(postings) = group.partly.get(set) {
                postings.find(digest, &self.rows, fits, &mut found);
            }
        }
        found
    }

    /// By how many of its members, the first, a subject is filed.
    fn filed_by(&self, members: &[Member]) -> usize {
        let most = members.len().min(MOST_FILED);
        let names = names(&members[..most]);
        let room = self.other_sets < MOST_OTHER_SETS || self.groups.contains_key(&names);
        if room || !has_others(&names) {
            return most;
        }
        names.iter().filter(|name| matches!(name, Name::Standard(_))).count()
    }

    fn take_out(&mut self, by: &[Member], from: impl FnOnce(&mut Group<K>)) {
        let names = names(by);
        let Some(group) = self.groups.get_mut(&names) else { return };
        from(group);
        if group.is_empty() {
            self.other_sets -= usize::from(has_others(&names));
            self.groups.remove(&names);
        }
    }
}

impl<K: Clone + Ord> Group<K> {
    fn new() -> Self {
        Self { whole: Vec::new(), partly: Vec::new(), rest: RowPostings::new() }
    }

    fn is_empty(&self) -> bool {
        // What is filed partly has a rest.
        self.whole.iter().all(Postings::is_empty) && self.rest.is_empty()
    }
}

impl Rule {
    /// Whether a listed subject fulfils the rule for an event's.
    fn holds(self, listed: &[Member], event: &[Member]) -> bool {
        let mut values = listed.iter().map(|member| {
            let at = event.binary_search_by_key(&member.name, |member| member.name).ok()?;
            Some(event.get(at)?.value == member.value)
        });
        match self {
            Self::Excludes => values.all(|same| same == Some(true)),
            Self::Includes => {
                let mut shared = values.flatten().peekable();
                shared.peek().is_some() && shared.all(|same| same)
            }
        }
    }
}

impl Name {
    fn of(name: &str) -> Self {
        let standard = (0..).zip(STANDARD_NAMES).find(|(_, standard)| *standard == name);
        standard.map_or_else(|| Self::Other(Digest::of(name)), |(rank, _)| Self::Standard(rank))
    }
}

/// The members of a subject, sorted by name.
fn members(subject: &ComplexSubject) -> Box<[Member]> {
    let member = |(name, value): (&str, &SimpleSubject)| Member {
        name: Name::of(name),
        value: Digest::of(&value.canonical()),
    };
    let mut members: Box<[Member]> = subject.members().map(member).collect();
    members.sort_unstable_by_key(|member| member.name);
    members
}

fn names(members: &[Member]) -> Names {
    members.iter().map(|member| member.name).collect()
}

fn has_others(names: &[Name]) -> bool {
    names.iter().any(|name| matches!(name, Name::Other(_)))
}

/// The digest of the values under the names of that set.
fn project(by: &[Member], set: Set) -> Digest {
    let values = by.iter().enumerate().filter(|(position, _)| set >> position & 1 == 1);
    Digest::of_all(&values.map(|(_, member)| member.value).collect::<Vec<_>>())
}

/// The names of a group that an event has, as a set, and where the event has them.
fn shared(names: &[Name], event: &[Member]) -> (Set, Vec<usize>) {
    let (mut set, mut positions) = (0, Vec::new());
    for (bit, name) in names.iter().enumerate() {
        if let Ok(position) = event.binary_search_by_key(name, |member| member.name) {
            set |= 1 << bit;
            positions.push(position);
        }
    }
    (set, positions)
}

/// The digests of some values of an event, each made once.
struct Digests<'e> {
    event: &'e [Member],
    made: HashMap<Vec<usize>, Digest>,
}

impl<'e> Digests<'e> {
    fn new(event: &'e [Member]) -> Self {
        Self { event, made: HashMap::new() }
    }

    fn of(&mut self, positions: Vec<usize>) -> Digest {
        let event = self.event;
        *self.made.entry(positions).or_insert_with_key(|positions| {
            let values = positions.iter().filter_map(|position| event.get(*position));
            Digest::of_all(&values.map(|member| member.value).collect::<Vec<_>>())
        })
    }
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

    fn patterns(subjects: impl IntoIterator<Item = (u32, ComplexSubject)>) -> Patterns<u32> {
        let mut patterns = Patterns::new();
        for (stream, subject) in subjects {
            patterns.insert(&stream, &subject);
        }
        patterns
    }

    fn find(patterns: &Patterns<u32>, rule: Rule, event: &[(&str, &str)]) -> Vec<u32> {
        let mut found = patterns.find(rule, &complex(event));
        found.sort_unstable();
        found.dedup();
        found
    }

    fn users_of_one_tenant() -> Patterns<u32> {
        let user = |user: u32| complex(&[("tenant", "t"), ("user", &user.to_string())]);
        patterns((0..1_000).map(|number| (number, user(number))))
    }

    #[test]
    fn an_event_about_one_user_finds_it_among_all_users_of_the_tenant() {
        let patterns = users_of_one_tenant();
        for rule in [Rule::Includes, Rule::Excludes] {
            assert_eq!(find(&patterns, rule, &[("tenant", "t"), ("user", "7")]), [7]);
            let more = [("tenant", "t"), ("user", "7"), ("session", "s"), ("x", "x")];
            assert_eq!(find(&patterns, rule, &more), [7]);
        }
        assert_eq!(find(&patterns, Rule::Includes, &[("tenant", "t")]).len(), 1_000);
        assert_eq!(find(&patterns, Rule::Includes, &[("user", "7"), ("group", "g")]), [7]);
        assert_eq!(find(&patterns, Rule::Excludes, &[("user", "7")]), [0; 0]);
    }

    #[test]
    fn a_stream_with_many_users_of_a_tenant_is_found_once_by_events_about_the_tenant() {
        let user = |user: u32| complex(&[("tenant", "t"), ("user", &user.to_string())]);
        let patterns = patterns((0..1_000).map(|number| (1, user(number))));
        assert_eq!(find(&patterns, Rule::Includes, &[("tenant", "t")]), [1]);
    }

    #[test]
    fn a_receiver_cannot_make_events_look_in_more_places_than_a_few_hundred() {
        let name = |number: u32| complex(&[("tenant", "t"), (&format!("name-{number}"), "1")]);
        let mut patterns = patterns((0..1_000).map(|number| (number, name(number))));
        assert_eq!(patterns.groups.len(), MOST_OTHER_SETS + 1);
        assert_eq!(find(&patterns, Rule::Includes, &[("tenant", "t")]).len(), 1_000);
        for number in [1, 999] {
            let name = format!("name-{number}");
            let event = [("tenant", "t"), (&name, "1")];
            assert_eq!(find(&patterns, Rule::Excludes, &event), [number]);
            assert_eq!(find(&patterns, Rule::Includes, &[(&name, "1")]), [number]);
            let others = find(&patterns, Rule::Includes, &[("tenant", "t"), (&name, "2")]);
            assert_eq!((others.len(), others.contains(&number)), (999, false));
        }
        // A subject of one stream that is filed partly is no reason to look at its others.
        let rows = (0..1_000).map(|number| patterns.insert(&5_000, &name(number)));
        let rows: Vec<_> = rows.collect();
        assert_eq!(patterns.find(Rule::Includes, &complex(&[("tenant", "t")])).len(), 1_000 + 257);
        rows.iter().for_each(|row| patterns.remove(&5_000, row));
        assert_eq!(find(&patterns, Rule::Includes, &[("tenant", "t")]).len(), 1_000);
    }

    #[test]
    fn a_subject_with_many_members_is_found_by_any_of_them() {
        let names = ["application", "device", "group", "session", "tenant", "user", "x"];
        let subject: Vec<_> = names.iter().map(|name| (*name, *name)).collect();
        let patterns = patterns([(1, complex(&subject))]);
        assert_eq!(find(&patterns, Rule::Excludes, &subject), [1]);
        for one in names {
            assert_eq!(find(&patterns, Rule::Includes, &[(one, one)]), [1]);
            assert_eq!(find(&patterns, Rule::Includes, &[(one, "other")]), [0; 0]);
            for two in names.into_iter().filter(|name| *name != one) {
                assert_eq!(find(&patterns, Rule::Includes, &[(one, one), (two, two)]), [1]);
                assert_eq!(find(&patterns, Rule::Includes, &[(one, one), (two, "o")]), [0; 0]);
                assert_eq!(find(&patterns, Rule::Includes, &[(one, one), (two, one)]), [0; 0]);
            }
            let fewer: Vec<_> = subject.iter().copied().filter(|(name, _)| *name != one).collect();
            assert_eq!(find(&patterns, Rule::Includes, &fewer), [1]);
            assert_eq!(find(&patterns, Rule::Excludes, &fewer), [0; 0]);
        }
    }

    #[test]
    fn names_that_only_the_event_or_only_the_subject_has_mean_what_the_rules_say() {
        let patterns = patterns([(1, complex(&[("tenant", "t"), ("branch", "b")]))]);
        let tenant = [("tenant", "t"), ("x", "x")];
        assert_eq!(find(&patterns, Rule::Includes, &tenant), [1]);
        assert_eq!(find(&patterns, Rule::Excludes, &tenant), [0; 0]);
        let both = [("tenant", "t"), ("branch", "b"), ("x", "x")];
        assert_eq!(find(&patterns, Rule::Excludes, &both), [1]);
        let other = [("tenant", "t"), ("branch", "c")];
        assert_eq!(find(&patterns, Rule::Includes, &other), [0; 0]);
        assert_eq!(find(&patterns, Rule::Excludes, &other), [0; 0]);
    }

    #[test]
    fn what_was_taken_back_leaves_nothing_behind() {
        let names = |number: u32| [("tenant", "t".to_owned()), ("x", number.to_string())];
        let mut patterns = Patterns::new();
        let mut filed = Vec::new();
        for number in 0..2_000_u32 {
            let name = format!("name-{number}");
            let [tenant, x] = names(number);
            let long = [(tenant.0, &*tenant.1), (x.0, &*x.1), (&name, "1"), ("user", "u")];
            filed.push(patterns.insert(&number, &complex(&long)));
            filed.push(patterns.insert(&number, &complex(&long[..2])));
            filed.push(patterns.insert(&number, &complex(&long[2..3])));
        }
        for (nth, filed) in filed.iter().enumerate() {
            patterns.remove(&u32::try_from(nth / 3).unwrap(), filed);
        }
        assert!(patterns.groups.is_empty() && patterns.rows.is_empty());
        assert_eq!(patterns.other_sets, 0);
    }
}
