//! A key provider over OpenSSL alone: one key on P-256 that signs with ES256.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Private;
use openssl::sha::sha256;
use serde_json::{Map, Value, json};
use ssf_transmitter::id::KeyId;
use ssf_transmitter::keys::{KeyError, KeyProvider, KeySet, PublicKey, SignBatch, Signed};
use ssf_transmitter::set::Algorithm;

/// The bytes of a coordinate, and of either integer of a signature (RFC 7518 §3.4, §6.2.1.2).
const WIDTH: i32 = 32;

/// One key, made when the process starts.
pub struct OneKey {
    key: EcKey<Private>,
    kid: KeyId,
    published: Arc<KeySet>,
}

impl OneKey {
    /// Makes a new key under that identifier.
    ///
    /// # Errors
    /// Whatever OpenSSL says.
    pub fn generate(kid: KeyId) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = EcKey::generate(&group)?;
        let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
        let mut context = BigNumContext::new()?;
        key.public_key().affine_coordinates(&group, &mut x, &mut y, &mut context)?;
        let coordinate = |of: &BigNum| {
            Ok::<_, ErrorStack>(Value::String(URL_SAFE_NO_PAD.encode(of.to_vec_padded(WIDTH)?)))
        };
        let jwk = Map::from_iter([
            ("kty".to_owned(), json!("EC")),
            ("crv".to_owned(), json!("P-256")),
            ("x".to_owned(), coordinate(&x)?),
            ("y".to_owned(), coordinate(&y)?),
            ("kid".to_owned(), json!(kid.as_str())),
            ("alg".to_owned(), json!("ES256")),
            ("use".to_owned(), json!("sig")),
        ]);
        let public = PublicKey::new(kid.clone(), Algorithm::Es256, jwk);
        Ok(Self { key, kid, published: Arc::new(KeySet::new(vec![public])?) })
    }

    /// OpenSSL gives the two integers; a JWS has them side by side, not in DER (RFC 7518 §3.4).
    fn signature(&self, input: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let signature = EcdsaSig::sign(&sha256(input), &self.key)?;
        let mut integers = signature.r().to_vec_padded(WIDTH)?;
        integers.extend(signature.s().to_vec_padded(WIDTH)?);
        Ok(integers)
    }
}

impl std::fmt::Debug for OneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OneKey({})", self.kid)
    }
}

#[async_trait]
impl KeyProvider for OneKey {
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
        Ok(Arc::clone(&self.published))
    }

    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
        if batch.kid != self.kid {
            return Err(KeyError::UnknownKey(batch.kid));
        }
        let sign = |input: ssf_transmitter::set::SigningInput| {
            let signature = self.signature(input.as_bytes());
            signature
                .map(|signature| Signed::new(input, signature))
                .map_err(|error| KeyError::Unavailable(error.into()))
        };
        batch.inputs.into_iter().map(sign).collect()
    }
}
