//! The JWS compact serialisation of a SET (RFC 7515 §3.1).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::claims::SetBody;
use crate::id::{Audience, Issuer, Jti, KeyId};

/// A signature algorithm. There is no `none` and no HMAC: the keys of SETs are public
/// (RFC 8725 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: what the CAEP interoperability profile asks for.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519 under the name of RFC 8037, `EdDSA`.
    EdDsa,
    /// Ed25519 under the name of RFC 9864, `Ed25519`.
    Ed25519,
}

impl Algorithm {
    /// The `alg` name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first segment of every SET that one key signs, encoded once: the members `typ`, `alg` and
/// `kid`, and no others (RFC 8417 §2.3, SSF 1.0 §4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSegment(Box<str>);

impl HeaderSegment {
    /// The segment for that key.
    #[must_use]
    pub fn new(algorithm: Algorithm, kid: &KeyId) -> Self {
        let header = json!({"typ": "secevent+jwt", "alg": algorithm.as_str(), "kid": kid.as_str()});
        Self(URL_SAFE_NO_PAD.encode(header.to_string()).into())
    }
}

/// What is signed: header segment, a dot, and the encoded claims (RFC 7515 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningInput(String);

impl SigningInput {
    /// The signing input of one SET. `buffer` holds the claims on their way; pass the same one for
    /// every SET of a batch.
    #[must_use]
    pub fn new(
        header: &HeaderSegment,
        iss: &Issuer,
        jti: &Jti,
        aud: &Audience,
        body: &SetBody,
        buffer: &mut Vec<u8>,
    ) -> Self {
        buffer.clear();
        body.write(iss, jti, aud, buffer);
        // Room for the whole token, so that adding the signature moves nothing: RSA with 4,096
        // bits has the longest signature, 683 characters.
        let mut text = String::with_capacity(header.0.len() + buffer.len() * 4 / 3 + 8 + 684);
        text.push_str(&header.0);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&*buffer, &mut text);
        Self(text)
    }

    /// The bytes to sign.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The compact serialisation: the signing input, a dot, and the encoded signature.
    #[must_use]
    pub fn with_signature(mut self, signature: &[u8]) -> String {
        self.0.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut self.0);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::event::types;
    use crate::id::Txn;
    use crate::subject::Subject;
    use crate::timestamp::Timestamp;

    fn compact(signature: &[u8]) -> String {
        let subject = Subject::parse(&json!({"format": "opaque", "id": "s"})).unwrap();
        let txn = Txn::parse("t").unwrap();
        let body = SetBody::new(
            Timestamp::from_seconds(1),
            &txn,
            &subject,
            &types::session_revoked(),
            &Map::new(),
        )
        .unwrap();
        let header = HeaderSegment::new(Algorithm::Rs256, &KeyId::parse("2026-11-a").unwrap());
        let issuer = Issuer::parse("https://tr.example.com").unwrap();
        let (jti, aud) = (Jti::parse("j").unwrap(), Audience::parse("a").unwrap());
        SigningInput::new(&header, &issuer, &jti, &aud, &body, &mut vec![1, 2, 3])
            .with_signature(signature)
    }

    fn segment(token: &str, index: usize) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()
    }

    #[test]
    fn the_header_has_exactly_typ_alg_and_kid_rfc_8417_2_3() {
        let header: Value = serde_json::from_slice(&segment(&compact(b"s"), 0)).unwrap();
        assert_eq!(header, json!({"typ": "secevent+jwt", "alg": "RS256", "kid": "2026-11-a"}));
    }

    #[test]
    fn a_token_is_three_segments_rfc_7515_7_1() {
        let token = compact(&[0xff, 0x00]);
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(segment(&token, 2), [0xff, 0x00]);
        let claims: Value = serde_json::from_slice(&segment(&token, 1)).unwrap();
        assert_eq!(claims["jti"], "j");
    }
}
