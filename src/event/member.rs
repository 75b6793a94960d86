//! Members of event objects: reading them from JSON and writing them back.

use serde_json::{Map, Value};

use super::{EventError, EventProblem};
use crate::stream::StreamStatus;
use crate::subject::{NonEmptyText, Subject};

/// A value that stands in an event object.
pub(super) trait Member: Sized {
    /// Reads the value; the path in the error begins inside it.
    fn read(value: &Value) -> Result<Self, EventError>;

    /// The value on the wire.
    fn write(&self) -> Value;
}

/// A word outside an open list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherWord(Box<str>);

impl OtherWord {
    /// Keeps a word that is not empty and not in the list.
    pub(super) fn new(word: &str) -> Self {
        Self(word.into())
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The member of that name, which must be there.
pub(super) fn required<M: Member>(
    members: &Map<String, Value>,
    name: &str,
) -> Result<M, EventError> {
    optional(members, name)?.ok_or_else(|| EventError::new(name, EventProblem::Missing))
}

/// The member of that name, if it is there.
pub(super) fn optional<M: Member>(
    members: &Map<String, Value>,
    name: &str,
) -> Result<Option<M>, EventError> {
    members.get(name).map(M::read).transpose().map_err(|error| error.inside(name))
}

/// Writes a member where it has a value: an absent one is absent, never `null`.
pub(super) fn insert<M: Member>(members: &mut Map<String, Value>, name: &str, value: Option<&M>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value.write());
    }
}

/// The members that a type does not define.
pub(super) fn extra(
    members: &Map<String, Value>,
    defined: &[&str],
    excluded: &[&str],
) -> Result<Map<String, Value>, EventError> {
    if let Some(name) = excluded.iter().find(|name| members.contains_key(**name)) {
        return Err(EventError::new(*name, EventProblem::Excluded));
    }
    let extra = members.iter().filter(|(name, _)| !defined.contains(&name.as_str()));
    Ok(extra.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// Whether a member of that name may stand beside those a type defines.
pub(super) fn check_extra(
    name: &str,
    defined: &[&str],
    excluded: &[&str],
) -> Result<(), EventError> {
    if defined.contains(&name) {
        return Err(EventError::new(name, EventProblem::Defined));
    }
    if excluded.contains(&name) {
        return Err(EventError::new(name, EventProblem::Excluded));
    }
    Ok(())
}

/// Whether an event may have that subject: `formats` are those its type allows, none meaning any.
pub(super) fn check_subject(
    subject: &Subject,
    formats: &'static [&'static str],
    extra: &Map<String, Value>,
) -> Result<(), EventError> {
    if !formats.is_empty() && !formats.contains(&subject.format()) {
        return Err(EventError::new("sub_id", EventProblem::SubjectFormat(formats)));
    }
    // SSF 1.0 §3.1.1: where `subject` stands in the event object, it repeats the subject.
    match extra.get("subject") {
        Some(inner) if Subject::parse(inner).as_ref() != Ok(subject) => {
            Err(EventError::new("subject", EventProblem::OtherSubject))
        }
        _ => Ok(()),
    }
}

/// A JSON string.
pub(super) fn text(value: &Value) -> Result<&str, EventProblem> {
    value.as_str().ok_or(EventProblem::Type("a string"))
}

impl Member for String {
    fn read(value: &Value) -> Result<Self, EventError> {
        Ok(text(value)?.to_owned())
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl Member for NonEmptyText {
    fn read(value: &Value) -> Result<Self, EventError> {
        Ok(Self::parse(text(value)?).map_err(|_| EventProblem::Empty)?)
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}

impl Member for Vec<String> {
    fn read(value: &Value) -> Result<Self, EventError> {
        let values = value.as_array().ok_or(EventProblem::Type("an array of strings"))?;
        let item = |(position, value): (usize, &Value)| {
            String::read(value).map_err(|error| error.inside(&format!("[{position}]")))
        };
        values.iter().enumerate().map(item).collect()
    }

    fn write(&self) -> Value {
        self.as_slice().into()
    }
}

impl Member for Map<String, Value> {
    fn read(value: &Value) -> Result<Self, EventError> {
        Ok(value.as_object().ok_or(EventProblem::Type("a JSON object"))?.clone())
    }

    fn write(&self) -> Value {
        self.clone().into()
    }
}

impl Member for StreamStatus {
    fn read(value: &Value) -> Result<Self, EventError> {
        match text(value)? {
            "enabled" => Ok(Self::Enabled),
            "paused" => Ok(Self::Paused),
            "disabled" => Ok(Self::Disabled),
            _ => Err(EventProblem::NotOneOf(&["enabled", "paused", "disabled"]).into()),
        }
    }

    fn write(&self) -> Value {
        self.as_str().into()
    }
}
