//! What a request can be refused with, and the one place that says how that looks on the wire.

use std::fmt;
use std::time::Duration;

use crate::egress::EgressError;
use crate::event::EventProblem;
use crate::id::{IdError, Scope};
use crate::stream::{AuthorizationError, EndpointError};
use crate::subject::SubjectProblem;

/// Why a request is refused. In the order in which the checks are made: a request that is wrong in
/// several ways gets the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No such path.
    NoSuchPath,
    /// No bearer token came with the request.
    NoCredentials,
    /// The request brings more than one credential (RFC 6750 §3.1 `invalid_request`).
    SeveralCredentials,
    /// The token is not valid (RFC 6750 §3.1 `invalid_token`).
    InvalidToken,
    /// The token does not allow the operation (RFC 6750 §3.1 `insufficient_scope`); that scope
    /// would, if any does.
    InsufficientScope(Option<Scope>),
    /// The path does not know the method.
    MethodNotAllowed {
        /// The methods it knows: the value of `Allow` (RFC 9110 §15.5.6).
        allow: &'static str,
    },
    /// The receiver calls too often; the next request may come after this time.
    RateLimited(Duration),
    /// The body is larger than this many bytes.
    BodyTooLarge(usize),
    /// The body is not said to be JSON.
    UnsupportedMediaType,
    /// The request breaks a rule.
    Invalid(InvalidRequest),
    /// The receiver has no such stream.
    UnknownStream,
    /// The operator suspended the receiver. Not known before the store is asked, and a foreign
    /// stream is unknown all the same.
    Suspended,
    /// The receiver has as many streams as it may have.
    StreamLimit,
    /// The receivers of the tenant together have as many streams as they may have.
    TenantStreamLimit,
    /// The stream lists as many subjects as it may.
    SubjectLimit,
    /// The request comes too early; the next may come after this time.
    TooSoon(Duration),
    /// Something is out of reach; the request may be repeated after this time.
    Unavailable(Duration),
    /// Something is broken. The cause is for the operator.
    Internal,
}

/// A member of a request that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidRequest {
    /// The path of the member, such as `delivery.endpoint_url`; empty: the body as a whole.
    pub member: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl InvalidRequest {
    /// How many characters of a path are told: the sender may have made it as long as the body.
    const MEMBER: usize = 64;

    /// That problem of that member. A path of more than 64 characters is cut there and ends with
    /// `…`.
    #[must_use]
    pub fn new(member: impl Into<String>, problem: Problem) -> Self {
        let mut member = member.into();
        if let Some((end, _)) = member.char_indices().nth(Self::MEMBER) {
            member.truncate(end);
            member.push('…');
        }
        Self { member, problem }
    }
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.member.is_empty() {
            write!(f, "the body {}", self.problem)
        } else {
            write!(f, "`{}` {}", self.member, self.problem)
        }
    }
}

impl From<InvalidRequest> for Refusal {
    fn from(invalid: InvalidRequest) -> Self {
        Self::Invalid(invalid)
    }
}

/// What is wrong with a member of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not the value of an `Authorization` header.
    #[error("{0}")]
    Authorization(AuthorizationError),
    /// A member that comes twice.
    #[error("comes twice")]
    Duplicate,
    /// An address that may not be called.
    #[error("{0}")]
    Egress(EgressError),
    /// Not the URL of an endpoint.
    #[error("{0}")]
    Endpoint(EndpointError),
    /// A member of an event that breaks the definition of its type.
    #[error("{0}")]
    Event(EventProblem),
    /// Not the identifier it should be.
    #[error("{0}")]
    Id(IdError),
    /// Absent, though required.
    #[error("is required")]
    Missing,
    /// A value that the transmitter supplies and that is another one (SSF 1.0 §8.1.1.3).
    #[error("is supplied by the transmitter and does not match")]
    Mismatch,
    /// A delivery method that is not supported.
    #[error("is not a delivery method this transmitter supports")]
    Method,
    /// No JSON.
    #[error("is not well-formed JSON")]
    NotJson,
    /// A value that is none of those allowed.
    #[error("must be one of {0}")]
    OneOf(&'static str),
    /// A member that the request should not have.
    #[error("is no member of this request")]
    Unknown,
    /// A subject that breaks the rules of its format.
    #[error("{0}")]
    Subject(SubjectProblem),
    /// JSON that is nested too deeply.
    #[error("is nested too deeply")]
    TooDeep,
    /// More elements or characters than allowed.
    #[error("must not have more than {0} elements or characters")]
    TooLong(usize),
    /// A value of the wrong JSON type.
    #[error("must be {0}")]
    Type(&'static str),
}

/// How a refusal looks on the wire, apart from the form of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// A word for programs.
    pub error: &'static str,
    /// A sentence for people. It tells nothing that the receiver does not know or may not know.
    pub description: String,
    /// The path of the member at fault.
    pub member: Option<String>,
}

