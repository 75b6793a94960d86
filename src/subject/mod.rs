//! Subjects: what a security event is about (RFC 9493, SSF 1.0 §3).
//!
//! A [`Subject`] is a checked value: what can be built satisfies the rules of its format, so a
//! subject that goes out is always well formed. Formats the library does not know are kept as they
//! came.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::id::StreamId;

/// What an event is about: the subject principal.
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

/// One identifier in one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimpleSubject(Map<String, Value>);

/// Several simple identifiers of one entity: at least one, none of them `aliases` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aliases(Vec<SimpleSubject>);

/// Named simple subjects that together describe one subject principal: at least one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplexSubject(BTreeMap<String, SimpleSubject>);

/// Why a JSON value is not a subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{member}` {problem}")]
#[non_exhaustive]
pub struct SubjectError {
    /// The path of the member at fault inside the subject, such as `user.email`; empty when the
    /// subject as a whole is at fault.
    pub member: String,
    /// What is wrong there.
    pub problem: SubjectProblem,
}

/// What is wrong with a member of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectProblem {
    /// Not a JSON object.
    #[error("must be a JSON object")]
    NotObject,
}

impl Subject {
    /// Reads a subject from its wire form.
    ///
    /// # Errors
    /// [`SubjectError`] naming the member that breaks the rules of its format.
    pub fn parse(value: &Value) -> Result<Self, SubjectError> {
        match value {
            Value::Object(map) => Ok(Self::Simple(SimpleSubject(map.clone()))),
            _ => Err(SubjectError { member: String::new(), problem: SubjectProblem::NotObject }),
        }
    }

    /// The subject of SETs about a stream itself: `{"format":"opaque","id":<stream_id>}`
    /// (SSF 1.0 §8.1.4.1).
    #[must_use]
    pub fn of_stream(stream: &StreamId) -> Self {
        let mut map = Map::new();
        map.insert("format".to_owned(), "opaque".into());
        map.insert("id".to_owned(), stream.as_str().into());
        Self::Simple(SimpleSubject(map))
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Simple(simple) => simple.0.serialize(serializer),
            _ => serializer.serialize_none(),
        }
    }
}
