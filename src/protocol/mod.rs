//! The requests of the management API and of polling, from bytes into typed commands, and what
//! they can be refused with (SSF 1.0 §8, RFC 8936).
//!
//! Everything here is a function of its arguments. A command that exists satisfies every rule that
//! can be judged without looking at a stream.

mod bearer;
mod json;
mod operation;
mod paths;
mod poll;
mod profile;
mod refusal;
mod status;
mod stream;
mod subject;
mod verification;

pub(crate) use bearer::is_b64token;
pub use bearer::{Credentials, bearer_token};
pub use json::object as json_object;
pub use operation::Operation;
pub use paths::{Endpoint, Paths, well_known};
pub use poll::{More, PollReply, PollRequest, Wait};
pub use profile::{
    Access, AudienceFilter, Locations, Nulls, Presence, Profile, RenderError, Statuses,
    UnknownMembers, UnsetReason, UpdateTime, Validation, oauth_error, sailpoint_error,
};
pub use refusal::{Answer, InvalidRequest, Problem, Refusal};
pub use status::{StatusRequest, StatusView, change_status};
pub use stream::{
    CreateStream, DeliveryMethod, DeliveryPatch, DeliveryView, EndpointPatch, MemberChange,
    PatchStream, ReplaceStream, RequestedDelivery, StreamContext, StreamView, StreamsQuery,
    Supplied,
};
pub use subject::SubjectRequest;
pub use verification::VerificationRequest;
