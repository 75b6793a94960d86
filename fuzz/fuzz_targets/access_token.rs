//! Access tokens: JWTs, and the claims that an introspection endpoint answers with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::auth::introspection::active_claims;
use ssf_transmitter::auth::jwt::{Jwks, JwtAuthenticator};
use ssf_transmitter::auth::{Authenticator, TokenRules};
use ssf_transmitter::id::{Audience, Issuer};
use ssf_transmitter::secret::Secret;
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::timestamp::Timestamp;

/// A public key; nobody can sign for it.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"k",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::from_seconds(1_795_000_000);
    let (Ok(audience), Ok(issuer)) =
        (Audience::parse("https://tr.example.com"), Issuer::parse("https://as.example.com"))
    else {
        return;
    };
    let rules = TokenRules::new(audience);
    if let Ok(Some(claims)) = active_claims(bytes) {
        let _ = rules.caller(&claims, now);
    }
    let _ = Jwks::parse(bytes);
    if let (Ok(token), Ok(keys)) = (std::str::from_utf8(bytes), Jwks::parse(KEYS)) {
        let authenticator = JwtAuthenticator::new(issuer, keys, rules);
        assert!(block_on(authenticator.authenticate(&Secret::new(token), now)).is_err());
    }
});
