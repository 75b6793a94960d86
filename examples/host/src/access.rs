//! Who may call, and how often: receivers with static tokens, and those that an authorization
//! server vouches for.

use std::error::Error;
use std::sync::Arc;

use ssf_transmitter::auth::any::AnyOf;
use ssf_transmitter::auth::jwt::{Jwks, JwksSource, JwksUrl, JwtAuthenticator};
use ssf_transmitter::auth::{TenantSource, TokenRules};
use ssf_transmitter::https::TrustedUrl;
use ssf_transmitter::id::TenantId;
use ssf_transmitter::{Router, StaticTokens, Transmitter};

use crate::flags::Flags;

/// The router for the receivers that the flags name.
///
/// # Errors
/// When a token is given twice, or the keys of access tokens cannot be read.
pub fn router(transmitter: &Transmitter, flags: &Flags) -> Result<Router, Box<dyn Error>> {
    let router = Router::new(transmitter.receivers(), authenticator(flags)?);
    Ok(match &flags.rate_limit {
        Some(limit) => router.with_rate_limiter(Arc::clone(limit)),
        None => router,
    })
}

/// Takes the static tokens of the flags, and JWT access tokens where the flags ask for them.
fn authenticator(flags: &Flags) -> Result<AnyOf, Box<dyn Error>> {
    let (mut tokens, profile) = (StaticTokens::new(), flags.profile());
    for receiver in &flags.receivers {
        tokens = tokens.with_receiver(&receiver.token, receiver.caller(&profile))?;
    }
    let any = AnyOf::new().with(tokens);
    let (Some(jwks), Some(issuer), Some(audience)) =
        (&flags.access_token_jwks, &flags.access_token_issuer, &flags.access_token_audience)
    else {
        return Ok(any);
    };
    // An organisation may be called either; receivers without one share the default.
    let tenant = TenantSource::Claim {
        names: vec!["org".to_owned(), "tenant".to_owned()],
        otherwise: Some(TenantId::parse("default")?),
    };
    let rules = TokenRules::new(audience.clone()).with_tenant(tenant);
    Ok(any.with(JwtAuthenticator::new(issuer.clone(), keys(jwks)?, rules)))
}

/// The keys at that URL or in that file.
fn keys(place: &str) -> Result<Box<dyn JwksSource>, Box<dyn Error>> {
    if place.contains("://") {
        return Ok(Box::new(JwksUrl::new(TrustedUrl::new(place, &[])?)));
    }
    Ok(Box::new(Jwks::parse(std::fs::read(place)?)?))
}
