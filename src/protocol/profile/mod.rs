//! HTTP profiles: all that differs between the ways to speak SSF 1.0 over HTTP, as data.
//!
//! The rules and the router consult a [`Profile`] and know none by name.

mod access;
mod errors;
mod locations;
mod statuses;

use std::time::Duration;

use super::operation::Operation;
use super::refusal::{Answer, Refusal};
use super::stream::DeliveryMethod;
use crate::id::Scope;
use crate::stream::StreamQuota;

pub use access::Access;
pub use errors::{RenderError, oauth_error, sailpoint_error};
pub use locations::Locations;
pub use statuses::Statuses;

/// How a transmitter speaks SSF 1.0 over HTTP: where everything is, what a request must have, who
/// may make it, and how answers and refusals look.
///
/// Two come with the library, and a host may begin with either and change single members:
///
/// | | [`ssf`](Self::ssf) | [`sailpoint`](Self::sailpoint) |
/// |---|---|---|
/// | operations | all of SSF 1.0 §8.1 and polling | streams, status, verification |
/// | scopes | `ssf.read` and `ssf.manage` | `sp:ssf-transmitter-streams:manage` |
/// | delivery | push, poll; poll when it is left out | push; must not be left out |
/// | unknown members, `null` | ignored, removes a member | refused |
/// | streams | 100 per receiver | 1 per receiver, 10 per tenant |
/// | verification | every 10 s | every 300 s |
/// | public documents a client has | 304 | 200, the whole document |
/// | refusals | `error`, `error_description`, `member` | `detailCode`, `trackingId`, `messages`, `causes` |
///
/// ```
/// use ssf_transmitter::id::Scope;
/// use ssf_transmitter::protocol::{Operation, Profile};
/// use ssf_transmitter::stream::StreamQuota;
///
/// # fn main() -> Result<(), ssf_transmitter::id::IdError> {
/// let mut profile = Profile::sailpoint();
/// profile.quota = StreamQuota::new(2).with_tenant(50);
/// profile.access = profile.access.with_scope(Operation::Verify, Scope::parse("acme:verify")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// Where everything is.
    pub locations: Locations,
    /// Which scopes allow what.
    pub access: Access,
    /// How SETs may travel. Without poll there is no endpoint to poll at.
    pub delivery_methods: Vec<DeliveryMethod>,
    /// Whether a creation and a replacement must have `delivery`.
    pub delivery: Presence,
    /// What becomes of members that a request to the management API should not have.
    pub unknown_members: UnknownMembers,
    /// What `null` means where the type of a member is another.
    pub nulls: Nulls,
    /// Whether the list of streams can be narrowed by the query parameter `aud`.
    pub audience_filter: AudienceFilter,
    /// Whether the answer to a change of a stream carries `updatedAt`.
    pub update_time: UpdateTime,
    /// How the `reason` of a status looks that nobody gave a reason for.
    pub unset_reason: UnsetReason,
    /// What a public document answers to a client that has it already.
    pub validation: Validation,
    /// The most streams.
    pub quota: StreamQuota,
    /// The most subjects that a stream lists: that it added when it began with none, or removed when
    /// it began with all.
    pub subjects_per_stream: u32,
    /// The least time between two verifications that a receiver asks for, per stream; rounded up
    /// to the whole seconds that it is told.
    pub min_verification_interval: Duration,
    /// The statuses of refusals.
    pub statuses: Statuses,
    /// The bodies of refusals.
    pub render_error: RenderError,
}

/// Whether a member must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// It may be left out.
    Optional,
    /// It must be there.
    Required,
}

/// What becomes of a member that a request should not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownMembers {
    /// It is ignored.
    Ignored,
    /// The request is refused, and told which member it was.
    Refused,
}

/// What a member means that is `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nulls {
    /// A PATCH removes the member.
    Remove,
    /// It has the wrong type.
    Refused,
}

/// How the list of streams can be narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudienceFilter {
    /// Not at all.
    None,
    /// To those whose audience contains the value of the query parameter `aud`.
    Contains,
}

/// Whether a changed stream tells when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateTime {
    /// No.
    Hidden,
    /// Answers to PATCH and PUT do, in `updatedAt` (RFC 3339).
    AfterChanges,
}

/// How a reason looks that was never given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnsetReason {
    /// It is left out.
    Absent,
    /// It is the empty text.
    Empty,
}

/// What a public document answers to `If-None-Match` (RFC 9110 §13.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validation {
    /// 304 without content, when the client has the document as it is.
    NotModified,
    /// The whole document, always.
    Whole,
}

