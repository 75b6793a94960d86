//! Static bearer tokens: each receiver has one that the host handed out.

use std::fmt;

use async_trait::async_trait;
use openssl::memcmp;
use openssl::sha::sha256;

use super::{AuthError, Authenticator, Caller, TokenFault};
use crate::protocol::is_b64token;
use crate::secret::Secret;
use crate::timestamp::Timestamp;

/// Receivers with a static bearer token each. Only digests of the tokens are kept.
///
/// ```
/// use ssf_transmitter::auth::Caller;
/// use ssf_transmitter::auth::tokens::StaticTokens;
/// use ssf_transmitter::id::{Audience, ClientId, Owner, Scope, TenantId};
/// use ssf_transmitter::secret::Secret;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let owner = Owner::new(TenantId::parse("default")?, ClientId::parse("rp-1")?);
/// let caller = Caller::new(owner, Audience::parse("rp-1")?, [Scope::parse("ssf.manage")?]);
/// let tokens = StaticTokens::new().with_receiver(&Secret::new("s3cret"), caller)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct StaticTokens(Vec<([u8; 32], Caller)>);

/// Why a token cannot be that of a receiver. Says nothing of the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No request can carry it: the token is empty or holds a character that RFC 6750 §2.1 does
    /// not allow.
    #[error("the token holds a character that a bearer token may not hold, or none at all")]
    NotBearer,
    /// Another receiver has the same token.
    #[error("the token belongs to another receiver")]
    Taken,
}

impl StaticTokens {
    /// No receivers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// One more receiver. One that changes its token may have two for a while.
    ///
    /// # Errors
    /// [`TokenError`] when the token is not one of RFC 6750 §2.1 or stands for a receiver already.
    pub fn with_receiver(mut self, token: &Secret, caller: Caller) -> Result<Self, TokenError> {
        if !is_b64token(token.expose()) {
            return Err(TokenError::NotBearer);
        }
        if self.find(token).is_some() {
            return Err(TokenError::Taken);
        }
        self.0.push((sha256(token.expose().as_bytes()), caller));
        Ok(self)
    }

    /// Compares with every digest, in the same time for each, whether one was found or not.
    fn find(&self, token: &Secret) -> Option<&Caller> {
        let digest = sha256(token.expose().as_bytes());
        self.0.iter().fold(
            None,
            |found, (known, caller)| {
                if memcmp::eq(known, &digest) { Some(caller) } else { found }
            },
        )
    }
}

#[async_trait]
impl Authenticator for StaticTokens {
    async fn authenticate(&self, token: &Secret, _now: Timestamp) -> Result<Caller, AuthError> {
        self.find(token).cloned().ok_or(AuthError::InvalidToken(TokenFault::Unknown))
    }
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticTokens({} tokens)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Audience, ClientId, Owner, Scope, TenantId};

    fn caller(client: &str) -> Caller {
        let owner =
            Owner::new(TenantId::parse("default").unwrap(), ClientId::parse(client).unwrap());
        Caller::new(owner, Audience::parse(client).unwrap(), [Scope::parse("ssf.read").unwrap()])
    }

    fn two() -> StaticTokens {
        let tokens = StaticTokens::new().with_receiver(&Secret::new("t-1"), caller("rp-1"));
        tokens.unwrap().with_receiver(&Secret::new("t-2"), caller("rp-2")).unwrap()
    }

    async fn asked(token: &str) -> Result<Caller, String> {
        let answer = two().authenticate(&Secret::new(token), Timestamp::default()).await;
        answer.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn each_token_stands_for_its_own_receiver() {
        assert_eq!(asked("t-1").await, Ok(caller("rp-1")));
        assert_eq!(asked("t-2").await, Ok(caller("rp-2")));
    }

    #[tokio::test]
    async fn any_other_token_is_invalid_rfc_6750_3_1() {
        for token in ["", "t", "t-3", "t-1 ", "T-1", "t-11"] {
            let refused = Err("the access token is not valid".to_owned());
            assert_eq!(asked(token).await, refused, "{token:?}");
        }
    }

    #[test]
    fn a_token_is_a_b64token_rfc_6750_2_1() {
        let with = |token| StaticTokens::new().with_receiver(&Secret::new(token), caller("rp-1"));
        for good in ["aZ09-._~+/==", "x"] {
            assert_eq!(with(good).map(|tokens| tokens.0.len()), Ok(1), "{good}");
        }
        for bad in ["", "=", "a b", "a=b", "ä", "a\n", "a,b"] {
            assert_eq!(with(bad).map(|_| ()), Err(TokenError::NotBearer), "{bad:?}");
        }
    }

    #[test]
    fn two_receivers_cannot_share_a_token() {
        let again = two().with_receiver(&Secret::new("t-1"), caller("rp-3"));
        assert_eq!(again.map(|_| ()), Err(TokenError::Taken));
    }

    #[test]
    fn debug_shows_how_many_and_nothing_else() {
        assert_eq!(format!("{:?}", two()), "StaticTokens(2 tokens)");
    }
}
