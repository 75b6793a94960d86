//! Event streams: their configuration, status and delivery (SSF 1.0 §8.1).

mod delivery;
mod held;
mod metadata;
mod quota;
mod sealed;
mod status;

use crate::id::{Audience, EventType, Issuer, Owner, StreamId};
use crate::timestamp::Timestamp;

pub use delivery::{
    AuthorizationError, AuthorizationHeader, Delivery, EndpointError, EndpointUrl, POLL_METHOD,
    PUSH_METHOD, PushDelivery,
};
pub use held::{HeldExceeded, HeldLimit};
pub use metadata::{AuthorizationScheme, TransmitterMetadata};
pub use quota::StreamQuota;
pub use sealed::{SealedSecret, SealedSecretError, StoredAuthorization, StoredAuthorizationError};
pub use status::{StatusSetBy, StreamStatus};

/// Which subjects a stream begins with (SSF 1.0 §7.1 `default_subjects`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefaultSubjects {
    /// Every subject, until it is removed.
    All,
    /// No subject, until it is added.
    None,
}

impl DefaultSubjects {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::None => "NONE",
        }
    }
}

/// A stream as a store keeps it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StreamRecord {
    /// The transmitter's issuer: several transmitters may share a store.
    pub issuer: Issuer,
    /// The receiver it belongs to.
    pub owner: Owner,
    /// Its identifier, made by the transmitter.
    pub stream_id: StreamId,
    /// The audience of its SETs; never changes.
    pub audience: Audience,
    /// How its SETs travel.
    pub delivery: Delivery,
    /// The event types the receiver asked for, as it wrote them; absent means all it may have.
    pub events_requested: Option<Vec<EventType>>,
    /// The event types it gets: those asked for that are supported for this receiver.
    pub events_delivered: Vec<EventType>,
    /// The receiver's description of it.
    pub description: Option<String>,
    /// Which subjects it began with.
    pub default_subjects: DefaultSubjects,
    /// Whether it transmits.
    pub status: StreamStatus,
    /// Why it has that status, when somebody said so.
    pub reason: Option<String>,
    /// That it holds more than it may, as long as its receiver does not catch up.
    pub held_exceeded: Option<HeldExceeded>,
    /// Who gave it that status.
    pub status_set_by: StatusSetBy,
    /// Raised when deliveries under way must not go on: the delivery changed or the stream stopped.
    pub generation: u64,
    /// Raised by every change of this record; what compare-and-set compares.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its configuration or status last changed.
    pub updated_at: Timestamp,
}

impl StreamRecord {
    /// A new stream: enabled, all event types requested, none delivered yet.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        owner: Owner,
        stream_id: StreamId,
        audience: Audience,
        delivery: Delivery,
        now: Timestamp,
    ) -> Self {
        Self {
            issuer,
            owner,
            stream_id,
            audience,
            delivery,
            events_requested: None,
            events_delivered: Vec::new(),
            description: None,
            default_subjects: DefaultSubjects::All,
            status: StreamStatus::Enabled,
            reason: None,
            held_exceeded: None,
            status_set_by: StatusSetBy::Receiver,
            generation: 1,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The reason of its status as answers give it: what somebody said, and that it holds more than
    /// it may.
    #[must_use]
    pub fn whole_reason(&self) -> Option<String> {
        match (&self.reason, &self.held_exceeded) {
            (Some(reason), Some(exceeded)) => Some(format!("{reason}; {exceeded}")),
            (None, Some(exceeded)) => Some(exceeded.to_string()),
            (reason, None) => reason.clone(),
        }
    }
}
