//! The authentication port: which receiver a bearer token stands for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::id::{Audience, Owner, Scope};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

mod claims;
mod fault;

pub mod any;
#[cfg(feature = "reqwest")]
pub mod introspection;
pub mod jwt;
pub mod tokens;

pub use self::claims::{AudienceSource, ClientSource, TenantSource, TokenRules};
pub use self::fault::TokenFault;

/// A receiver that has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// Whose streams it may touch.
    pub owner: Owner,
    /// The audience its new streams get.
    pub audience: Audience,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

impl Caller {
    /// A caller with these scopes.
    #[must_use]
    pub fn new(owner: Owner, audience: Audience, scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { owner, audience, scopes: scopes.into_iter().collect() }
    }
}

/// Why a token does not stand for a receiver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token is unknown, expired, revoked or malformed (RFC 6750 §3.1 `invalid_token`). Why
    /// exactly is nobody's business but the operator's.
    #[error("the access token is not valid")]
    InvalidToken(#[source] TokenFault),
    /// Whoever could tell is out of reach.
    #[error("the authentication service is not available")]
    Unavailable {
        /// When to ask again.
        retry_after: Duration,
        /// The cause, for the operator.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Who decides which receiver a bearer token stands for.
///
/// # Contract
/// 1. `token` is legal by the grammar of RFC 6750 §2.1 and otherwise hostile.
/// 2. Two receivers never get the same owner, unless they are meant to share everything.
/// 3. How long an answer takes does not depend on how much of a wrong token was right.
/// 4. `now` is the time to judge expiry by; no clock is read.
/// 5. [`AuthError::Unavailable`] is for a service out of reach, never for a bad token.
/// 6. The future may be dropped at any time.
///
/// # Example
/// ```
/// use ssf_transmitter::auth::{AuthError, Authenticator, Caller, TokenFault};
/// use ssf_transmitter::secret::Secret;
/// use ssf_transmitter::timestamp::Timestamp;
///
/// /// Knows nobody.
/// #[derive(Debug)]
/// struct Nobody;
///
/// #[async_trait::async_trait]
/// impl Authenticator for Nobody {
///     async fn authenticate(&self, _: &Secret, _: Timestamp) -> Result<Caller, AuthError> {
///         Err(AuthError::InvalidToken(TokenFault::Unknown))
///     }
/// }
/// ```
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// The receiver that the token stands for.
    async fn authenticate(&self, token: &Secret, now: Timestamp) -> Result<Caller, AuthError>;
}

#[async_trait]
impl<T: Authenticator + ?Sized> Authenticator for Arc<T> {
    async fn authenticate(&self, token: &Secret, now: Timestamp) -> Result<Caller, AuthError> {
        (**self).authenticate(token, now).await
    }
}

#[async_trait]
impl<T: Authenticator + ?Sized> Authenticator for Box<T> {
    async fn authenticate(&self, token: &Secret, now: Timestamp) -> Result<Caller, AuthError> {
        (**self).authenticate(token, now).await
    }
}
