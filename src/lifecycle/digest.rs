//! Keyed digests, kept where a value must not be.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AttributePath;
use crate::id::IdentityId;
use crate::secret::Secret;

/// The keyed digest of a value: HMAC-SHA256 over the identity, the attribute and the value, so that
/// the same value of two identities or attributes does not show as the same. It names its key: under
/// another key an earlier value is unknown, and nothing fires.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(Box<str>);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest([hidden])")
    }
}

impl Digest {
    /// Whether both were made with the same key.
    pub(super) fn same_key(&self, other: &Self) -> bool {
        let key = |digest: &Self| digest.0.split('.').next().map(str::to_owned);
        key(self) == key(other)
    }
}

/// The key that digests are made with.
#[derive(Clone)]
pub struct DigestKey {
    key: PKey<Private>,
    /// The beginning of a digest of nothing, which tells keys apart and says nothing of them.
    name: Arc<str>,
}

/// Why a secret is no digest key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestKeyError {
    /// A key that can be guessed protects nothing.
    #[error("must be at least 32 bytes long")]
    TooShort,
    /// OpenSSL refused it.
    #[error("cannot be used")]
    Unusable,
}

impl DigestKey {
    /// Makes a key of a secret of at least 32 bytes. All processes over one store use the same.
    ///
    /// # Errors
    /// [`DigestKeyError`] when the secret is too short or cannot be used.
    pub fn new(secret: &Secret) -> Result<Self, DigestKeyError> {
        let secret = secret.expose().as_bytes();
        if secret.len() < 32 {
            return Err(DigestKeyError::TooShort);
        }
        let key = PKey::hmac(secret).map_err(|_| DigestKeyError::Unusable)?;
        let digest = hmac(&key, b"").ok_or(DigestKeyError::Unusable)?;
        Ok(Self { key, name: URL_SAFE_NO_PAD.encode(&digest[..6]).into() })
    }

    /// The digest of a value. `None`: OpenSSL failed, and the value counts as unknown.
    pub(super) fn digest(
        &self,
        identity: &IdentityId,
        path: &AttributePath,
        value: &Value,
    ) -> Option<Digest> {
        let mut bytes = Vec::new();
        for part in [identity.as_str(), path.as_str()] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        write_canonical(value, &mut bytes);
        let digest = URL_SAFE_NO_PAD.encode(hmac(&self.key, &bytes)?);
        Some(Digest(format!("{}.{digest}", self.name).into()))
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey([redacted])")
    }
}

fn hmac(key: &PKey<Private>, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut signer = Signer::new(MessageDigest::sha256(), key).ok()?;
    signer.sign_oneshot_to_vec(bytes).ok()
}

/// Writes values that are the same as the same bytes: members sorted, whole numbers as integers.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for item in items {
                write_canonical(item, out);
                out.push(b',');
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (name, value) in sorted {
                out.extend_from_slice(Value::from(name.as_str()).to_string().as_bytes());
                out.push(b':');
                write_canonical(value, out);
                out.push(b',');
            }
            out.push(b'}');
        }
        Value::Number(number) => {
            // Doubles up to 2^53 that are whole are written as the integers they are.
            let whole = number.as_f64().filter(|double| {
                number.is_f64() && double.fract() == 0.0 && double.abs() < 9_007_199_254_740_992.0
            });
            // Adding zero makes a zero of minus zero.
            let text =
                whole.map_or_else(|| number.to_string(), |double| format!("{:.0}", double + 0.0));
            out.extend_from_slice(text.as_bytes());
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {
            out.extend_from_slice(value.to_string().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(secret: &str) -> DigestKey {
        DigestKey::new(&Secret::new(secret.repeat(32))).unwrap()
    }

    fn digest(key: &DigestKey, identity: &str, path: &str, value: &Value) -> Digest {
        let path = AttributePath::parse(path).unwrap();
        key.digest(&IdentityId::parse(identity).unwrap(), &path, value).unwrap()
    }

    #[test]
    fn the_same_value_has_the_same_digest_and_only_there() {
        let (one, two) = (key("a"), key("b"));
        let first = digest(&one, "i", "p", &json!({"x": 1, "y": [2.0]}));
        assert_eq!(first, digest(&one, "i", "p", &json!({"y": [2], "x": 1.0})));
        for other in [
            digest(&one, "i", "p", &json!({"x": "1", "y": [2]})),
            digest(&one, "j", "p", &json!({"x": 1, "y": [2]})),
            digest(&one, "i", "q", &json!({"x": 1, "y": [2]})),
            digest(&two, "i", "p", &json!({"x": 1, "y": [2]})),
        ] {
            assert_ne!(first, other);
        }
        assert!(first.same_key(&digest(&one, "j", "q", &json!(null))));
        assert!(!first.same_key(&digest(&two, "i", "p", &json!(null))));
    }

    #[test]
    fn a_short_key_is_refused_and_none_is_shown() {
        let short = DigestKey::new(&Secret::new("x".repeat(31)));
        assert_eq!(short.unwrap_err(), DigestKeyError::TooShort);
        let key = key("k");
        assert_eq!(format!("{key:?}"), "DigestKey([redacted])");
        assert!(!format!("{:?}", digest(&key, "i", "p", &json!("v"))).contains('.'));
    }
}
