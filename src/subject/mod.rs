//! Subjects: what a security event is about (RFC 9493, SSF 1.0 §3).
//!
//! A [`Subject`] is a checked value: what can be built satisfies the rules of its format, so a
//! subject that goes out is always well formed. Formats the library does not know are kept as they
//! came.

mod error;
mod format;
mod read;
#[cfg(test)]
pub(crate) mod samples;
mod simple;
mod write;

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::id::StreamId;

pub(crate) use format::is_format;
pub(crate) use simple::check_numbers;

pub use error::{SubjectError, SubjectProblem};
pub use format::{
    AcctUri, DidUrl, EmailAddress, FormatName, NonEmptyText, PhoneNumber, RelativePath,
    StringOrUri, Uri,
};
pub use simple::{IpAddresses, OtherSubject, ScimSubject, SimpleSubject};

/// What an event is about: the subject principal.
///
/// Two subjects are equal when they are identical in the sense of SSF 1.0 §8.1.3.1; see
/// [`canonical`](Self::canonical).
///
/// ```
/// use ssf_transmitter::subject::{SimpleSubject, Subject};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let subject = Subject::complex([
///     ("tenant", SimpleSubject::opaque("t-1")?),
///     ("user", SimpleSubject::email("user@example.com")?),
/// ])?;
/// let wire = serde_json::to_value(&subject)?;
/// assert_eq!(wire["user"]["email"], "user@example.com");
/// assert_eq!(Subject::parse(&wire)?, subject);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// One identifier (RFC 9493 §3, SSF 1.0 §3.2).
    Simple(SimpleSubject),
    /// Several identifiers of one entity (RFC 9493 §3.2.8).
    Aliases(Aliases),
    /// Several entities that together name the subject principal (SSF 1.0 §3.3).
    Complex(ComplexSubject),
}

/// Several simple identifiers of one entity, at least one. Their order counts, also for equality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aliases(Vec<SimpleSubject>);

/// Named simple subjects that together describe one subject principal, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplexSubject(BTreeMap<String, SimpleSubject>);

impl Subject {
    /// Reads a subject from its wire form.
    ///
    /// # Errors
    /// [`SubjectError`] naming the member that breaks the rules of its format.
    pub fn parse(value: &Value) -> Result<Self, SubjectError> {
        read::subject(value)
    }

    /// Several identifiers of one entity (RFC 9493 §3.2.8). Send only what the receiver already
    /// knows to belong together (RFC 9493 §6.1).
    ///
    /// # Errors
    /// When there is none, or one comes twice (RFC 9493 §3.2.8).
    pub fn aliases(
        identifiers: impl IntoIterator<Item = SimpleSubject>,
    ) -> Result<Self, SubjectError> {
        let identifiers: Vec<_> = identifiers.into_iter().collect();
        if identifiers.is_empty() {
            return Err(SubjectError::new("identifiers", SubjectProblem::Empty));
        }
        let mut seen = HashSet::new();
        let again = identifiers.iter().position(|one| !seen.insert(one.canonical()));
        if let Some(position) = again {
            let member = format!("identifiers[{position}]");
            return Err(SubjectError::new(member, SubjectProblem::Duplicate));
        }
        Ok(Self::Aliases(Aliases(identifiers)))
    }

    /// Several entities that together name the subject principal (SSF 1.0 §3.3), each under a
    /// name: `user`, `device`, `session`, `application`, `tenant`, `org_unit`, `group` or another.
    ///
    /// # Errors
    /// When there is none, or a name is empty, `format`, or there twice.
    pub fn complex<N: Into<String>>(
        members: impl IntoIterator<Item = (N, SimpleSubject)>,
    ) -> Result<Self, SubjectError> {
        let mut named = BTreeMap::new();
        for (name, subject) in members {
            let name = name.into();
            if name.is_empty() {
                return Err(SubjectError::new("", SubjectProblem::NoName));
            }
            if name == "format" || named.contains_key(&name) {
                return Err(SubjectError::new(name, SubjectProblem::Duplicate));
            }
            named.insert(name, subject);
        }
        if named.is_empty() {
            return Err(SubjectError::new("", SubjectProblem::Empty));
        }
        Ok(Self::Complex(ComplexSubject(named)))
    }

    /// The subject of SETs about a stream itself: `{"format":"opaque","id":<stream_id>}`
    /// (SSF 1.0 §8.1.4.1).
    #[must_use]
    pub fn of_stream(stream: &StreamId) -> Self {
        Self::Simple(SimpleSubject::Opaque { id: stream.into() })
    }

    /// The stream that this is the subject of, if it is that of one.
    #[must_use]
    pub fn as_stream(&self) -> Option<StreamId> {
        match self {
            Self::Simple(SimpleSubject::Opaque { id }) => StreamId::parse(id.as_str()).ok(),
            _ => None,
        }
    }

