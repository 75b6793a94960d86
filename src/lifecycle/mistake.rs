//! What is wrong with a document of conditions, and where: every mistake, not the first only.

use std::fmt;

use serde_json::{Map, Value};

use super::{AttributePath, PathError};
use crate::event::EventProblem;
use crate::id::IdError;
use crate::subject::SubjectProblem;

/// All mistakes of a document, at least one. `Display` has one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

/// One mistake in a document of conditions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Mistake {
    /// Where it is: a JSON pointer (RFC 6901) into the document, such as `/conditions/2/when`.
    pub pointer: String,
    /// What is wrong there.
    pub problem: DocumentProblem,
}

/// What is wrong at one place of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentProblem {
    /// Not a name or a JSON pointer.
    #[error("{0}")]
    Attribute(PathError),
    /// The event would break the definition of its type.
    #[error("breaks the definition of the event: {0}")]
    Event(EventProblem),
    /// A control event, which the transmitter alone sends.
    #[error("is an event that only the transmitter sends")]
    ControlEvent,
    /// An attribute that is kept as a digest, where its value would be needed.
    #[error("needs the value of an attribute that is kept as a digest")]
    Digested,
    /// The same name or attribute a second time.
    #[error("is there twice")]
    Duplicate,
    /// A text, list or object with nothing in it.
    #[error("must not be empty")]
    Empty,
    /// Not an identifier of its kind.
    #[error("{0}")]
    Id(IdError),
    /// A member that must be there is not.
    #[error("must have the member `{0}`")]
    Missing(&'static str),
    /// A part that the event's type or the subject's format requires is not there.
    #[error("must have `{0}`, which its type or format requires")]
    MissingPart(String),
    /// A word that is none of those that may stand here.
    #[error("must be one of {}", .0.join(", "))]
    NotOneOf(&'static [&'static str]),
    /// More or fewer operators than one.
    #[error("must hold exactly one of {}", .0.join(", "))]
    OneOf(&'static [&'static str]),
    /// `$optional` where nothing can be left out.
    #[error("may be optional only as a member of the event object")]
    Optional,
    /// `reason` beside the member it is sent as.
    #[error("is sent as the member `reason_admin`, which is given as well")]
    ReasonTwice,
    /// The subject could not be one.
    #[error("is no part of a subject: {0}")]
    Subject(SubjectProblem),
    /// Tests nested deeper than anybody can follow.
    #[error("is nested deeper than {0} levels")]
    TooDeep(usize),
    /// More than the library takes.
    #[error("has more than {0} items")]
    TooMany(usize),
    /// A value of the wrong JSON type.
    #[error("must be {0}")]
    Type(&'static str),
    /// An event type without a definition that the document does not declare as its own.
    #[error("is no event type of CAEP, RISC or SCIM, nor one of `event_types`")]
    UnknownEventType,
    /// A member that has no meaning here.
    #[error("is not known here; there may be {}", .0.join(", "))]
    UnknownMember(&'static [&'static str]),
    /// A test with an operator that does not exist.
    #[error("is no operator; there are {}", .0.join(", "))]
    UnknownOperator(&'static [&'static str]),
    /// A version of the document format that this library cannot read.
    #[error("must be 1, the version of the format")]
    Version,
}

impl Mistakes {
    /// The mistakes, in the order they were found.
    #[must_use]
    pub fn list(&self) -> &[Mistake] {
        &self.0
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "the document" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.problem)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// A place in the document, as a JSON pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Place(String);

impl Place {
    /// The member of that name.
    pub(super) fn member(&self, name: &str) -> Self {
        Self(format!("{}/{}", self.0, name.replace('~', "~0").replace('/', "~1")))
    }

    /// The item at that position.
    pub(super) fn item(&self, position: usize) -> Self {
        Self(format!("{}/{position}", self.0))
    }
}

/// Reads a document and collects its mistakes. What it cannot read it returns as `None`, after
/// noting why.
#[derive(Debug, Default)]
pub(super) struct Reader(Vec<Mistake>);

impl Reader {
    pub(super) fn note(&mut self, at: &Place, problem: DocumentProblem) {
        self.0.push(Mistake { pointer: at.0.clone(), problem });
    }

    /// How many mistakes there are by now.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What was read, unless there was a mistake.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Mistakes> {
        match read {
            Some(read) if self.0.is_empty() => Ok(read),
            _ => Err(Mistakes(self.0)),
        }
    }

    /// An object with no other members than these.
    pub(super) fn object<'v>(
        &mut self,
        value: &'v Value,
        at: &Place,
        members: &'static [&'static str],
    ) -> Option<&'v Map<String, Value>> {
        let map = self.any_object(value, at)?;
        for name in map.keys().filter(|name| !members.contains(&name.as_str())) {
            self.note(&at.member(name), DocumentProblem::UnknownMember(members));
        }
        Some(map)
    }

    pub(super) fn any_object<'v>(
        &mut self,
        value: &'v Value,
        at: &Place,
    ) -> Option<&'v Map<String, Value>> {
        let map = value.as_object();
        if map.is_none() {
            self.note(at, DocumentProblem::Type("an object"));
        }
        map
    }

    pub(super) fn array<'v>(&mut self, value: &'v Value, at: &Place) -> Option<&'v [Value]> {
        let items = value.as_array().map(Vec::as_slice);
        if items.is_none() {
            self.note(at, DocumentProblem::Type("an array"));
        }
        items
    }

    pub(super) fn required<'v>(
        &mut self,
        map: &'v Map<String, Value>,
        at: &Place,
        name: &'static str,
    ) -> Option<&'v Value> {
        let value = map.get(name);
        if value.is_none() {
            self.note(at, DocumentProblem::Missing(name));
        }
        value
    }

    pub(super) fn text<'v>(&mut self, value: &'v Value, at: &Place) -> Option<&'v str> {
        let text = value.as_str();
        if text.is_none() {
            self.note(at, DocumentProblem::Type("a string"));
        }
        text
    }

    /// A text that is an identifier.
    pub(super) fn id<T>(
        &mut self,
        value: &Value,
        at: &Place,
        parse: impl FnOnce(&str) -> Result<T, IdError>,
    ) -> Option<T> {
        let id = parse(self.text(value, at)?);
        id.map_err(|error| self.note(at, DocumentProblem::Id(error))).ok()
    }

    /// The name of an attribute, or a pointer to it.
    pub(super) fn attribute(&mut self, value: &Value, at: &Place) -> Option<AttributePath> {
        let path = AttributePath::parse(self.text(value, at)?);
        path.map_err(|error| self.note(at, DocumentProblem::Attribute(error))).ok()
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(
        &mut self,
        value: &Value,
        at: &Place,
        words: &'static [&'static str],
        meanings: &[T],
    ) -> Option<T> {
        let text = self.text(value, at)?;
        let position = words.iter().position(|word| *word == text);
        if position.is_none() {
            self.note(at, DocumentProblem::NotOneOf(words));
        }
        position.and_then(|position| meanings.get(position)).copied()
    }
}
