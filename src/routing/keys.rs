//! The keys that subjects are found by, for a store that finds the streams of an event by key.
//!
//! A store keeps the keys of each subject that a stream lists ([`listed`]), and the patterns of
//! these subjects. For an event it looks up a few keys ([`wanted`]), one or none for each pattern:
//! what is under a key of [`Wanted::matching`] matches; what is under one of [`Wanted::compared`]
//! has yet to be compared with the event ([`Rule::holds`]).
//!
//! # What is found
//! An event shares the same names with all subjects of a pattern, and fulfils the rule for those
//! whose values under the shared names are its own. So a subject has a key for every set of its
//! names, made of the pattern, the set and the values. An event about one user costs one look-up,
//! however many subjects have the tenant in common with it.
//!
//! That holds for subjects with up to five members, which have up to 31 keys. One with more is filed
//! by four of them: those first that tell most subjects apart (`session`, `device`, `user`,
//! `application`, `group`, `org_unit`, `tenant`, then names of the receivers' own). It has a key for
//! each set of these and one for each member beside, and is compared.
//!
//! Receivers choose names freely, and an event looks at every pattern. So a store takes up to
//! [`MOST_OWN_PATTERNS`] patterns with names of their own; it files further subjects by the names of
//! SSF 1.0 alone ([`FiledBy::StandardNames`]), and they are compared.
//!
//! # What is hashed
//! A key is the first half of a SHA-256: of the [canonical text](SimpleSubject::canonical) of an
//! identifier; for complex subjects of the digest of the pattern's text, a byte with a bit for each
//! name of the set, and the digests of the values' canonical texts in the order of the names; for a
//! member beside the pattern of the pattern's digest, a zero byte, the digest of the name and that
//! of the value. Digests are cut to half in the same way. It is the same in every process, and
//! stores keep it: it will not change.

use openssl::sha::Sha256;

use super::matches::{excludes, identifiers, includes};
use super::pattern::{Covers, Member, members, value};
pub use super::pattern::{FiledBy, Pattern};
use crate::subject::{SimpleSubject, Subject};

/// How many patterns with names beside those of SSF 1.0 §3.3 a store files subjects by.
pub const MOST_OWN_PATTERNS: usize = 64;

/// What a subject is found by: 16 bytes.
///
/// Nobody finds a second subject that meets the key of a given one, and no two meet by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 16]);

/// The two questions that are asked about listed subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// [`includes`]: asked of what was added.
    Includes,
    /// [`excludes`]: asked of what was removed.
    Excludes,
}

/// What a listed subject is kept under.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filing {
    /// The pattern, which has to be known as long as the subject is listed; `None` for a subject that
    /// is not complex.
    pub pattern: Option<Pattern>,
    /// The keys, each once.
    pub keys: Vec<Key>,
}

/// What to look up for an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wanted {
    /// Subjects under one of these match.
    pub matching: Vec<Key>,
    /// Subjects under one of these match when the rule holds.
    pub compared: Vec<Key>,
}

impl Key {
    /// The ends of the range of all keys.
    pub(crate) const FIRST: Self = Self([0; 16]);
    pub(crate) const LAST: Self = Self([u8::MAX; 16]);

    /// The digest of a subject's identity.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        Self::of_text(&subject.canonical())
    }

    /// The bytes, for a column.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn of_text(text: &str) -> Self {
        Self::hash([text.as_bytes()])
    }

    pub(super) fn hash<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut hash = Sha256::new();
        parts.into_iter().for_each(|part| hash.update(part));
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finish()[..16]);
        Self(half)
    }
}

impl Rule {
    /// Whether a listed subject fulfils the rule for an event's.
    #[must_use]
    pub fn holds(self, listed: &Subject, event: &Subject) -> bool {
        match self {
            Self::Includes => includes(listed, event),
            Self::Excludes => excludes(listed, event),
        }
    }

    /// The same for the members of complex subjects.
    pub(super) fn holds_for(self, listed: &[Member], event: &[Member]) -> bool {
        let mut same =
            listed.iter().map(|member| Some(*value(event, &member.name)? == member.value));
        match self {
            Self::Excludes => same.all(|same| same == Some(true)),
            Self::Includes => {
                let mut shared = same.flatten().peekable();
                shared.peek().is_some() && shared.all(|same| same)
            }
        }
    }
}

/// What a listed subject is kept under.
///
/// When that gives a pattern with names of the receivers' own which is not known yet, and
/// [`MOST_OWN_PATTERNS`] of them are, ask again for [`FiledBy::StandardNames`].
#[must_use]
pub fn listed(subject: &Subject, filed_by: FiledBy) -> Filing {
    let Subject::Complex(complex) = subject else {
        return Filing { pattern: None, keys: identifier_keys(subject) };
    };
    let members = members(complex);
    let pattern = Pattern::of(&members, filed_by);
    let keys = member_keys(&pattern, &members).collect();
    Filing { pattern: Some(pattern), keys }
}

/// What to look up for an event, beside which subjects of these patterns are listed.
///
/// Patterns of which nothing is listed any more may be among them: their keys find nothing.
#[must_use]
pub fn wanted<'p>(
    rule: Rule,
    event: &Subject,
    patterns: impl IntoIterator<Item = &'p Pattern>,
) -> Wanted {
    match event {
        // It is the subject of no event.
        _ if event.names_a_phone() => Wanted::default(),
        Subject::Complex(complex) => wanted_of(rule, &members(complex), patterns),
        _ => Wanted { matching: identifier_keys(event), compared: Vec::new() },
    }
}