    /// The name of the format, as on the wire.
    #[must_use]
    pub fn format(&self) -> &str {
        match self {
            Self::Simple(simple) => simple.format(),
            Self::Aliases(_) => "aliases",
            Self::Complex(_) => "complex",
        }
    }

    /// Whether this or a subject inside it has the format `phone`. RISC 1.0 calls `phone_number`
    /// (RFC 9493 §3.2.5) so, but nobody registered that name: no event may be about it.
    pub(crate) fn names_a_phone(&self) -> bool {
        let is_phone = |simple: &SimpleSubject| simple.format() == "phone";
        match self {
            Self::Simple(simple) => is_phone(simple),
            Self::Aliases(aliases) => aliases.0.iter().any(is_phone),
            Self::Complex(complex) => complex.0.values().any(is_phone),
        }
    }
}

impl Aliases {
    /// The identifiers, in the order they came.
    #[must_use]
    pub fn identifiers(&self) -> &[SimpleSubject] {
        &self.0
    }
}

impl ComplexSubject {
    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&SimpleSubject> {
        self.0.get(name)
    }

    /// All members, sorted by name.
    pub fn members(&self) -> impl Iterator<Item = (&str, &SimpleSubject)> {
        self.0.iter().map(|(name, subject)| (name.as_str(), subject))
    }
}

impl From<SimpleSubject> for Subject {
    fn from(simple: SimpleSubject) -> Self {
        Self::Simple(simple)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::samples;
    use super::*;

    fn opaque(id: &str) -> SimpleSubject {
        SimpleSubject::opaque(id).unwrap()
    }

    #[test]
    fn the_subject_of_a_stream_is_its_identifier_ssf_1_0_8_1_4_1() {
        let subject = Subject::of_stream(&StreamId::parse("s-1").unwrap());
        assert_eq!(
            serde_json::to_value(&subject).unwrap(),
            json!({"format": "opaque", "id": "s-1"})
        );
        assert_eq!(subject, opaque("s-1").into());
    }

    #[test]
    fn a_complex_subject_has_each_member_once_and_none_called_format_ssf_1_0_3_3() {
        let error = |members: Vec<(&str, SimpleSubject)>| Subject::complex(members).unwrap_err();
        assert_eq!(error(vec![]), SubjectError::new("", SubjectProblem::Empty));
        assert_eq!(error(vec![("", opaque("1"))]), SubjectError::new("", SubjectProblem::NoName));
        assert_eq!(
            error(vec![("user", opaque("1")), ("user", opaque("2"))]),
            SubjectError::new("user", SubjectProblem::Duplicate)
        );
        assert_eq!(
            error(vec![("format", opaque("1"))]),
            SubjectError::new("format", SubjectProblem::Duplicate)
        );
    }

    #[test]
    fn aliases_in_another_order_are_not_identical() {
        let ab = Subject::aliases([opaque("a"), opaque("b")]).unwrap();
        let ba = Subject::aliases([opaque("b"), opaque("a")]).unwrap();
        assert_ne!(ab, ba);
        assert_ne!(ab.canonical(), ba.canonical());
        let none = Subject::aliases([]);
        assert_eq!(none, Err(SubjectError::new("identifiers", SubjectProblem::Empty)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn a_subject_is_read_back_from_what_was_written(subject in samples::subject()) {
            let wire = serde_json::to_string(&subject).unwrap();
            let read = Subject::parse(&serde_json::from_str(&wire).unwrap()).unwrap();
            prop_assert_eq!(&read, &subject);
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), wire);
        }

        #[test]
        fn canonical_texts_are_equal_exactly_when_subjects_are(
            one in samples::subject(),
            two in samples::subject(),
        ) {
            prop_assert_eq!(one.canonical() == two.canonical(), one == two);
            // The canonical form is a wire form of the same subject: it leaves nothing out.
            let read = Subject::parse(&serde_json::from_str(&one.canonical()).unwrap()).unwrap();
            prop_assert_eq!(read, one);
        }

        #[test]
        fn no_json_makes_reading_panic(value in samples::json()) {
            if let Ok(subject) = Subject::parse(&value) {
                prop_assert_eq!(Subject::parse(&serde_json::to_value(&subject).unwrap()), Ok(subject));
            }
        }

        #[test]
        fn no_text_makes_a_format_panic(format in samples::format_name(), text: String) {
            let member = |name: &str| json!({"format": format, name: text});
            for name in ["uri", "email", "id", "phone_number", "url"] {
                if let Ok(subject) = Subject::parse(&member(name)) {
                    prop_assert_eq!(serde_json::to_value(&subject).unwrap(), member(name));
                }
            }
        }
    }
}
