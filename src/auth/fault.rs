//! What is wrong with an access token, for the operator.

use std::borrow::Cow;

/// Why a token does not stand for a receiver. The receiver is never told which of these it was,
/// and none of them holds anything of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// The header names an algorithm that is not allowed, or not the one of the key (RFC 8725
    /// §3.1).
    #[error("its algorithm is not allowed, or not the one of its key")]
    Algorithm,
    /// It is meant for another resource server (RFC 9068 §4 `aud`).
    #[error("it is meant for another audience")]
    Audience,
    /// It is bound to a key of its sender (RFC 7800 §3.1 `cnf`), which a bearer does not prove.
    #[error("it is bound to a key that a bearer does not prove to hold")]
    Bound,
    /// A claim is missing or has a value that it may not have.
    #[error("the claim `{0}` is missing or malformed")]
    Claim(Cow<'static, str>),
    /// The header demands to understand an extension (RFC 7515 §4.1.11 `crit`).
    #[error("its header has critical extensions")]
    Critical,
    /// Its time is over (RFC 7519 §4.1.4 `exp`).
    #[error("it has expired")]
    Expired,
    /// The authorization server says that it is not active (RFC 7662 §2.2).
    #[error("it is not active")]
    Inactive,
    /// It was issued in the future (RFC 7519 §4.1.6 `iat`).
    #[error("it was issued in the future")]
    IssuedInFuture,
    /// It comes from another issuer (RFC 9068 §4 `iss`).
    #[error("it comes from another issuer")]
    Issuer,
    /// It is not a JWT with a signature, or too large for one.
    #[error("it is not a signed JWT")]
    Malformed,
    /// Its time has not come yet (RFC 7519 §4.1.5 `nbf`).
    #[error("its time has not come yet")]
    NotYetValid,
    /// The signature is not one of the key.
    #[error("its signature is wrong")]
    Signature,
    /// The header does not say that it is an access token (RFC 9068 §2.1 `typ`).
    #[error("it is a token of another type")]
    Type,
    /// Nobody has this token.
    #[error("nobody has this token")]
    Unknown,
    /// The issuer has no such key.
    #[error("its key is none of the issuer's")]
    UnknownKey,
}