/// What to look up for an event about a complex subject with these members.
pub(super) fn wanted_of<'p>(
    rule: Rule,
    event: &[Member],
    patterns: impl IntoIterator<Item = &'p Pattern>,
) -> Wanted {
    let mut wanted = Wanted::default();
    for pattern in patterns {
        let values: Vec<_> = pattern.names().iter().map(|name| value(event, name)).collect();
        if rule == Rule::Excludes && values.iter().any(Option::is_none) {
            continue;
        }
        let bits = (0..).zip(&values).filter(|(_, value)| value.is_some());
        let set = bits.fold(0, |set, (bit, _)| set | 1_u8 << bit);
        match (pattern.covers(), set) {
            (Covers::All, 0) => {}
            (Covers::All, set) => {
                wanted.matching.push(pattern.key(set, values.into_iter().flatten()));
            }
            (Covers::Part, 0) => {
                wanted.compared.extend(event.iter().map(|member| pattern.key_beside(member)));
            }
            (Covers::Part, set) => {
                wanted.compared.push(pattern.key(set, values.into_iter().flatten()));
            }
        }
    }
    wanted
}

/// The keys of a subject that is not complex: one for each identifier.
pub(super) fn identifier_keys(subject: &Subject) -> Vec<Key> {
    let key = |identifier: &SimpleSubject| Key::of_text(&identifier.canonical());
    let mut keys: Vec<Key> = identifiers(subject).iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The keys of a complex subject that is filed by that pattern.
pub(super) fn member_keys(pattern: &Pattern, members: &[Member]) -> impl Iterator<Item = Key> {
    let (filed, beside) = members.split_at(pattern.names().len().min(members.len()));
    let values: Vec<Key> = filed.iter().map(|member| member.value).collect();
    let keys: Vec<Key> = pattern.keys(&values).collect();
    keys.into_iter().chain(beside.iter().map(|member| pattern.key_beside(member)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(key: &Key) -> String {
        key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn opaque(id: &str) -> SimpleSubject {
        SimpleSubject::opaque(id).unwrap()
    }

    fn complex(names: &[&str]) -> Subject {
        Subject::complex(names.iter().map(|name| (*name, opaque(name)))).unwrap()
    }

    /// Stores hold these.
    #[test]
    fn keys_never_change() {
        let simple = listed(&opaque("u").into(), FiledBy::AnyNames);
        assert_eq!(simple.pattern, None);
        assert_eq!(
            simple.keys.iter().map(hex).collect::<Vec<_>>(),
            ["865e18fbd098d0d45cf2c4b9dda22203"]
        );

        let whole = listed(&complex(&["tenant", "user"]), FiledBy::AnyNames);
        assert_eq!(
            whole.pattern.map(|pattern| pattern.to_string()).unwrap(),
            r#"["user","tenant"]"#
        );
        assert_eq!(
            whole.keys.iter().map(hex).collect::<Vec<_>>(),
            [
                "308670fadb4c6816db640c52301ea536",
                "12197b84c77ee984debab0fcfbabc4af",
                "133e100f2db02509deb0997bc6ba2c31"
            ]
        );

        let partly = listed(&complex(&["tenant", "x"]), FiledBy::StandardNames);
        assert_eq!(
            partly.pattern.map(|pattern| pattern.to_string()).unwrap(),
            r#"["tenant",null]"#
        );
        assert_eq!(
            partly.keys.iter().map(hex).collect::<Vec<_>>(),
            ["7ef4d3aa711b39896cded1025dd63607", "af224712b6147e2d52f14cdf023e7f99"]
        );
    }

    #[test]
    fn a_subject_has_as_many_keys_as_the_names_it_is_filed_by_have_sets_and_one_for_each_beside() {
        let names = ["user", "tenant", "device", "group", "x", "y", "z", "1", "2", "3"];
        let keys = |k: usize| listed(&complex(&names[..k]), FiledBy::AnyNames).keys.len();
        assert_eq!([1, 2, 3, 4, 5, 6, 10].map(keys), [1, 3, 7, 15, 31, 17, 21]);
        let aliases = Subject::aliases([opaque("1"), opaque("2")]).unwrap();
        assert_eq!(listed(&aliases, FiledBy::AnyNames).keys.len(), 2);
    }

    #[test]
    fn an_event_asks_for_a_key_of_each_pattern_that_it_shares_a_name_with() {
        let pattern = |names: &[&str]| listed(&complex(names), FiledBy::AnyNames).pattern.unwrap();
        let [both, user, device] = [&["user", "tenant"][..], &["user"], &["device"]].map(pattern);
        let long = pattern(&["a", "b", "c", "d", "e", "f"]);
        let patterns = [&both, &user, &device, &long];
        let event = complex(&["user", "session", "group"]);
        let asked = |rule| {
            let Wanted { matching, compared } = wanted(rule, &event, patterns);
            (matching.len(), compared.len())
        };
        assert_eq!(asked(Rule::Includes), (2, 3));
        assert_eq!(asked(Rule::Excludes), (1, 0));
    }
}
