//! Why something is not a subject.

use std::fmt;

/// Why a JSON value is not a subject, or a subject cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct SubjectError {
    /// The path of the member at fault inside the subject, such as `format`, `user.sub` or
    /// `identifiers[0].email`; empty when the subject as a whole is at fault.
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
    /// Not a JSON array.
    #[error("must be a JSON array")]
    NotArray,
    /// Not a JSON string; `null` is none either (RFC 9493 §3).
    #[error("must be a string")]
    NotString,
    /// A member that the format requires is not there.
    #[error("is required")]
    Missing,
    /// There is a `subject_type` but no `format`: the form before RFC 9493.
    #[error("is required: `subject_type` is not the name of this member")]
    SubjectType,
    /// A text, list or subject with nothing in it (RFC 9493 §3).
    #[error("must not be empty")]
    Empty,
    /// A member that the format does not describe (RFC 9493 §3).
    #[error("is not a member of this format")]
    Undescribed,
    /// The same member for the second time.
    #[error("must not be given twice")]
    Duplicate,
    /// `aliases` or `complex` where only a simple subject may stand (RFC 9493 §3.2.8, SSF 1.0
    /// §3.3).
    #[error("must be the format of a simple subject, not `aliases` or `complex`")]
    NotSimple,
    /// A format with rules of its own, given as a format without.
    #[error("must not be a format with rules of its own")]
    KnownFormat,
    /// Not the name of a format: white space, control characters, or characters that are not seen.
    #[error("must hold visible characters only")]
    NotFormatName,
    /// A member of a complex subject has an empty name.
    #[error("must not have a member without a name")]
    NoName,
    /// Not an `acct` URI (RFC 7565).
    #[error("must be an `acct:` URI")]
    NotAcctUri,
    /// Not an email address (RFC 5322 §3.4.1).
    #[error("must be an email address")]
    NotEmail,
    /// Not a telephone number in the form of E.164.
    #[error("must be `+` and 2 to 15 digits, the first not 0")]
    NotPhoneNumber,
    /// Not a DID URL (W3C DID Core §3.2).
    #[error("must be a DID URL")]
    NotDidUrl,
    /// Not a URI with a scheme (RFC 3986 §3).
    #[error("must be a URI with a scheme")]
    NotUri,
    /// A text with a colon that is no URI (RFC 7519 §2 `StringOrURI`).
    #[error("must be a URI, since it has a colon")]
    NotStringOrUri,
    /// Not a path relative to a SCIM service (RFC 9967).
    #[error("must be a relative path")]
    NotRelativePath,
    /// A number so large that its last digits may be lost (RFC 8259 §6): from 2^64 on, or at most
    /// -2^63.
    #[error("must be a number of at most 64 bits, or a string")]
    TooLarge,
    /// Not an IPv4 or IPv6 address.
    #[error("must be an IP address")]
    NotIpAddress,
}

impl SubjectError {
    pub(super) fn new(member: impl Into<String>, problem: SubjectProblem) -> Self {
        Self { member: member.into(), problem }
    }

    /// The same problem, seen from the object that holds the subject under that name.
    pub(super) fn inside(self, name: &str) -> Self {
        let separator =
            if self.member.is_empty() || self.member.starts_with('[') { "" } else { "." };
        Self { member: format!("{name}{separator}{}", self.member), ..self }
    }
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.member.is_empty() {
            write!(f, "the subject {}", self.problem)
        } else {
            write!(f, "`{}` {}", self.member, self.problem)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_member_or_the_subject() {
        let whole = SubjectError::new("", SubjectProblem::NotObject);
        assert_eq!(whole.to_string(), "the subject must be a JSON object");
        assert_eq!(whole.inside("user").to_string(), "`user` must be a JSON object");

        let member = SubjectError::new("sub", SubjectProblem::Missing).inside("user");
        assert_eq!(member.to_string(), "`user.sub` is required");
    }
}
