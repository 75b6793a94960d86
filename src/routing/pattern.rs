//! The names that complex subjects are filed by.

use std::fmt;

use serde_json::Value;

use super::keys::Key;
use crate::subject::{ComplexSubject, SimpleSubject};

/// The member names that SSF 1.0 §3.3 defines, those first that tell most subjects apart. The keys
/// that stores hold depend on this order.
const STANDARD_NAMES: [&str; 7] =
    ["session", "device", "user", "application", "group", "org_unit", "tenant"];

/// A subject with no more members than this is filed by all. That makes 31 keys.
const MOST_FILED_WHOLE: usize = 5;

/// How many members a subject with more is filed by. That makes 15 keys.
const MOST_FILED_PARTLY: usize = 4;

/// One member of a subject: its name and the digest of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) value: Key,
}

/// The name of a member. Those of SSF 1.0 come first, in the order above.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Standard(u8),
    Own(Box<str>),
}

/// The names that complex subjects are filed by, and whether they have others beside.
///
/// As text it is a JSON array, with `null` for the others: `["user","tenant"]`, `["tenant",null]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// Ascending.
    names: Box<[Name]>,
    covers: Covers,
    /// That of the text.
    digest: Key,
}

/// How much of a subject the names of its pattern are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Covers {
    All,
    Part,
}

/// Which names a subject may be filed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FiledBy {
    /// Any that it has.
    AnyNames,
    /// Those that SSF 1.0 §3.3 defines.
    StandardNames,
}

impl Pattern {
    /// The pattern that a subject with these members is filed by.
    pub(super) fn of(members: &[Member], filed_by: FiledBy) -> Self {
        let most =
            if members.len() <= MOST_FILED_WHOLE { members.len() } else { MOST_FILED_PARTLY };
        let may_be = |name: &Name| match filed_by {
            FiledBy::AnyNames => true,
            FiledBy::StandardNames => matches!(name, Name::Standard(_)),
        };
        let names = members.iter().map(|member| &member.name).filter(|name| may_be(name));
        let names: Box<[Name]> = names.take(most).cloned().collect();
        let covers = if names.len() == members.len() { Covers::All } else { Covers::Part };
        Self::new(names, covers)
    }

    fn new(names: Box<[Name]>, covers: Covers) -> Self {
        let digest = Key::of_text(&text(&names, covers));
        Self { names, covers, digest }
    }

    /// Reads the text of a pattern; `None` when it is that of none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut listed: Vec<Option<String>> = serde_json::from_str(text).ok()?;
        let covers = match listed.last()? {
            Some(_) => Covers::All,
            None => Covers::Part,
        };
        listed.truncate(listed.len() - usize::from(covers == Covers::Part));
        let names: Option<Vec<Name>> =
            listed.iter().map(|name| Some(Name::of(name.as_deref()?))).collect();
        let names = names.filter(|names| {
            names.len() <= MOST_FILED_WHOLE && names.is_sorted_by(|one, next| one < next)
        })?;
        Some(Self::new(names.into(), covers))
    }

    /// Whether it has names beside those that SSF 1.0 §3.3 defines.
    #[must_use]
    pub fn has_own_names(&self) -> bool {
        self.names.iter().any(|name| matches!(name, Name::Own(_)))
    }

    pub(super) const fn names(&self) -> &[Name] {
        &self.names
    }

    pub(super) const fn covers(&self) -> Covers {
        self.covers
    }

    /// The keys of a subject with these values under the names: one for each set of them.
    pub(super) fn keys<'v>(&self, values: &'v [Key]) -> impl Iterator<Item = Key> + use<'_, 'v> {
        (1..1_u8 << values.len()).map(move |set| {
            let values = values.iter().enumerate();
            let values = values.filter(|(position, _)| set >> position & 1 == 1);
            self.key(set, values.map(|(_, value)| value))
        })
    }

    /// The key of the subjects with these values under a set of the names: bit `n` of it stands for
    /// the name at position `n`.
    pub(super) fn key<'v>(&self, set: u8, values: impl Iterator<Item = &'v Key>) -> Key {
        let values = values.map(|value| &value.as_bytes()[..]);
        Key::hash([self.digest.as_bytes(), &[set][..]].into_iter().chain(values))
    }

    /// The key of the subjects with that member beside those they are filed by.
    pub(super) fn key_beside(&self, member: &Member) -> Key {
        let name = Key::of_text(member.name.as_str());
        Key::hash([&self.digest.as_bytes()[..], &[0], name.as_bytes(), member.value.as_bytes()])
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(&self.names, self.covers))
    }
}

