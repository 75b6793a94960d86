//! A SET the way josekit documents it: a payload of claims, a header, one call.

use std::error::Error;

use josekit::jws::{ES256, ES384, EdDSA, JwsHeader, JwsSigner, PS256, RS256};
use josekit::jwt::{self, JwtPayload};
use openssl::pkey::{PKey, Private};
use serde_json::{Map, Value};
use ssf_transmitter::Algorithm;

use crate::set::{KID, Maker};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What josekit signs with, and what it signs.
pub(crate) struct JosekitPath {
    signer: Box<dyn JwsSigner>,
    claims: Map<String, Value>,
}

impl JosekitPath {
    pub(crate) fn new(algorithm: Algorithm, key: &PKey<Private>, maker: &Maker) -> Result<Self> {
        let pkcs8 = key.private_key_to_pkcs8()?;
        let signer: Box<dyn JwsSigner> = match algorithm {
            Algorithm::Es256 => Box::new(ES256.signer_from_der(&pkcs8)?),
            Algorithm::Es384 => Box::new(ES384.signer_from_der(&pkcs8)?),
            Algorithm::EdDsa | Algorithm::Ed25519 => Box::new(EdDSA.signer_from_der(&pkcs8)?),
            // josekit takes an ordinary key for PS256 in the form of PKCS#1 only.
            Algorithm::Ps256 => Box::new(PS256.signer_from_der(key.rsa()?.private_key_to_der()?)?),
            _ => Box::new(RS256.signer_from_der(&pkcs8)?),
        };
        let mut claims: Map<String, Value> = serde_json::from_str(maker.body.as_str())?;
        claims.insert("iss".to_owned(), maker.issuer.as_str().into());
        claims.insert("jti".to_owned(), maker.jti.as_str().into());
        claims.insert("aud".to_owned(), maker.audience.as_str().into());
        Ok(Self { signer, claims })
    }

    /// One SET.
    pub(crate) fn set(&self) -> Result<String> {
        let mut header = JwsHeader::new();
        header.set_token_type("secevent+jwt");
        header.set_key_id(KID);
        let payload = JwtPayload::from_map(self.claims.clone())?;
        Ok(jwt::encode_with_signer(&payload, &header, &*self.signer)?)
    }
}
