//! The subjects of many streams, arranged so that an event finds its streams by key.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keys::{
    FiledBy, Key, MOST_OWN_PATTERNS, Pattern, Rule, Wanted, identifier_keys, member_keys, wanted_of,
};
use super::pattern::{Covers, Member, members};
use super::postings::{Compared, Postings};
use crate::subject::{ComplexSubject, Subject};

/// The subjects listed by many streams, in memory. It answers for all streams at once what
/// [`includes`](super::includes) and [`excludes`](super::excludes) answer for one subject.
///
/// A look-up costs what it finds, not what is listed, and it changes nothing. For complex subjects
/// that holds up to five members. Those with more are compared with the event one by one, once they
/// agree with it in what they share of four of their members; the same holds for subjects with names
/// of the receivers' own, when these make up more than 64 sets of names. See [`keys`](super::keys).
///
/// A listed subject takes 110 to 135 bytes, whatever its text; a complex one less than 250 for each of
/// its members. No table is ever copied as a whole, so that nothing waits for one to grow.
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
    listed: BTreeMap<(K, Key), Listed>,
    /// The streams under the keys of simple subjects, aliases, and complex subjects filed whole.
    matching: Postings<K>,
    /// The other complex subjects.
    compared: Compared<K>,
    patterns: Patterns,
    /// How many subjects each stream lists.
    numbers: BTreeMap<K, usize>,
}

/// A listed subject: what it takes to make its keys again.
#[derive(Debug)]
enum Listed {
    /// A simple subject: its identity is the key.
    Itself,
    Identifiers(Box<[Key]>),
    /// A complex subject that is filed by all its members: their values.
    Whole(Arc<Pattern>, Box<[Key]>),
    /// One that is filed by some, the first.
    Partly(Arc<Pattern>, Box<[Member]>),
}

/// How many subjects there are of each pattern.
#[derive(Debug, Default)]
struct Patterns {
    subjects: BTreeMap<Arc<Pattern>, usize>,
    /// How many of the patterns have names beside those of SSF 1.0.
    own: usize,
}

/// An event's subject, ready to be looked up.
struct Looked {
    wanted: Wanted,
    /// The members of a complex one.
    members: Vec<Member>,
}

impl<K: Clone + Ord> SubjectIndex<K> {
    /// An index without subjects.
    #[must_use]
    pub fn new() -> Self {
        Self {
            listed: BTreeMap::new(),
            matching: Postings::new(),
            compared: Compared::new(),
            patterns: Patterns::default(),
            numbers: BTreeMap::new(),
        }
    }

    /// Lists a subject for a stream; nothing changes when the stream lists it already.
    pub fn insert(&mut self, stream: &K, subject: &Subject) {
        let row = (stream.clone(), Key::of(subject));
        if self.listed.contains_key(&row) {
            return;
        }
        let listed = match subject {
            Subject::Simple(_) => {
                self.matching.add(row.1, stream);
                Listed::Itself
            }
            Subject::Aliases(_) => {
                let keys = identifier_keys(subject);
                keys.iter().for_each(|key| self.matching.add(*key, stream));
                Listed::Identifiers(keys.into())
            }
            Subject::Complex(complex) => self.file(&row, complex),
        };
        *self.numbers.entry(row.0.clone()).or_default() += 1;
        self.listed.insert(row, listed);
    }

    /// Takes the identical subject off a stream; nothing changes when the stream does not list it.
    pub fn remove(&mut self, stream: &K, subject: &Subject) {
        self.remove_row(&(stream.clone(), Key::of(subject)));
    }

    /// Takes all subjects off a stream.
    pub fn remove_stream(&mut self, stream: &K) {
        let all = (stream.clone(), Key::FIRST)..=(stream.clone(), Key::LAST);
        let rows: Vec<_> = self.listed.range(all).map(|(row, _)| row.clone()).collect();
        rows.iter().for_each(|row| self.remove_row(row));
    }

    /// Whether a stream lists the identical subject.
    #[must_use]
    pub fn lists(&self, stream: &K, subject: &Subject) -> bool {
        self.listed.contains_key(&(stream.clone(), Key::of(subject)))
    }

