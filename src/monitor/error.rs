//! What can go wrong in the monitor.

use crate::error::Error;
use crate::event::EventError;
use crate::lifecycle::TemplateError;
use crate::set::SetError;
use crate::store::StoreError;

/// Why the monitor did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The conditions want attributes kept as digests, and there is no key.
    #[error("the conditions want digests, and there is no key for them")]
    NoDigestKey,
    /// The transmitter or its store failed.
    #[error("the transmitter failed")]
    Transmitter(#[source] Error),
}

impl From<Error> for MonitorError {
    fn from(error: Error) -> Self {
        Self::Transmitter(error)
    }
}

impl From<StoreError> for MonitorError {
    fn from(error: StoreError) -> Self {
        Self::Transmitter(error.into())
    }
}

/// Why a condition that fired has no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unmade {
    /// The event breaks the definition of its type.
    #[error("the event breaks its definition: {0}")]
    Event(EventError),
    /// The event cannot become a SET.
    #[error("{0}")]
    Set(SetError),
    /// Its template and the identity do not fit.
    #[error("{0}")]
    Template(TemplateError),
}