fn text(names: &[Name], covers: Covers) -> String {
    let names = names.iter().map(|name| Value::from(name.as_str()));
    let others = match covers {
        Covers::All => None,
        Covers::Part => Some(Value::Null),
    };
    Value::Array(names.chain(others).collect()).to_string()
}

impl Name {
    fn of(name: &str) -> Self {
        let standard = (0..).zip(STANDARD_NAMES).find(|(_, standard)| *standard == name);
        standard.map_or_else(|| Self::Own(name.into()), |(rank, _)| Self::Standard(rank))
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Standard(rank) => STANDARD_NAMES.get(usize::from(*rank)).copied().unwrap_or(""),
            Self::Own(name) => name,
        }
    }
}

/// The members of a subject, sorted by name.
pub(super) fn members(subject: &ComplexSubject) -> Vec<Member> {
    let member = |(name, value): (&str, &SimpleSubject)| Member {
        name: Name::of(name),
        value: Key::of_text(&value.canonical()),
    };
    let mut members: Vec<Member> = subject.members().map(member).collect();
    members.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    members
}

/// The value of the member with that name.
pub(super) fn value<'m>(members: &'m [Member], name: &Name) -> Option<&'m Key> {
    let position = members.binary_search_by(|member| member.name.cmp(name)).ok()?;
    Some(&members.get(position)?.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::Subject;

    fn pattern(names: &[&str], filed_by: FiledBy) -> String {
        let member = |name: &&str| ((*name).to_owned(), SimpleSubject::opaque("1").unwrap());
        let Ok(Subject::Complex(subject)) = Subject::complex(names.iter().map(member)) else {
            panic!("not a complex subject")
        };
        Pattern::of(&members(&subject), filed_by).to_string()
    }

    #[test]
    fn the_names_stand_in_an_order_that_never_changes() {
        let any = |names: &[&str]| pattern(names, FiledBy::AnyNames);
        assert_eq!(any(&["tenant", "user"]), r#"["user","tenant"]"#);
        assert_eq!(any(&["x", "b\"", "tenant"]), r#"["tenant","b\"","x"]"#);
        let five = ["group", "org_unit", "tenant", "user", "x"];
        assert_eq!(any(&five), r#"["user","group","org_unit","tenant","x"]"#);
        let all = ["application", "device", "group", "org_unit", "session", "tenant", "user"];
        assert_eq!(any(&all), r#"["session","device","user","application",null]"#);
    }

    #[test]
    fn without_names_of_its_own_a_subject_is_filed_by_the_others() {
        let standard = |names: &[&str]| pattern(names, FiledBy::StandardNames);
        assert_eq!(standard(&["tenant", "user"]), r#"["user","tenant"]"#);
        assert_eq!(standard(&["x", "tenant"]), r#"["tenant",null]"#);
        assert_eq!(standard(&["x", "y"]), "[null]");
    }

    #[test]
    fn the_text_of_a_pattern_is_read_back() {
        for text in [r#"["user","tenant"]"#, r#"["tenant",null]"#, "[null]", r#"["a\"","ü"]"#] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.to_string(), text);
            assert_eq!(pattern.has_own_names(), text.contains('a') && !text.contains("tenant"));
        }
        let long = r#"["session","device","user","application","group","tenant"]"#;
        for text in ["", "[]", r#"["tenant","user"]"#, r#"["x","x"]"#, r#"[null,"x"]"#, long] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }
}
