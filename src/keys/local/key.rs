//! One private key, bound to one algorithm.

use std::fmt;

use serde_json::Value;

use super::material::{self, Cause, KeyType, Material, Members, thumbprint};
use super::signer::{Signer, SigningBackend};
use crate::id::{IdError, KeyId};
use crate::secret::Secret;
use crate::set::Algorithm;

/// A private key in this process, with its identifier and the one algorithm it is used with
/// (RFC 8725 §3.1).
///
/// * an RSA key has at least 2,048 bits (RFC 7518 §3.3);
/// * the key has verified what it signed (RFC 8725 §3.3);
/// * `Debug` shows the identifier and the algorithm, never the key.
pub struct SigningKey {
    kid: KeyId,
    algorithm: Algorithm,
    public: Members,
    private: Members,
    signer: Box<dyn Signer>,
}

/// Why something is not a key that can sign SETs. Says nothing of the key itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyMaterialError {
    /// Not a JSON object with a JWK.
    #[error("not a JWK")]
    NotJwk,
    /// The key cannot be read: members are missing or malformed, the PEM text is not one of a
    /// private key, or it is encrypted.
    #[error("the private key cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A JWK without private members.
    #[error("the JWK has no private key")]
    NotPrivate,
    /// A `kty` or `crv` that signs no SETs.
    #[error("keys of this type or curve cannot sign SETs")]
    UnsupportedType,
    /// An `alg` that signs no SETs.
    #[error("the alg of the JWK cannot sign SETs")]
    UnsupportedAlgorithm,
    /// The key is of another type or curve than the algorithm needs.
    #[error("the key cannot be used with {0}")]
    AlgorithmMismatch(Algorithm),
    /// `use` or `key_ops` of the JWK say that it is not for signing (RFC 7517 §4.2, §4.3).
    #[error("the JWK is not meant for signing")]
    NotForSigning,
    /// An RSA key that is too short (RFC 7518 §3.3, RFC 8725 §3.5).
    #[error("an RSA key of {bits} bits is too weak, 2048 are needed")]
    WeakRsa {
        /// The length of its modulus.
        bits: usize,
    },
    /// The `kid` of the JWK is not the identifier of a key.
    #[error("the kid of the JWK is not a key identifier")]
    Kid(#[source] IdError),
    /// The key did not verify what it signed: its public and its private part do not belong
    /// together.
    #[error("the key does not verify what it signs")]
    SelfTest,
    /// No key could be made.
    #[error("the key could not be generated")]
    Generate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SigningKey {
    /// Reads a private JWK (RFC 7517).
    ///
    /// Without `alg` it signs with RS256, ES256, ES384 or `EdDSA`, by its type; `"alg":"Ed25519"`
    /// gives an Ed25519 key the name of RFC 9864. Without `kid` it gets its thumbprint (RFC 7638,
    /// SHA-256). An RSA key needs all of `p`, `q`, `dp`, `dq` and `qi`.
    ///
    /// # Errors
    /// [`KeyMaterialError`] when it is not a private key that can sign SETs.
    pub fn from_jwk(text: &str) -> Result<Self, KeyMaterialError> {
        // Into a value first: errors of a typed parse quote what they found.
        let value: Value = serde_json::from_str(text).map_err(|_| KeyMaterialError::NotJwk)?;
        Self::from_members(value.as_object().ok_or(KeyMaterialError::NotJwk)?)
    }

    /// Reads the first private key of a PEM text that is not encrypted: PKCS#8 (`PRIVATE KEY`),
    /// PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`). Any RSA key serves RS256 and PS256.
    ///
    /// # Errors
    /// [`KeyMaterialError`] when it is not a private key for that algorithm.
    pub fn from_pem(
        pem: impl AsRef<[u8]>,
        algorithm: Algorithm,
        kid: KeyId,
    ) -> Result<Self, KeyMaterialError> {
        Ok(Self::new(Material::from_pem(pem.as_ref(), algorithm)?, algorithm, kid))
    }

    /// Makes a new key; an RSA key gets 2,048 bits, which takes up to a second.
    ///
    /// # Errors
    /// [`KeyMaterialError::Generate`] when OpenSSL fails.
    pub fn generate(algorithm: Algorithm, kid: KeyId) -> Result<Self, KeyMaterialError> {
        Ok(Self::new(Material::generate(algorithm)?, algorithm, kid))
    }

    /// The same key, signing by that library from here on. Without it, OpenSSL signs.
    ///
    /// # Errors
    /// [`KeyMaterialError`] when the library does not take the key.
    pub fn signed_by(&self, backend: SigningBackend) -> Result<Self, KeyMaterialError> {
        let (public, private) = (self.public.clone(), self.private.clone());
        let signer = material::signer(backend, self.algorithm, &public, &private)?;
        Ok(Self { kid: self.kid.clone(), algorithm: self.algorithm, public, private, signer })
    }

    /// Its identifier.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The algorithm it is used with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The private JWK, for the host to store; [`from_jwk`](Self::from_jwk) takes it back.
    ///
    /// # Security
    /// Whoever has it can sign as this transmitter.
    #[must_use]
    pub fn private_jwk(&self) -> Secret {
        Secret::new(Value::Object(self.private.clone()).to_string())
    }

    /// The members of a JWK that this library did not write itself.
    pub(super) fn from_members(jwk: &Members) -> Result<Self, KeyMaterialError> {
        let kind = KeyType::from_jwk(jwk).ok_or(KeyMaterialError::UnsupportedType)?;
        for_signing(jwk)?;
        let algorithm = match jwk.get("alg") {
            None => kind.default_algorithm(),
            Some(name) => named(name).ok_or(KeyMaterialError::UnsupportedAlgorithm)?,
        };
        if KeyType::of(algorithm) != kind {
            return Err(KeyMaterialError::AlgorithmMismatch(algorithm));
        }
        if !jwk.contains_key("d") {
            return Err(KeyMaterialError::NotPrivate);
        }
        let material = Material::from_jwk(jwk, algorithm)?;
        let kid = match jwk.get("kid") {
            None => KeyId::parse(thumbprint(&material.public)),
            Some(kid) => KeyId::parse(kid.as_str().ok_or(KeyMaterialError::NotJwk)?),
        };
        Ok(Self::new(material, algorithm, kid.map_err(KeyMaterialError::Kid)?))
    }

    /// The public JWK: `kty`, `kid`, `alg`, `use` and the public members (RFC 7517 §4).
    pub(super) const fn public_members(&self) -> &Members {
        &self.public
    }

    /// The private JWK as an object.
    pub(super) const fn private_members(&self) -> &Members {
        &self.private
    }

    /// The JWS signature of that signing input (RFC 7515 §5.1).
    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause> {
        self.signer.sign(input)
    }

    fn new(material: Material, algorithm: Algorithm, kid: KeyId) -> Self {
        let labelled = |mut members: Members| {
            members.insert("kid".to_owned(), kid.as_str().into());
            members.insert("alg".to_owned(), algorithm.as_str().into());
            members.insert("use".to_owned(), "sig".into());
            members
        };
        let public = labelled(material.public);
        let private = labelled(material.private);
        Self { kid, algorithm, public, private, signer: material.signer }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {})", self.kid, self.algorithm)
    }
}

