//! What became of a refused request, for the operator.

use std::error::Error as StdError;
use std::sync::Arc;

use crate::auth::AuthError;
use crate::error::Error;
use crate::id::{Owner, TrackingId};
use crate::protocol::{Operation, Refusal};
use crate::store::StoreError;

/// Why a request was refused. The router puts it into the extensions of the response, for a host
/// to log; it holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The identifier that the receiver was told, if the profile tells it.
    pub tracking_id: TrackingId,
    /// What the receiver was told.
    pub refusal: Refusal,
    /// What was asked for, as far as that became clear.
    pub operation: Option<Operation>,
    /// Who asked, if it was proved.
    pub caller: Option<Owner>,
    /// What went wrong, with its sources.
    pub cause: Arc<dyn StdError + Send + Sync>,
}

/// What ends a request.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody knows who asks.
    Auth(AuthError),
    /// The request is refused, or it cannot be answered now.
    Service(Error),
}

impl Failure {
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Auth(AuthError::InvalidToken(_)) => Refusal::InvalidToken,
            Self::Auth(AuthError::Unavailable { retry_after, .. }) => {
                Refusal::Unavailable(*retry_after)
            }
            Self::Service(error) => error.refusal(),
        }
    }

    pub(super) fn into_cause(self) -> Arc<dyn StdError + Send + Sync> {
        match self {
            Self::Auth(error) => Arc::new(error),
            // The store works and says no: that it failed would sound like an outage.
            Self::Service(Error::Store(
                rule @ (StoreError::NotFound
                | StoreError::StreamLimit
                | StoreError::TenantStreamLimit
                | StoreError::SubjectLimit
                | StoreError::Suspended),
            )) => Arc::new(rule),
            Self::Service(error) => Arc::new(error),
        }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Service(error.into())
    }
}
