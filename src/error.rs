//! What can go wrong in the service.

use std::time::Duration;

use crate::event::EventError;
use crate::keys::KeyError;
use crate::protocol::{InvalidRequest, Problem, Refusal};
use crate::secret_box::SecretBoxError;
use crate::set::SetError;
use crate::store::StoreError;

/// Why an operation of the transmitter failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The clock the transmitter was built with cannot sleep, so nothing can wait on it.
    #[error("the clock cannot sleep")]
    ClockCannotSleep,
    /// The event cannot become a SET.
    #[error("the event cannot be emitted")]
    Event(#[source] SetError),
    /// The members or the subject of the event break the definition of its type.
    #[error("the event breaks the definition of its type")]
    InvalidEvent(#[source] EventError),
    /// The keys failed.
    #[error("signing failed")]
    Keys(#[source] KeyError),
    /// The request is refused.
    #[error("the request was refused: {}", .0.answer().description)]
    Refused(Refusal),
    /// The secret of a stream could not be sealed or opened.
    #[error("the secret of a stream could not be sealed or opened")]
    Secrets(#[source] SecretBoxError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// A part of the host panicked under the push worker.
    #[error("the push worker panicked")]
    WorkerPanicked(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How long a receiver should wait when something of ours is out of reach.
const UNAVAILABLE: Duration = Duration::from_secs(5);

impl Error {
    /// What a receiver is told. This match has no arm for "everything else": a new error does not
    /// compile until it is decided what receivers see of it.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::InvalidEvent(EventError { member, problem }) => {
                Refusal::Invalid(InvalidRequest::new(member, Problem::Event(*problem)))
            }
            Self::Refused(refusal) => refusal.clone(),
            Self::Store(StoreError::NotFound) => Refusal::UnknownStream,
            Self::Store(StoreError::StreamLimit) => Refusal::StreamLimit,
            Self::Store(StoreError::TenantStreamLimit) => Refusal::TenantStreamLimit,
            Self::Store(StoreError::SubjectLimit) => Refusal::SubjectLimit,
            Self::Store(StoreError::Suspended) => Refusal::Suspended,
            Self::Store(StoreError::Conflict | StoreError::Unavailable(_))
            | Self::Keys(
                KeyError::NoCurrentKey
                | KeyError::Resting
                | KeyError::Deadline
                | KeyError::Unavailable(_),
            )
            | Self::Secrets(SecretBoxError::Unavailable(_)) => Refusal::Unavailable(UNAVAILABLE),
            // No request of a receiver emits an event, nor redrives dead letters, which a disabled
            // stream refuses.
            Self::Store(
                StoreError::Corrupt(_)
                | StoreError::FanOut { .. }
                | StoreError::IdTaken
                | StoreError::StreamDisabled,
            )
            | Self::Keys(KeyError::UnknownKey(_))
            | Self::Secrets(
                SecretBoxError::NoBox
                | SecretBoxError::Unreadable
                | SecretBoxError::UnknownKey
                | SecretBoxError::NotAuthentic,
            )
            | Self::Event(_)
            | Self::WorkerPanicked(_)
            | Self::ClockCannotSleep => Refusal::Internal,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<EventError> for Error {
    fn from(error: EventError) -> Self {
        Self::InvalidEvent(error)
    }
}

impl From<InvalidRequest> for Error {
    fn from(invalid: InvalidRequest) -> Self {
        Self::Refused(Refusal::Invalid(invalid))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Keys(error)
    }
}

impl From<SecretBoxError> for Error {
    fn from(error: SecretBoxError) -> Self {
        Self::Secrets(error)
    }
}

impl From<SetError> for Error {
    fn from(error: SetError) -> Self {
        Self::Event(error)
    }
}
