//! The port that yields the `Authorization` header of a push.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::id::{Issuer, Owner, StreamId};
use crate::stream::{AuthorizationHeader, EndpointUrl};
use crate::timestamp::Timestamp;

/// Whom a push goes to, and what the stream itself says about its authorization.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushTarget {
    /// The transmitter's issuer.
    pub issuer: Issuer,
    /// The receiver.
    pub owner: Owner,
    /// Its stream.
    pub stream_id: StreamId,
    /// Where the push goes.
    pub endpoint: EndpointUrl,
    /// The stream's own `authorization_header`. Where there is one it must be sent, as it is
    /// (SSF 1.0 §6.1.1).
    pub own: Option<AuthorizationHeader>,
}

impl PushTarget {
    /// A push to that endpoint for that stream, which has no secret of its own.
    #[must_use]
    pub const fn new(
        issuer: Issuer,
        owner: Owner,
        stream_id: StreamId,
        endpoint: EndpointUrl,
    ) -> Self {
        Self { issuer, owner, stream_id, endpoint, own: None }
    }

    /// The same push for a stream with a secret of its own.
    #[must_use]
    pub fn with_own(mut self, own: AuthorizationHeader) -> Self {
        self.own = Some(own);
        self
    }
}

/// Yields the `Authorization` header of each push.
///
/// # Contract
/// 1. `authorize` gives the complete value of the header, scheme included, or `None` for a push
///    without one. It is asked before every request; `now` is the time.
/// 2. Where the stream has a secret of its own (`target.own`), that is the answer: SSF 1.0 §6.1.1
///    leaves no other.
/// 3. `refused` is told when a receiver answered 401 to a request with that header. If the answer
///    is [`Renewal::Another`], `authorize` is asked again and the SET is sent once more, within the
///    time of the same push; a second 401 is the receiver's word.
/// 4. Both end within seconds, whatever they wait for. Their futures may be dropped.
/// 5. A failure is nobody's but ours: the SETs wait, no attempt of theirs is counted, and the
///    receiver's stream is not paused for it. Nothing is sent without the header.
/// 6. Errors and `Debug` forms show no secret.
///
/// # Example
/// ```
/// use ssf_transmitter::deliver::{AuthorizeError, PushAuthorization, PushTarget};
/// use ssf_transmitter::stream::AuthorizationHeader;
/// use ssf_transmitter::timestamp::Timestamp;
///
/// /// Streams without a secret of their own get the one that their operator agreed on.
/// #[derive(Debug)]
/// struct Agreed(AuthorizationHeader);
///
/// #[async_trait::async_trait]
/// impl PushAuthorization for Agreed {
///     async fn authorize(
///         &self,
///         target: &PushTarget,
///         _now: Timestamp,
///     ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
///         Ok(Some(target.own.clone().unwrap_or_else(|| self.0.clone())))
///     }
/// }
/// ```
#[async_trait]
pub trait PushAuthorization: fmt::Debug + Send + Sync + 'static {
    /// The header of one push.
    async fn authorize(
        &self,
        target: &PushTarget,
        now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError>;

    /// The receiver answered 401 to a request with that header.
    async fn refused(
        &self,
        _target: &PushTarget,
        _header: &AuthorizationHeader,
        _now: Timestamp,
    ) -> Renewal {
        Renewal::Same
    }
}

/// What a refusal changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renewal {
    /// The next request would carry another header.
    Another,
    /// It would carry the same.
    Same,
}

/// No authorization was to be had. Nothing of it is for the receiver.
#[derive(Debug, thiserror::Error)]
#[error("no authorization for the push was to be had")]
#[non_exhaustive]
pub struct AuthorizeError {
    /// The cause, for the operator. It must hold no secret.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl AuthorizeError {
    /// For that cause, which must hold no secret.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: source.into() }
    }
}

/// The stream's own secret and nothing else: the default. A stream without one is pushed to
/// without an `Authorization` header.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnSecret;

#[async_trait]
impl PushAuthorization for OwnSecret {
    async fn authorize(
        &self,
        target: &PushTarget,
        _now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        Ok(target.own.clone())
    }
}

#[async_trait]
impl<T: PushAuthorization + ?Sized> PushAuthorization for Arc<T> {
    async fn authorize(
        &self,
        target: &PushTarget,
        now: Timestamp,
    ) -> Result<Option<AuthorizationHeader>, AuthorizeError> {
        (**self).authorize(target, now).await
    }

    async fn refused(
        &self,
        target: &PushTarget,
        header: &AuthorizationHeader,
        now: Timestamp,
    ) -> Renewal {
        (**self).refused(target, header, now).await
    }
}
