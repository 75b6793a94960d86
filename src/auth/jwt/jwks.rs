//! The keys of an authorization server: the one file of this authenticator that knows josekit.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{ES256, ES384, EdDSA, JwsVerifier, PS256, RS256};
use serde_json::{Map, Value};

use crate::auth::{AuthError, TokenFault};
use crate::set::Algorithm;
use crate::timestamp::Timestamp;

/// Where the keys that verify access tokens come from.
///
/// # Contract
/// 1. `keys` returns the keys that the issuer has published, and no others.
/// 2. A source that caches looks for newer keys when it lacks `kid`, but not for every token:
///    anybody can invent one.
/// 3. `now` is the time to judge the age of a cache by; no clock is read.
/// 4. [`AuthError::Unavailable`] is for keys out of reach. An unknown `kid` is no error here.
/// 5. The future may be dropped at any time.
#[async_trait]
pub trait JwksSource: fmt::Debug + Send + Sync + 'static {
    /// The keys, with that of `kid` if there is one.
    async fn keys(&self, kid: Option<&str>, now: Timestamp) -> Result<Jwks, AuthError>;
}

/// The public keys of a JWK set (RFC 7517 §5) that can verify access tokens. Cheap to clone.
///
/// Other keys are passed over, as RFC 7517 §5 says: those of unknown types and algorithms, those
/// for encryption, symmetric ones, RSA keys under 2,048 bits, and those with malformed members.
#[derive(Clone)]
pub struct Jwks(Arc<[VerificationKey]>);

/// Why a text is no set of keys that can verify access tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The text is no JSON object with an array `keys`.
    #[error("must be a JSON object with an array `keys`")]
    NotJwks,
    /// None of the keys can verify an access token.
    #[error("holds no key that can verify an access token")]
    NoUsableKey,
}

/// One key with one algorithm. A JWK that names none is one for each algorithm of its type.
struct VerificationKey {
    kid: Option<String>,
    algorithm: Algorithm,
    verifier: Box<dyn JwsVerifier>,
}

impl Jwks {
    /// Reads a JWK set.
    ///
    /// # Errors
    /// [`JwksError`] when it is none or has no key for access tokens.
    pub fn parse(json: impl AsRef<[u8]>) -> Result<Self, JwksError> {
        let document: Value =
            serde_json::from_slice(json.as_ref()).map_err(|_| JwksError::NotJwks)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or(JwksError::NotJwks)?;
        let keys: Vec<_> = keys.iter().filter_map(Value::as_object).flat_map(read).collect();
        if keys.is_empty() { Err(JwksError::NoUsableKey) } else { Ok(Self(keys.into())) }
    }

    /// Whether a key has that identifier.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// Verifies a signature with the key that is meant: the one with that `kid`, or without a
    /// `kid` the only one for the algorithm.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        input: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenFault> {
        let meant = |key: &&VerificationKey| kid.is_none() || key.kid.as_deref() == kid;
        let mut keys = self.0.iter().filter(meant).peekable();
        if keys.peek().is_none() {
            return Err(TokenFault::UnknownKey);
        }
        let mut fitting = keys.filter(|key| key.algorithm == algorithm);
        let key = fitting.next().ok_or(TokenFault::Algorithm)?;
        if fitting.next().is_some() {
            return Err(TokenFault::UnknownKey);
        }
        key.verifier.verify(input, signature).map_err(|_| TokenFault::Signature)
    }
}

#[async_trait]
impl JwksSource for Jwks {
    async fn keys(&self, _: Option<&str>, _: Timestamp) -> Result<Self, AuthError> {
        Ok(self.clone())
    }
}

#[async_trait]
impl<T: JwksSource + ?Sized> JwksSource for Arc<T> {
    async fn keys(&self, kid: Option<&str>, now: Timestamp) -> Result<Jwks, AuthError> {
        (**self).keys(kid, now).await
    }
}

#[async_trait]
impl<T: JwksSource + ?Sized> JwksSource for Box<T> {
    async fn keys(&self, kid: Option<&str>, now: Timestamp) -> Result<Jwks, AuthError> {
        (**self).keys(kid, now).await
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.iter().map(|key| (key.kid.as_deref().unwrap_or_default(), key.algorithm));
        f.debug_list().entries(keys).finish()
    }
}

