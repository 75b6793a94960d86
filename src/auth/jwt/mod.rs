//! Access tokens that are signed JWTs (RFC 9068), verified with the keys of their issuer.

use async_trait::async_trait;
use serde_json::{Map, Value};

use self::token::Parts;
use super::claims::claim;
use super::{AuthError, Authenticator, Caller, TokenFault, TokenRules};
use crate::id::Issuer;
use crate::secret::Secret;
use crate::set::Algorithm;
use crate::timestamp::Timestamp;

mod jwks;
#[cfg(feature = "reqwest")]
mod jwks_url;
mod token;

pub use self::jwks::{Jwks, JwksError, JwksSource};
#[cfg(feature = "reqwest")]
pub use self::jwks_url::JwksUrl;

/// The algorithms that are allowed unless others are named.
pub const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

/// Takes the access tokens of one authorization server (RFC 9068 §4).
///
/// * `typ` is `at+jwt` or `application/at+jwt`.
/// * The signature is one of the issuer's keys, which come from the source and from nowhere else;
///   `alg` is allowed and that of the key. There is no `none` and no HMAC.
/// * `iss` is the issuer, byte by byte. Tokens of other issuers are refused before a key is looked
///   for.
/// * `exp`, `iat` and `jti` are there, and all that the [`TokenRules`] ask for.
///
/// A JWT stays valid until it expires, whatever its issuer thinks of it by then: where revocation
/// must be seen, have short-lived tokens or use introspection.
///
/// ```
/// use ssf_transmitter::auth::TokenRules;
/// use ssf_transmitter::auth::jwt::{Jwks, JwtAuthenticator};
/// use ssf_transmitter::id::{Audience, Issuer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let file = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1",
/// #     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let rules = TokenRules::new(Audience::parse("https://tr.example.com")?);
/// let issuer = Issuer::parse("https://as.example.com")?;
/// let authenticator = JwtAuthenticator::new(issuer, Jwks::parse(file)?, rules);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct JwtAuthenticator {
    issuer: Issuer,
    source: Box<dyn JwksSource>,
    algorithms: Vec<Algorithm>,
    rules: TokenRules,
}

impl JwtAuthenticator {
    /// Takes the tokens of that authorization server, by its issuer identifier (RFC 8414 §2), if
    /// they keep the rules.
    #[must_use]
    pub fn new(issuer: Issuer, source: impl JwksSource, rules: TokenRules) -> Self {
        Self { issuer, source: Box::new(source), algorithms: ALGORITHMS.to_vec(), rules }
    }

    /// Allows these algorithms and no others.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// RFC 9068 §2.2: the claims that every access token has. `aud`, and `client_id` or `sub`, are
    /// for the rules.
    fn check_claims(claims: &Map<String, Value>) -> Result<(), TokenFault> {
        for name in ["exp", "iat", "jti"] {
            if !claims.contains_key(name) {
                return Err(claim(name));
            }
        }
        let jti = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
        if jti.is_empty() { Err(claim("jti")) } else { Ok(()) }
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &Secret, now: Timestamp) -> Result<Caller, AuthError> {
        let parts =
            Parts::parse(token.expose(), &self.algorithms).map_err(AuthError::InvalidToken)?;
        if parts.claims.get("iss").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(AuthError::InvalidToken(TokenFault::Issuer));
        }
        let kid = parts.kid.as_deref();
        let keys = self.source.keys(kid, now).await?;
        keys.verify(kid, parts.algorithm, parts.signing_input, &parts.signature)
            .and_then(|()| Self::check_claims(&parts.claims))
            .and_then(|()| self.rules.caller(&parts.claims, now))
            .map_err(AuthError::InvalidToken)
    }
}
