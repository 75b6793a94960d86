//! The port that limits how often receivers may call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::id::Owner;
use crate::protocol::Operation;
use crate::timestamp::Timestamp;

#[cfg(feature = "governor")]
pub mod quota;

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// It may.
    Admitted,
    /// It may not; another may after this time.
    RetryAfter(Duration),
}

/// Who decides how often a receiver may call.
///
/// # Contract
/// 1. It is asked once per request, after the receiver proved who it is and may do what it asks,
///    and before the body is looked at. Requests for public documents are not asked about.
/// 2. `now` is the time to judge by; no clock is read. It may go backwards.
/// 3. One that cannot tell, because what it asks is out of reach, admits.
/// 4. The future may be dropped at any time.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use ssf_transmitter::id::Owner;
/// use ssf_transmitter::limit::{Admission, RateLimiter};
/// use ssf_transmitter::protocol::Operation;
/// use ssf_transmitter::timestamp::Timestamp;
///
/// /// Nobody gets a new stream.
/// #[derive(Debug)]
/// struct NoNewStreams;
///
/// #[async_trait::async_trait]
/// impl RateLimiter for NoNewStreams {
///     async fn admit(&self, _: &Owner, operation: Operation, _: Timestamp) -> Admission {
///         match operation {
///             Operation::CreateStream => Admission::RetryAfter(Duration::from_secs(3600)),
///             _ => Admission::Admitted,
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait RateLimiter: fmt::Debug + Send + Sync + 'static {
    /// Whether that receiver may do that now.
    async fn admit(&self, owner: &Owner, operation: Operation, now: Timestamp) -> Admission;
}

#[async_trait]
impl<T: RateLimiter + ?Sized> RateLimiter for Arc<T> {
    async fn admit(&self, owner: &Owner, operation: Operation, now: Timestamp) -> Admission {
        (**self).admit(owner, operation, now).await
    }
}

/// Admits everything: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

#[async_trait]
impl RateLimiter for Unlimited {
    async fn admit(&self, _: &Owner, _: Operation, _: Timestamp) -> Admission {
        Admission::Admitted
    }
}