/// The keys that a JWK is.
fn read(jwk: &Map<String, Value>) -> Vec<VerificationKey> {
    let text = |name| jwk.get(name).and_then(Value::as_str);
    // RFC 7517 §4.2, §4.3: what the key may be used for.
    let signs = jwk.get("use").is_none_or(|purpose| purpose == "sig");
    let verifies = jwk.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
    });
    if !signs || !verifies {
        return Vec::new();
    }
    let (algorithms, members): (&[Algorithm], &[&str]) = match (text("kty"), text("crv")) {
        (Some("RSA"), _) if rsa_bits(text("n")) >= 2048 => {
            (&[Algorithm::Rs256, Algorithm::Ps256], &["kty", "n", "e"])
        }
        (Some("EC"), Some("P-256")) => (&[Algorithm::Es256], &["kty", "crv", "x", "y"]),
        (Some("EC"), Some("P-384")) => (&[Algorithm::Es384], &["kty", "crv", "x", "y"]),
        (Some("OKP"), Some("Ed25519")) => {
            (&[Algorithm::EdDsa, Algorithm::Ed25519], &["kty", "crv", "x"])
        }
        _ => return Vec::new(),
    };
    let public: Map<_, _> = jwk
        .iter()
        .filter(|(name, _)| members.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // RFC 8725 §3.1: a key that names an algorithm is used with no other.
    let own = |algorithm: &&Algorithm| jwk.get("alg").is_none_or(|own| own == algorithm.as_str());
    let keys = algorithms.iter().filter(own).filter_map(|&algorithm| {
        let verifier = verifier(algorithm, public.clone()).ok()?;
        Some(VerificationKey { kid: text("kid").map(str::to_owned), algorithm, verifier })
    });
    keys.collect()
}

fn verifier(
    algorithm: Algorithm,
    public: Map<String, Value>,
) -> Result<Box<dyn JwsVerifier>, JoseError> {
    let jwk = Jwk::from_map(public)?;
    Ok(match algorithm {
        Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&jwk)?),
        Algorithm::Ps256 => Box::new(PS256.verifier_from_jwk(&jwk)?),
        Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk)?),
        Algorithm::Es384 => Box::new(ES384.verifier_from_jwk(&jwk)?),
        Algorithm::EdDsa | Algorithm::Ed25519 => Box::new(EdDSA.verifier_from_jwk(&jwk)?),
    })
}

/// The length of an RSA modulus. Its bits are counted: josekit counts bytes.
fn rsa_bits(modulus: Option<&str>) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(modulus.unwrap_or_default()).unwrap_or_default();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let leading = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    (bytes.len() - zeros) * 8 - leading
}

#[cfg(test)]
mod tests {
    use josekit::jwk::KeyPair;
    use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
    use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
    use josekit::jwk::alg::rsa::RsaKeyPair;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn jwk(pair: &dyn KeyPair, more: &Value) -> Value {
        let mut jwk: Map<String, Value> = pair.to_jwk_public_key().into();
        jwk.extend(more.as_object().unwrap().clone());
        Value::Object(jwk)
    }

    fn p256(more: &Value) -> Value {
        jwk(&EcKeyPair::generate(EcCurve::P256).unwrap(), more)
    }