impl Refusal {
    /// How this refusal looks on the wire by SSF 1.0; a [`Profile`](super::Profile) may give it
    /// another status. This match has no arm for "everything else": a new
    /// refusal does not compile until it has a status.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let (status, error, description) = match self {
            Self::NoSuchPath => (404, "not_found", "there is nothing at this path".to_owned()),
            Self::NoCredentials => (401, "unauthorized", "a bearer token is required".to_owned()),
            Self::SeveralCredentials => {
                (400, "invalid_request", "the request brings more than one credential".to_owned())
            }
            Self::InvalidToken => {
                (401, "invalid_token", "the access token is not valid".to_owned())
            }
            Self::InsufficientScope(Some(needed)) => {
                (403, "insufficient_scope", format!("the scope `{needed}` is required"))
            }
            Self::InsufficientScope(None) => {
                (403, "insufficient_scope", "no scope allows this".to_owned())
            }
            Self::MethodNotAllowed { allow } => {
                (405, "method_not_allowed", format!("allowed: {allow}"))
            }
            Self::RateLimited(_) => {
                (429, "too_many_requests", "the receiver calls too often".to_owned())
            }
            Self::BodyTooLarge(most) => {
                (413, "body_too_large", format!("the body must not exceed {most} bytes"))
            }
            Self::UnsupportedMediaType => {
                (415, "unsupported_media_type", "the body must be application/json".to_owned())
            }
            Self::Invalid(invalid) => (400, "invalid_request", invalid.to_string()),
            Self::UnknownStream => {
                (404, "not_found", "there is no stream with this `stream_id`".to_owned())
            }
            Self::Suspended => (403, "access_denied", "the receiver is suspended".to_owned()),
            Self::StreamLimit => {
                (409, "conflict", "the receiver has as many streams as it may have".to_owned())
            }
            Self::TenantStreamLimit => {
                (409, "conflict", "the tenant has as many streams as it may have".to_owned())
            }
            // The specification names no 409 here, and a 429 would invite to try again.
            Self::SubjectLimit => {
                (403, "access_denied", "the stream has as many subjects as it may have".to_owned())
            }
            Self::TooSoon(_) => {
                (429, "too_many_requests", "verification was requested too early".to_owned())
            }
            Self::Unavailable(_) => (503, "temporarily_unavailable", "try again later".to_owned()),
            Self::Internal => (500, "server_error", "something went wrong".to_owned()),
        };
        let member = self.member().map(str::to_owned);
        Answer { status, error, description, member }
    }

    /// The value of `Retry-After`, in seconds, rounded up.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited(wait) | Self::TooSoon(wait) | Self::Unavailable(wait) => {
                Some(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
            }
            _ => None,
        }
    }

    /// The path of the member at fault.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        match self {
            Self::Invalid(invalid) if !invalid.member.is_empty() => Some(&invalid.member),
            Self::UnknownStream => Some("stream_id"),
            _ => None,
        }
    }

    /// The `WWW-Authenticate` challenge (RFC 6750 §3) of a refusal that is about credentials, without `resource_metadata`.
    /// Without credentials it carries no error code (RFC 6750 §3.1).
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        match self {
            Self::NoCredentials => Some("Bearer realm=\"ssf\"".to_owned()),
            Self::SeveralCredentials => Some(
                "Bearer realm=\"ssf\", error=\"invalid_request\", \
                 error_description=\"the request brings more than one credential\""
                    .to_owned(),
            ),
            Self::InvalidToken => Some(
                "Bearer realm=\"ssf\", error=\"invalid_token\", \
                 error_description=\"the access token is not valid\""
                    .to_owned(),
            ),
            Self::InsufficientScope(needed) => {
                let scope = needed.as_ref().map(|needed| format!(", scope=\"{needed}\""));
                let scope = scope.unwrap_or_default();
                Some(format!("Bearer realm=\"ssf\", error=\"insufficient_scope\"{scope}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_without_credentials_has_no_error_code_rfc_6750_3_1() {
        assert_eq!(Refusal::NoCredentials.challenge().as_deref(), Some("Bearer realm=\"ssf\""));
    }

    #[test]
    fn a_challenge_names_the_scope_that_is_needed_rfc_6750_3() {
        let refusal = Refusal::InsufficientScope(Scope::parse("ssf.manage").ok());
        let challenge = refusal.challenge().unwrap();
        assert!(challenge.contains("error=\"insufficient_scope\", scope=\"ssf.manage\""));
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        for (wait, header) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            let refusal = Refusal::TooSoon(Duration::from_millis(wait));
            assert_eq!(refusal.retry_after(), Some(header));
        }
    }

    #[test]
    fn an_invalid_request_names_the_member_at_fault() {
        let refusal: Refusal = InvalidRequest::new("delivery.method", Problem::Missing).into();
        assert_eq!(refusal.answer().description, "`delivery.method` is required");
        assert_eq!(refusal.member(), Some("delivery.method"));
    }
}
