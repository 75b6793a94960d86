//! Why something is not the event it claims to be.

use std::fmt;

/// Why the members or the subject of an event break the definition of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct EventError {
    /// The path of the member at fault inside the event object, such as `change_type`,
    /// `reason_admin.en` or `amr[1]`; `sub_id` when the subject of the event is at fault.
    pub member: String,
    /// What is wrong there.
    pub problem: EventProblem,
}

/// What is wrong with a member of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventProblem {
    /// A member that the type requires is not there.
    #[error("is required")]
    Missing,
    /// A value of the wrong JSON type; `null` is of the right type nowhere.
    #[error("must be {0}")]
    Type(&'static str),
    /// A text, list or object with nothing in it.
    #[error("must not be empty")]
    Empty,
    /// A word that is none of those the specification allows.
    #[error("must be one of {}", .0.join(", "))]
    NotOneOf(&'static [&'static str]),
    /// A time so late that it must have been counted in milliseconds (CAEP 1.0 §2 counts seconds).
    #[error("must be in seconds, not in milliseconds")]
    Milliseconds,
    /// Not a language tag (BCP 47).
    #[error("must be named by a language tag (BCP 47)")]
    NotLanguageTag,
    /// A language for the second time: the case of letters does not count in its tag (RFC 5646
    /// §2.1.1).
    #[error("must not name a language for the second time")]
    LanguageTwice,
    /// Not an HTTP status code.
    #[error("must be an HTTP status code of three digits")]
    NotHttpStatus,
    /// A member that an event of this type must not have.
    #[error("must not be a member of an event of this type")]
    Excluded,
    /// An extra member under the name of one that the type defines.
    #[error("has a meaning of its own and cannot be an extra member")]
    Defined,
    /// A number beyond 64 bits, which would not be sent as it came (RFC 8259 §6).
    #[error("must be a number of at most 64 bits, or a string")]
    TooLarge,
    /// A subject of a format that the type does not allow.
    #[error("must be a subject of the format {}", .0.join(" or "))]
    SubjectFormat(&'static [&'static str]),
    /// A subject, or one inside it, of the format `phone`, which nobody registered (RFC 9493
    /// §3.2.5).
    #[error("must not be or hold a subject of the format phone: its name is phone_number")]
    PhoneFormat,
    /// A subject inside the event object that is not the subject of the event (SSF 1.0 §3.1.1).
    #[error("must be the same subject as `sub_id`")]
    OtherSubject,
}

impl EventError {
    /// That problem of that member.
    #[must_use]
    pub fn new(member: impl Into<String>, problem: EventProblem) -> Self {
        Self { member: member.into(), problem }
    }

    /// The same problem, seen from the object that holds the value under that name.
    pub(super) fn inside(self, name: &str) -> Self {
        let separator =
            if self.member.is_empty() || self.member.starts_with('[') { "" } else { "." };
        Self { member: format!("{name}{separator}{}", self.member), ..self }
    }
}

/// The value itself is at fault.
impl From<EventProblem> for EventError {
    fn from(problem: EventProblem) -> Self {
        Self::new("", problem)
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.member.is_empty() {
            write!(f, "the value {}", self.problem)
        } else {
            write!(f, "`{}` {}", self.member, self.problem)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_member_by_its_path() {
        let text = EventError::new("en", EventProblem::Empty).inside("reason_admin");
        assert_eq!(text.to_string(), "`reason_admin.en` must not be empty");
        let item = EventError::new("[1]", EventProblem::Type("a string")).inside("amr");
        assert_eq!(item.to_string(), "`amr[1]` must be a string");
        let value = EventError::from(EventProblem::NotOneOf(&["create", "delete"]));
        assert_eq!(value.to_string(), "the value must be one of create, delete");
        assert_eq!(
            value.inside("change_type").to_string(),
            "`change_type` must be one of create, delete"
        );
        let subject = EventError::new("sub_id", EventProblem::SubjectFormat(&["email", "opaque"]));
        assert_eq!(subject.to_string(), "`sub_id` must be a subject of the format email or opaque");
    }
}