impl Profile {
    /// SSF 1.0 with the CAEP interoperability profile: all operations.
    #[must_use]
    pub fn ssf() -> Self {
        Self {
            locations: Locations::ssf(),
            access: Access::new(&Scope::trusted("ssf.read"), &Scope::trusted("ssf.manage")),
            delivery_methods: vec![DeliveryMethod::Push, DeliveryMethod::Poll],
            delivery: Presence::Optional,
            unknown_members: UnknownMembers::Ignored,
            nulls: Nulls::Remove,
            audience_filter: AudienceFilter::None,
            update_time: UpdateTime::Hidden,
            unset_reason: UnsetReason::Absent,
            validation: Validation::NotModified,
            quota: StreamQuota::new(100),
            subjects_per_stream: 1_000_000,
            min_verification_interval: Duration::from_secs(10),
            statuses: Statuses::new(),
            render_error: oauth_error,
        }
    }

    /// The contract of SailPoint's SSF API: ten operations, push only, its error bodies, and only
    /// the statuses it declares.
    #[must_use]
    pub fn sailpoint() -> Self {
        Self {
            locations: Locations::sailpoint(),
            access: Access::single(&Scope::trusted("sp:ssf-transmitter-streams:manage")),
            delivery_methods: vec![DeliveryMethod::Push],
            delivery: Presence::Required,
            unknown_members: UnknownMembers::Refused,
            nulls: Nulls::Refused,
            audience_filter: AudienceFilter::Contains,
            update_time: UpdateTime::AfterChanges,
            unset_reason: UnsetReason::Empty,
            validation: Validation::Whole,
            quota: StreamQuota::new(1).with_tenant(10),
            subjects_per_stream: 1_000_000,
            min_verification_interval: Duration::from_secs(300),
            statuses: Statuses::new()
                .with(409, 403)
                .with(413, 400)
                .with(415, 400)
                .with(503, 500)
                .with_for(Operation::Verify, 404, 400),
            render_error: sailpoint_error,
        }
    }

    /// How a refusal looks on the wire; `operation` is what was asked for, as far as it is known.
    #[must_use]
    pub fn answer(&self, refusal: &Refusal, operation: Option<Operation>) -> Answer {
        let mut answer = refusal.answer();
        answer.status = self.statuses.of(answer.status, operation);
        answer
    }

    /// Whether SETs may travel that way.
    #[must_use]
    pub fn delivers_by(&self, method: DeliveryMethod) -> bool {
        self.delivery_methods.contains(&method)
    }
}

/// SSF 1.0.
impl Default for Profile {
    fn default() -> Self {
        Self::ssf()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{InvalidRequest, Problem};

    #[test]
    fn the_ssf_profile_answers_with_the_statuses_of_the_specification() {
        let ssf = Profile::ssf();
        for (refusal, status) in [
            (Refusal::StreamLimit, 409),
            (Refusal::SubjectLimit, 403),
            (Refusal::BodyTooLarge(1), 413),
            (Refusal::UnsupportedMediaType, 415),
            (Refusal::UnknownStream, 404),
            (Refusal::Unavailable(Duration::ZERO), 503),
        ] {
            assert_eq!(ssf.answer(&refusal, Some(Operation::Verify)).status, status);
        }
    }

    #[test]
    fn the_sailpoint_profile_answers_only_with_statuses_its_contract_declares() {
        let sailpoint = Profile::sailpoint();
        let invalid = Refusal::Invalid(InvalidRequest::new("status", Problem::Missing));
        let scope = Scope::trusted("s");
        for (refusal, status) in [
            (Refusal::NoSuchPath, 404),
            (Refusal::NoCredentials, 401),
            (Refusal::SeveralCredentials, 400),
            (Refusal::InvalidToken, 401),
            (Refusal::InsufficientScope(Some(scope)), 403),
            (Refusal::MethodNotAllowed { allow: "GET" }, 405),
            (Refusal::BodyTooLarge(1), 400),
            (Refusal::UnsupportedMediaType, 400),
            (invalid, 400),
            (Refusal::UnknownStream, 404),
            (Refusal::Suspended, 403),
            (Refusal::StreamLimit, 403),
            (Refusal::TenantStreamLimit, 403),
            (Refusal::SubjectLimit, 403),
            (Refusal::RateLimited(Duration::ZERO), 429),
            (Refusal::TooSoon(Duration::ZERO), 429),
            (Refusal::Unavailable(Duration::ZERO), 500),
            (Refusal::Internal, 500),
        ] {
            let answer = sailpoint.answer(&refusal, Some(Operation::ReadStream));
            assert_eq!(answer.status, status, "{refusal:?}");
        }
        let verified = sailpoint.answer(&Refusal::UnknownStream, Some(Operation::Verify));
        assert_eq!(verified.status, 400, "an unknown stream to verify is no 404");
    }
}