    /// How many subjects a stream lists.
    #[must_use]
    pub fn number(&self, stream: &K) -> usize {
        self.numbers.get(stream).copied().unwrap_or(0)
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

    /// Whether that stream has a subject that fulfils the rule for the event's.
    #[must_use]
    pub fn holds(&self, rule: Rule, stream: &K, event: &Subject) -> bool {
        let Looked { wanted, members } = self.look(rule, event);
        let fits = |stream: &K, subject| self.fits(rule, stream, subject, &members);
        wanted.matching.iter().any(|key| self.matching.has(*key, stream))
            || wanted.compared.iter().any(|key| self.compared.has(*key, stream, fits))
    }

    fn find(&self, rule: Rule, event: &Subject) -> Vec<K> {
        let Looked { wanted, members } = self.look(rule, event);
        let mut found: Vec<K> =
            wanted.matching.iter().flat_map(|key| self.matching.streams(*key)).cloned().collect();
        let fits = |stream: &K, subject| self.fits(rule, stream, subject, &members);
        found.extend(wanted.compared.iter().flat_map(|key| self.compared.find(*key, fits)));
        if wanted.matching.len() + wanted.compared.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    fn look(&self, rule: Rule, event: &Subject) -> Looked {
        match event {
            // It is the subject of no event.
            _ if event.names_a_phone() => Looked { wanted: Wanted::default(), members: Vec::new() },
            Subject::Complex(event) => {
                let members = members(event);
                Looked { wanted: wanted_of(rule, &members, self.patterns.iter()), members }
            }
            Subject::Simple(_) | Subject::Aliases(_) => {
                let matching = identifier_keys(event);
                let wanted = Wanted { matching, compared: Vec::new() };
                Looked { wanted, members: Vec::new() }
            }
        }
    }

    /// Whether a subject that has to be compared fulfils the rule.
    fn fits(&self, rule: Rule, stream: &K, subject: Key, event: &[Member]) -> bool {
        match self.listed.get(&(stream.clone(), subject)) {
            Some(Listed::Partly(_, members)) => rule.holds_for(members, event),
            Some(Listed::Itself | Listed::Identifiers(_) | Listed::Whole(..)) | None => false,
        }
    }

    fn file(&mut self, row: &(K, Key), subject: &ComplexSubject) -> Listed {
        let (stream, identity) = row;
        let members = members(subject);
        let pattern = self.patterns.enter(&members);
        let keys = member_keys(&pattern, &members);
        match pattern.covers() {
            Covers::All => {
                keys.for_each(|key| self.matching.add(key, stream));
                Listed::Whole(pattern, members.into_iter().map(|member| member.value).collect())
            }
            Covers::Part => {
                keys.for_each(|key| self.compared.add(key, stream, *identity));
                Listed::Partly(pattern, members.into())
            }
        }
    }

    fn remove_row(&mut self, row: &(K, Key)) {
        let Some(listed) = self.listed.remove(row) else { return };
        let (stream, identity) = row;
        let left = self.number(stream) - 1;
        if left == 0 {
            self.numbers.remove(stream);
        } else {
            self.numbers.insert(stream.clone(), left);
        }
        match listed {
            Listed::Itself => self.matching.remove(*identity, stream),
            Listed::Identifiers(keys) => {
                keys.iter().for_each(|key| self.matching.remove(*key, stream));
            }
            Listed::Whole(pattern, values) => {
                pattern.keys(&values).for_each(|key| self.matching.remove(key, stream));
                self.patterns.leave(&pattern);
            }
            Listed::Partly(pattern, members) => {
                let keys = member_keys(&pattern, &members);
                keys.for_each(|key| self.compared.remove(key, stream, *identity));
                self.patterns.leave(&pattern);
            }
        }
    }
}

impl<K: Clone + Ord> Default for SubjectIndex<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl Patterns {
    fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.subjects.keys().map(|pattern| &**pattern)
    }

    /// Takes up a subject with these members: the pattern that it is filed by.
    fn enter(&mut self, members: &[Member]) -> Arc<Pattern> {
        let mut pattern = Pattern::of(members, FiledBy::AnyNames);
        let is_new = !self.subjects.contains_key(&pattern);
        if is_new && pattern.has_own_names() && self.own >= MOST_OWN_PATTERNS {
            pattern = Pattern::of(members, FiledBy::StandardNames);
        }
        let known = self.subjects.get_key_value(&pattern).map(|(known, _)| Arc::clone(known));
        let pattern = known.unwrap_or_else(|| {
            self.own += usize::from(pattern.has_own_names());
            Arc::new(pattern)
        });
        *self.subjects.entry(Arc::clone(&pattern)).or_default() += 1;
        pattern
    }

    /// Takes back one [`enter`](Self::enter).
    fn leave(&mut self, pattern: &Pattern) {
        let Some(subjects) = self.subjects.get_mut(pattern) else { return };
        *subjects -= 1;
        if *subjects == 0 {
            self.subjects.remove(pattern);
            self.own -= usize::from(pattern.has_own_names());
        }
    }
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
        fn the_index_finds_what_the_rules_say(steps in prop::collection::vec(step(), 1..16)) {
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
                        for stream in 0..4 {
                            let holds = [Rule::Includes, Rule::Excludes]
                                .map(|rule| index.holds(rule, &stream, &event));
                            let expected = [&including, &excluding].map(|all| all.contains(&stream));
                            prop_assert_eq!(holds, expected);
                        }
                        prop_assert_eq!(index.including(&event), including);
                        prop_assert_eq!(index.excluding(&event), excluding);
                    }
                }
            }
            for (stream, subject) in &listed {
                let number = listed.iter().filter(|(of, _)| of == stream).count();
                prop_assert_eq!((index.number(stream), index.lists(stream, subject)), (number, true));
            }
            for (stream, subject) in &listed {
                index.remove(stream, subject);
            }
            prop_assert!(index.is_empty());
        }
    }

    impl<K: Clone + Ord> SubjectIndex<K> {
        fn is_empty(&self) -> bool {
            let nothing = self.patterns.subjects.is_empty() && self.patterns.own == 0;
            let nothing = nothing && self.numbers.is_empty();
            self.listed.is_empty()
                && self.matching.is_empty()
                && self.compared.is_empty()
                && nothing
        }
    }

    fn opaque(id: &str) -> SimpleSubject {
        SimpleSubject::opaque(id).unwrap()
    }

    #[test]
    fn a_stream_keeps_an_identifier_as_long_as_one_of_its_subjects_has_it() {
        let simple = Subject::from(opaque("1"));
        let aliases = Subject::aliases([opaque("1"), opaque("2")]).unwrap();
        let mut index = SubjectIndex::new();
        index.insert(&"s", &simple);
        index.insert(&"s", &aliases);

        index.remove(&"s", &simple);
        assert_eq!(index.including(&simple), ["s"]);
        index.remove(&"s", &aliases);
        assert_eq!(index.including(&simple), [""; 0]);
    }

    fn complex(named: &[(&str, &str)]) -> Subject {
        let member = |(name, id): &(&str, &str)| ((*name).to_owned(), opaque(id));
        Subject::complex(named.iter().map(member)).unwrap()
    }

    fn index(subjects: impl IntoIterator<Item = (u32, Subject)>) -> SubjectIndex<u32> {
        let mut index = SubjectIndex::new();
        subjects.into_iter().for_each(|(stream, subject)| index.insert(&stream, &subject));
        index
    }

    fn including(index: &SubjectIndex<u32>, event: &[(&str, &str)]) -> Vec<u32> {
        index.including(&complex(event))
    }

    fn excluding(index: &SubjectIndex<u32>, event: &[(&str, &str)]) -> Vec<u32> {
        index.excluding(&complex(event))
    }

    fn user_of_the_tenant(user: u32) -> Subject {
        complex(&[("tenant", "t"), ("user", &user.to_string())])
    }

    #[test]
    fn an_event_about_one_user_finds_it_among_all_users_of_the_tenant() {
        let index = index((0..1_000).map(|number| (number, user_of_the_tenant(number))));
        let more = [("tenant", "t"), ("user", "7"), ("session", "s"), ("x", "x")];
        for event in [&more[..2], &more] {
            assert_eq!(including(&index, event), [7]);
            assert_eq!(excluding(&index, event), [7]);
        }
        assert_eq!(including(&index, &[("tenant", "t")]).len(), 1_000);
        assert_eq!(including(&index, &[("user", "7"), ("group", "g")]), [7]);
        assert_eq!(excluding(&index, &[("user", "7")]), [0; 0]);
    }

    #[test]
    fn a_stream_with_many_users_of_a_tenant_is_found_once_by_events_about_the_tenant() {
        let index = index((0..1_000).map(|number| (1, user_of_the_tenant(number))));
        assert_eq!(including(&index, &[("tenant", "t")]), [1]);
    }

    /// What an event looks up does not grow with what is listed, and nothing it finds is compared.
    #[test]
    fn up_to_five_members_an_event_looks_up_one_key_for_each_pattern_and_compares_nothing() {
        let members = ["user", "tenant", "device", "application", "x"];
        for most in 1..=members.len() {
            let value = |nth: usize, name: &str| match name {
                "tenant" | "user" => "shared by all".to_owned(),
                _ => format!("{name} {nth}"),
            };
            let subject = |nth: usize| {
                let named = members[..most].iter().map(|name| (*name, opaque(&value(nth, name))));
                Subject::complex(named).unwrap()
            };
            let index = index((0..100).map(|nth| (nth, subject(nth as usize))));
            let Looked { wanted, .. } = index.look(Rule::Includes, &subject(7));
            assert_eq!((wanted.matching.len(), wanted.compared.len()), (1, 0));
            let found = index.including(&subject(7)).len();
            assert_eq!(found, if most < 3 { 100 } else { 1 });
        }
    }

    #[test]
    fn a_receiver_cannot_make_events_look_in_more_places_than_a_few_dozen() {
        let name = |number: u32| complex(&[("tenant", "t"), (&format!("name-{number}"), "1")]);
        let mut index = index((0..1_000).map(|number| (number, name(number))));
        assert_eq!(index.patterns.subjects.len(), MOST_OWN_PATTERNS + 1);
        assert_eq!(including(&index, &[("tenant", "t")]).len(), 1_000);
        for number in [1, 999] {
            let name = format!("name-{number}");
            let event = [("tenant", "t"), (&name, "1")];
            assert_eq!(excluding(&index, &event), [number]);
            assert_eq!(including(&index, &[(&name, "1")]), [number]);
            let others = including(&index, &[("tenant", "t"), (&name, "2")]);
            assert_eq!((others.len(), others.contains(&number)), (999, false));
        }
        // Subjects of the receivers' own names alone have no pattern left, and are found all the same.
        index.insert(&2_000, &complex(&[("own", "1"), ("other", "2")]));
        assert_eq!(including(&index, &[("own", "1")]), [2_000]);
        assert_eq!(including(&index, &[("own", "1"), ("other", "1")]), [0; 0]);
        assert_eq!(excluding(&index, &[("own", "1"), ("other", "2"), ("x", "3")]), [2_000]);
    }

    #[test]
    fn a_subject_with_many_members_is_found_by_any_of_them() {
        let names = ["application", "device", "group", "session", "tenant", "user", "x"];
        let subject: Vec<_> = names.iter().map(|name| (*name, *name)).collect();
        let index = index([(1, complex(&subject))]);
        assert_eq!(excluding(&index, &subject), [1]);
        for one in names {
            assert_eq!(including(&index, &[(one, one)]), [1]);
            assert_eq!(including(&index, &[(one, "other")]), [0; 0]);
            for two in names.into_iter().filter(|name| *name != one) {
                assert_eq!(including(&index, &[(one, one), (two, two)]), [1]);
                assert_eq!(including(&index, &[(one, one), (two, "o")]), [0; 0]);
                assert_eq!(including(&index, &[(one, one), (two, one)]), [0; 0]);
            }
            let fewer: Vec<_> = subject.iter().copied().filter(|(name, _)| *name != one).collect();
            assert_eq!(including(&index, &fewer), [1]);
            assert_eq!(excluding(&index, &fewer), [0; 0]);
        }
    }

    #[test]
    fn names_that_only_the_event_or_only_the_subject_has_mean_what_the_rules_say() {
        let index = index([(1, complex(&[("tenant", "t"), ("branch", "b")]))]);
        let tenant = [("tenant", "t"), ("x", "x")];
        assert_eq!(including(&index, &tenant), [1]);
        assert_eq!(excluding(&index, &tenant), [0; 0]);
        let both = [("tenant", "t"), ("branch", "b"), ("x", "x")];
        assert_eq!(excluding(&index, &both), [1]);
        let other = [("tenant", "t"), ("branch", "c")];
        assert_eq!(including(&index, &other), [0; 0]);
        assert_eq!(excluding(&index, &other), [0; 0]);
    }

    #[test]
    fn what_was_taken_back_leaves_nothing_behind() {
        let mut index = SubjectIndex::new();
        for number in 0..2_000_u32 {
            let (name, x) = (format!("name-{number}"), number.to_string());
            let long = [("tenant", "t"), ("x", &*x), (&name, "1"), ("user", "u"), ("a", "b")];
            let longest = [&long[..], &[("c", "d")]].concat();
            for members in [&longest, &long[..], &long[..2], &long[2..3]] {
                index.insert(&(number / 7), &complex(members));
            }
        }
        for stream in 0..2_000 / 7 + 1 {
            assert!(!index.is_empty());
            index.remove_stream(&stream);
        }
        assert!(index.is_empty());
    }
}