    fn shown(keys: &[Value]) -> String {
        match Jwks::parse(json!({ "keys": keys }).to_string()) {
            Ok(jwks) => format!("{jwks:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_key_without_an_algorithm_is_one_for_each_of_its_type() {
        let rsa = RsaKeyPair::generate(2048).unwrap();
        let ed = EdKeyPair::generate(EdCurve::Ed25519).unwrap();
        let p384 = EcKeyPair::generate(EcCurve::P384).unwrap();
        assert_eq!(shown(&[jwk(&rsa, &json!({"kid": "a"}))]), r#"[("a", Rs256), ("a", Ps256)]"#);
        assert_eq!(shown(&[jwk(&rsa, &json!({"alg": "PS256"}))]), r#"[("", Ps256)]"#);
        assert_eq!(shown(&[jwk(&ed, &json!({}))]), r#"[("", EdDsa), ("", Ed25519)]"#);
        assert_eq!(shown(&[jwk(&p384, &json!({}))]), r#"[("", Es384)]"#);
        assert_eq!(shown(&[p256(&json!({"use": "sig"}))]), r#"[("", Es256)]"#);
        assert_eq!(shown(&[p256(&json!({"key_ops": ["verify"]}))]), r#"[("", Es256)]"#);
    }

    #[test]
    fn keys_that_are_of_no_use_are_passed_over_rfc_7517_5() {
        let good = p256(&json!({"kid": "good"}));
        let weak = RsaKeyPair::generate(1024).unwrap();
        for other in [
            json!(7),
            json!({}),
            json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "x"}),
            json!({"kty": "RSA"}),
            json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
            jwk(&weak, &json!({})),
            jwk(&EcKeyPair::generate(EcCurve::Secp256k1).unwrap(), &json!({})),
            p256(&json!({"use": "enc"})),
            p256(&json!({"key_ops": ["encrypt"]})),
            p256(&json!({"alg": "ES384"})),
            p256(&json!({"alg": "none"})),
            p256(&json!({"alg": 7})),
        ] {
            let none = "holds no key that can verify an access token";
            assert_eq!(shown(std::slice::from_ref(&other)), none, "{other}");
            assert_eq!(shown(&[other.clone(), good.clone()]), r#"[("good", Es256)]"#, "{other}");
        }
    }

    #[test]
    fn what_has_no_keys_is_no_jwk_set() {
        for text in ["", "[]", "{}", "{\"keys\":{}}", "null", "{\"keys\":[]"] {
            assert!(matches!(Jwks::parse(text), Err(JwksError::NotJwks)), "{text}");
        }
    }

    #[test]
    fn the_key_is_the_one_with_the_kid_or_else_the_only_one() {
        let (a, b) = (
            EcKeyPair::generate(EcCurve::P256).unwrap(),
            EcKeyPair::generate(EcCurve::P256).unwrap(),
        );
        let sign = |pair: &EcKeyPair| {
            ES256.signer_from_jwk(&pair.to_jwk_key_pair()).unwrap().sign(b"input").unwrap()
        };
        let keys = [jwk(&a, &json!({"kid": "a"})), jwk(&b, &json!({"kid": "b"}))];
        let two = Jwks::parse(json!({ "keys": keys }).to_string()).unwrap();
        let one = Jwks::parse(json!({ "keys": keys[..1] }).to_string()).unwrap();
        let verify = |jwks: &Jwks, kid, algorithm| {
            jwks.verify(kid, algorithm, b"input", &sign(&a)).map_err(|fault| fault.to_string())
        };
        assert_eq!(verify(&two, Some("a"), Algorithm::Es256), Ok(()));
        assert_eq!(verify(&one, None, Algorithm::Es256), Ok(()));
        let refused = |fault: TokenFault| Err(fault.to_string());
        assert_eq!(verify(&two, Some("b"), Algorithm::Es256), refused(TokenFault::Signature));
        assert_eq!(verify(&two, Some("c"), Algorithm::Es256), refused(TokenFault::UnknownKey));
        assert_eq!(verify(&two, None, Algorithm::Es256), refused(TokenFault::UnknownKey));
        assert_eq!(verify(&two, Some("a"), Algorithm::Rs256), refused(TokenFault::Algorithm));
        assert!(two.has("a") && !two.has("c"));
    }

    #[test]
    fn an_empty_or_zero_signature_is_wrong_and_nothing_worse() {
        let jwks = Jwks::parse(json!({ "keys": [p256(&json!({}))] }).to_string()).unwrap();
        for signature in [&[][..], &[0; 64], &[0xff; 64], &[0; 63]] {
            let refused = jwks.verify(None, Algorithm::Es256, b"input", signature);
            assert_eq!(refused, Err(TokenFault::Signature));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(document: Vec<u8>) {
            let _ = Jwks::parse(document);
        }
    }
}