fn for_signing(jwk: &Members) -> Result<(), KeyMaterialError> {
    let sig = jwk.get("use").is_none_or(|use_| use_ == "sig");
    let sign = jwk.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|all| all.iter().any(|operation| operation == "sign"))
    });
    if sig && sign { Ok(()) } else { Err(KeyMaterialError::NotForSigning) }
}

fn named(alg: &Value) -> Option<Algorithm> {
    [
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
        Algorithm::Ed25519,
    ]
    .into_iter()
    .find(|algorithm| alg == algorithm.as_str())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn id(kid: &str) -> KeyId {
        KeyId::parse(kid).unwrap()
    }

    fn jwk(algorithm: Algorithm) -> Value {
        let key = SigningKey::generate(algorithm, id("k")).unwrap();
        Value::Object(key.private_members().clone())
    }

    fn refused(jwk: &Value) -> KeyMaterialError {
        SigningKey::from_jwk(&jwk.to_string()).unwrap_err()
    }

    /// The key of RFC 8037 A.1.
    fn rfc_8037() -> Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        })
    }

    #[test]
    fn an_ed25519_key_signs_as_in_rfc_8037_a_4() {
        let key = SigningKey::from_jwk(&rfc_8037().to_string()).unwrap();
        let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert_eq!(
            URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).unwrap()),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn without_a_kid_the_thumbprint_is_the_kid_rfc_8037_a_3() {
        let key = SigningKey::from_jwk(&rfc_8037().to_string()).unwrap();
        assert_eq!(key.kid(), &id("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    }

    #[test]
    fn without_an_alg_the_type_of_the_key_decides() {
        for (algorithm, expected) in [
            (Algorithm::Ps256, Algorithm::Rs256),
            (Algorithm::Es256, Algorithm::Es256),
            (Algorithm::Es384, Algorithm::Es384),
            (Algorithm::Ed25519, Algorithm::EdDsa),
        ] {
            let mut jwk = jwk(algorithm);
            jwk.as_object_mut().unwrap().remove("alg");
            let key = SigningKey::from_jwk(&jwk.to_string()).unwrap();
            assert_eq!(key.algorithm(), expected);
        }
    }

    #[test]
    fn an_ed25519_key_has_the_name_of_rfc_9864_by_choice() {
        let mut jwk = rfc_8037();
        jwk["alg"] = "Ed25519".into();
        let key = SigningKey::from_jwk(&jwk.to_string()).unwrap();
        assert_eq!(key.algorithm(), Algorithm::Ed25519);
        assert_eq!(key.public_members()["alg"], "Ed25519");
    }

    #[test]
    fn a_jwk_that_cannot_sign_sets_is_refused_with_the_reason() {
        let whole = jwk(Algorithm::Es256);
        for (member, value, expected) in [
            ("kty", json!(null), "keys of this type or curve cannot sign SETs"),
            ("kty", json!("oct"), "keys of this type or curve cannot sign SETs"),
            ("crv", json!("P-521"), "keys of this type or curve cannot sign SETs"),
            ("alg", json!("none"), "the alg of the JWK cannot sign SETs"),
            ("alg", json!("HS256"), "the alg of the JWK cannot sign SETs"),
            ("alg", json!("ES384"), "the key cannot be used with ES384"),
            ("alg", json!("RS256"), "the key cannot be used with RS256"),
            ("use", json!("enc"), "the JWK is not meant for signing"),
            ("key_ops", json!(["verify"]), "the JWK is not meant for signing"),
            ("d", json!(null), "the private key cannot be read"),
            ("d", json!("+"), "the private key cannot be read"),
            ("x", json!("AA"), "the private key cannot be read"),
            ("kid", json!(""), "the kid of the JWK is not a key identifier"),
            ("kid", json!(7), "not a JWK"),
        ] {
            let mut jwk = whole.clone();
            jwk[member] = value.clone();
            assert_eq!(refused(&jwk).to_string(), expected, "{member}: {value}");
        }
    }

    #[test]
    fn a_jwk_is_an_object_with_a_private_key() {
        for text in ["", "[]", "\"d\"", "{"] {
            let refused = SigningKey::from_jwk(text).unwrap_err();
            assert!(matches!(refused, KeyMaterialError::NotJwk), "{text}");
        }
        let key = SigningKey::generate(Algorithm::Es256, id("k")).unwrap();
        let public = Value::Object(key.public_members().clone());
        assert!(matches!(refused(&public), KeyMaterialError::NotPrivate));
    }

    #[test]
    fn a_private_key_with_the_public_part_of_another_is_refused_rfc_8725_3_3() {
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa] {
            let (mut own, other) = (jwk(algorithm), jwk(algorithm));
            for member in ["n", "x", "y"] {
                if let Some(value) = other.get(member) {
                    own[member] = value.clone();
                }
            }
            assert!(matches!(refused(&own), KeyMaterialError::SelfTest), "{algorithm}");
        }
    }

    #[test]
    fn neither_debug_nor_errors_show_the_private_key() {
        let mut jwk = jwk(Algorithm::Es256);
        let key = SigningKey::from_jwk(&jwk.to_string()).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(k, ES256)");
        jwk["d"] = "hunter2+".into();
        let error = refused(&jwk);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
