//! The delivery port: how a SET gets to a push endpoint (RFC 8935).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::outbox::TransportFailure;
use crate::stream::{AuthorizationHeader, EndpointUrl};

mod authorization;
#[cfg(feature = "reqwest")]
pub mod client;
#[cfg(feature = "reqwest")]
pub mod oauth;

pub use authorization::{AuthorizeError, OwnSecret, PushAuthorization, PushTarget, Renewal};

/// One push: one SET to one endpoint (RFC 8935 §2.1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushRequest {
    /// Where to.
    pub endpoint: EndpointUrl,
    /// The value of the `Authorization` header; without it the request has none (SSF 1.0 §6.1.1).
    pub authorization: Option<AuthorizationHeader>,
    /// The SET: the whole body of the request.
    pub token: Arc<str>,
    /// How long the whole exchange may take, from now to the last byte that is read.
    pub within: Duration,
}

impl PushRequest {
    /// A push of that SET to that endpoint.
    #[must_use]
    pub const fn new(
        endpoint: EndpointUrl,
        authorization: Option<AuthorizationHeader>,
        token: Arc<str>,
        within: Duration,
    ) -> Self {
        Self { endpoint, authorization, token, within }
    }
}

/// What the receiver answered, as it came. What it means is decided by the rules.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushResponse {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The body, up to a cap of the deliverer's.
    pub body: Vec<u8>,
}

impl PushResponse {
    /// An answer with that status and nothing else.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, retry_after: None, body: Vec::new() }
    }

    /// The same answer with a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same answer with a `Retry-After` header.
    #[must_use]
    pub fn with_retry_after(mut self, value: impl Into<String>) -> Self {
        self.retry_after = Some(value.into());
        self
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
#[error("push failed: {}", kind.as_str())]
#[non_exhaustive]
pub struct DeliverError {
    /// The kind, which decides what follows.
    pub kind: TransportFailure,
    /// The cause, for the operator; never for the receiver.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl DeliverError {
    /// A failure of that kind.
    #[must_use]
    pub const fn new(kind: TransportFailure) -> Self {
        Self { kind, source: None }
    }

    /// The same failure with its cause. The cause must not hold the endpoint's URL or a secret.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// How SETs get to push endpoints.
///
/// # Contract
/// 1. One call is at most one HTTP request: POST, `Content-Type: application/secevent+jwt`,
///    `Accept: application/json`, the token as the whole body (RFC 8935 §2.1). Nothing is retried:
///    exactly one place decides retries, and it is not here.
/// 2. `Authorization` is sent if and only if the request has one, as it is, to this endpoint only.
/// 3. Redirects are not followed; no proxy of the environment is used.
/// 4. Any answer is an `Ok`, whatever its status; the body is read up to a cap and the rest left.
/// 5. The whole exchange ends `within` its time, with [`TransportFailure::Timeout`] if need be.
/// 6. The endpoint is hostile: the address that is connected to must have been vetted for this
///    request by the policy in [`egress`](crate::egress); otherwise the answer is
///    [`TransportFailure::Blocked`] and no connection is made.
/// 7. Errors hold neither URL nor secret.
/// 8. The future may be dropped at any time: the exchange ends.
///
/// # Example
/// ```
/// use ssf_transmitter::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
///
/// /// Delivers to nowhere and says it worked.
/// #[derive(Debug)]
/// struct Sink;
///
/// #[async_trait::async_trait]
/// impl Deliverer for Sink {
///     async fn deliver(&self, _request: PushRequest) -> Result<PushResponse, DeliverError> {
///         Ok(PushResponse::new(202))
///     }
/// }
/// ```
#[async_trait]
pub trait Deliverer: fmt::Debug + Send + Sync + 'static {
    /// Sends one SET and returns the answer.
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError>;
}

#[async_trait]
impl<T: Deliverer + ?Sized> Deliverer for Arc<T> {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        (**self).deliver(request).await
    }
}

#[async_trait]
impl<T: Deliverer + ?Sized> Deliverer for Box<T> {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        (**self).deliver(request).await
    }
}
