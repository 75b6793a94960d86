//! The parts of a signed JWT, taken apart and not yet believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::auth::TokenFault;
use crate::set::Algorithm;

/// Longer tokens are refused unread. No request header is that long.
const MOST_BYTES: usize = 64 * 1024;

/// A JWS in the compact serialisation (RFC 7515 §7.1) whose payload is a JSON object.
#[derive(Debug)]
pub(super) struct Parts<'t> {
    /// The algorithm that the header names: one of those allowed.
    pub(super) algorithm: Algorithm,
    /// The key that the header names.
    pub(super) kid: Option<String>,
    /// The claims.
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) signing_input: &'t [u8],
    /// The signature of it.
    pub(super) signature: Vec<u8>,
}

impl<'t> Parts<'t> {
    /// Takes an access token apart and checks its header. Of the header only `alg`, `typ`, `kid`
    /// and `crit` are read: keys that a token brings along or points to (`jwk`, `x5c`, `jku`,
    /// `x5u`) are never used (RFC 8725 §3.10).
    pub(super) fn parse(token: &'t str, allowed: &[Algorithm]) -> Result<Self, TokenFault> {
        if token.len() > MOST_BYTES {
            return Err(TokenFault::Malformed);
        }
        // An unsigned token has an empty third segment, an encrypted one five segments.
        let (signing_input, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, claims) = signing_input.split_once('.').ok_or(TokenFault::Malformed)?;
        let header = object(header)?;

        // RFC 9068 §4: a resource server rejects every other `typ`.
        let is_type = |text: &str| {
            ["at+jwt", "application/at+jwt"].iter().any(|own| own.eq_ignore_ascii_case(text))
        };
        if !header.get("typ").and_then(Value::as_str).is_some_and(is_type) {
            return Err(TokenFault::Type);
        }
        // RFC 7515 §4.1.11: no extension is understood here.
        if header.contains_key("crit") {
            return Err(TokenFault::Critical);
        }
        let named = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = allowed.iter().find(|algorithm| algorithm.as_str() == named);
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenFault::Malformed),
        };
        Ok(Self {
            algorithm: *algorithm.ok_or(TokenFault::Algorithm)?,
            kid,
            claims: object(claims)?,
            signing_input: signing_input.as_bytes(),
            signature: decode(signature)?,
        })
    }
}

fn object(segment: &str) -> Result<Map<String, Value>, TokenFault> {
    serde_json::from_slice(&decode(segment)?).map_err(|_| TokenFault::Malformed)
}

/// Strict: one text for each sequence of bytes, so that a token cannot be varied.
fn decode(segment: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenFault::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn parse(header: &str) -> Result<Option<String>, TokenFault> {
        let token = format!("{}.{}.{}", encode(header), encode("{\"a\":1}"), encode("x"));
        let parts = Parts::parse(&token, &[Algorithm::Es256, Algorithm::Rs256])?;
        assert_eq!(parts.algorithm, Algorithm::Es256);
        assert_eq!(parts.claims.get("a"), Some(&Value::from(1)));
        assert_eq!(parts.signing_input, token.rsplit_once('.').unwrap().0.as_bytes());
        assert_eq!(parts.signature, b"x");
        Ok(parts.kid)
    }

    #[test]
    fn a_token_is_taken_apart() {
        let parsed = parse(r#"{"alg":"ES256","typ":"at+jwt","kid":"k"}"#);
        assert_eq!(parsed, Ok(Some("k".to_owned())));
    }

    #[test]
    fn the_type_is_that_of_access_tokens_in_any_case_rfc_9068_4() {
        for good in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert_eq!(parse(&format!(r#"{{"alg":"ES256","typ":"{good}"}}"#)), Ok(None), "{good}");
        }
        for bad in ["\"JWT\"", "\"secevent+jwt\"", "\"at+jwt \"", "\"\"", "null", "7"] {
            let refused = parse(&format!(r#"{{"alg":"ES256","typ":{bad}}}"#));
            assert_eq!(refused, Err(TokenFault::Type), "{bad}");
        }
        assert_eq!(parse(r#"{"alg":"ES256"}"#), Err(TokenFault::Type));
    }

    #[test]
    fn no_algorithm_but_those_allowed_rfc_8725_3_1() {
        for bad in
            ["\"none\"", "\"HS256\"", "\"es256\"", "\"ES384\"", "\"\"", "null", "7", "[\"ES256\"]"]
        {
            let refused = parse(&format!(r#"{{"alg":{bad},"typ":"at+jwt"}}"#));
            assert_eq!(refused, Err(TokenFault::Algorithm), "{bad}");
        }
    }

    #[test]
    fn critical_extensions_are_refused_and_foreign_keys_ignored_rfc_7515_4_1_11() {
        for critical in ["[\"b64\"]", "[]", "null"] {
            let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","crit":{critical}}}"#);
            assert_eq!(parse(&header), Err(TokenFault::Critical), "{critical}");
        }
        let header = r#"{"alg":"ES256","typ":"at+jwt","jku":"x","x5u":"x","jwk":{},"x5c":[]}"#;
        assert_eq!(parse(header), Ok(None));
    }

    #[test]
    fn what_is_no_signed_jwt_is_malformed() {
        let header = encode(r#"{"alg":"ES256","typ":"at+jwt"}"#);
        let claims = encode("{}");
        for token in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            "opaque-token".to_owned(),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.x.y.z"),
            format!("{header}.{claims}.="),
            format!("{header}.{}.eA", encode("[]")),
            format!("{header}.{}.eA", encode("{")),
            format!("{}.{claims}.eA", encode(r#"{"alg":"ES256","typ":"at+jwt","kid":7}"#)),
            // The unused bits of the last character are set: another text for the same bytes.
            format!("{header}.{claims}.eB"),
            format!("{header}.{claims}.{}", "A".repeat(MOST_BYTES)),
        ] {
            let refused = Parts::parse(&token, &[Algorithm::Es256]).map(|_| ());
            assert_eq!(refused, Err(TokenFault::Malformed), "{token}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(token: String) {
            let _ = Parts::parse(&token, &[Algorithm::Es256]);
        }

        #[test]
        fn no_bytes_in_three_segments_make_it_panic(header: Vec<u8>, claims: Vec<u8>, signature: Vec<u8>) {
            let segment = |bytes| URL_SAFE_NO_PAD.encode(bytes);
            let token = format!("{}.{}.{}", segment(header), segment(claims), segment(signature));
            let _ = Parts::parse(&token, &[Algorithm::Es256]);
        }
    }
}
