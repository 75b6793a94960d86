//! SETs made by the library and by other crates, of the same claims with the same keys.

use std::error::Error;
use std::num::NonZeroUsize;

use jsonwebtoken::{EncodingKey, Header, encode};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use serde::Serialize;
use serde_json::{Map, Value, json};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, Issuer, Jti, KeyId, Txn};
use ssf_transmitter::keys::local::SigningBackend;
use ssf_transmitter::keys::{KeyProvider, SignBatch};
use ssf_transmitter::set::{HeaderSegment, SetBody, SigningInput};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{Algorithm, Event, LocalKeys, SigningKey, SimpleSubject};

/// What can go wrong: any library's error.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A key that all of them sign with.
///
/// # Errors
/// When OpenSSL fails.
pub fn generate(algorithm: Algorithm) -> Result<PKey<Private>> {
    let ec = |curve| PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(curve)?)?);
    Ok(match algorithm {
        Algorithm::Es256 => ec(Nid::X9_62_PRIME256V1)?,
        Algorithm::Es384 => ec(Nid::SECP384R1)?,
        Algorithm::EdDsa | Algorithm::Ed25519 => PKey::generate_ed25519()?,
        _ => PKey::from_rsa(Rsa::generate(2048)?)?,
    })
}

const KID: &str = "2026-11-a";
const ISSUER: &str = "https://transmitter.example.com";
const AUDIENCE: &str = "https://receiver.example.com";
const JTI: &str = "019ab0f0-5c4e-7d3a-8f21-6b1f0a2c9e48";

/// The library, signing on one thread.
#[derive(Debug)]
pub struct Ours {
    keys: LocalKeys,
    kid: KeyId,
    header: HeaderSegment,
    issuer: Issuer,
    audience: Audience,
    jti: Jti,
    body: SetBody,
}

impl Ours {
    /// The library with that key.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn new(algorithm: Algorithm, key: &PKey<Private>, by: SigningBackend) -> Result<Self> {
        let kid = KeyId::parse(KID)?;
        let pem = key.private_key_to_pem_pkcs8()?;
        let keys = LocalKeys::new(SigningKey::from_pem(pem, algorithm, kid.clone())?);
        let subject = SimpleSubject::email("former.employee@example.com")?;
        let event = Event::new(types::session_revoked(), subject)
            .with_member("reason_admin", json!({"en": "The account was disabled"}));
        let txn = Txn::parse("019ab0f0-5c4e-7d3a-8f21-6b1f0a2c9e47")?;
        let now = Timestamp::from_seconds(1_795_000_000);
        Ok(Self {
            keys: keys.signed_by(by)?.with_signing_threads(NonZeroUsize::MIN),
            header: HeaderSegment::new(algorithm, &kid),
            issuer: Issuer::parse(ISSUER)?,
            audience: Audience::parse(AUDIENCE)?,
            jti: Jti::parse(JTI)?,
            body: SetBody::new(now, &txn, event.subject(), event.event_type(), event.members())?,
            kid,
        })
    }

    /// That many SETs in their compact serialisation.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sets(&self, count: usize) -> Result<Vec<String>> {
        let Self { header, issuer, audience, jti, body, .. } = self;
        let mut buffer = Vec::new();
        let input = |_| SigningInput::new(header, issuer, jti, audience, body, &mut buffer);
        let inputs = (0..count).map(input).collect();
        let batch = SignBatch::new(self.kid.clone(), inputs, Timestamp::default());
        let signed = block_on(self.keys.sign(batch))?;
        Ok(signed.into_iter().map(|set| set.input.with_signature(&set.signature)).collect())
    }
}

/// `jsonwebtoken` over AWS-LC.
pub struct Jsonwebtoken {
    header: Header,
    key: EncodingKey,
    claims: Claims,
}

#[derive(Serialize)]
struct Claims {
    iss: &'static str,
    jti: &'static str,
    aud: &'static str,
    #[serde(flatten)]
    shared: Map<String, Value>,
}

impl Jsonwebtoken {
    /// The same claims and the same key as `ours`.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn new(algorithm: Algorithm, key: &PKey<Private>, ours: &Ours) -> Result<Self> {
        let pem = key.private_key_to_pem_pkcs8()?;
        let (algorithm, key) = match algorithm {
            Algorithm::Es256 => (jsonwebtoken::Algorithm::ES256, EncodingKey::from_ec_pem(&pem)?),
            Algorithm::Es384 => (jsonwebtoken::Algorithm::ES384, EncodingKey::from_ec_pem(&pem)?),
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                (jsonwebtoken::Algorithm::EdDSA, EncodingKey::from_ed_pem(&pem)?)
            }
            Algorithm::Ps256 => (jsonwebtoken::Algorithm::PS256, EncodingKey::from_rsa_pem(&pem)?),
            _ => (jsonwebtoken::Algorithm::RS256, EncodingKey::from_rsa_pem(&pem)?),
        };
        let mut header = Header::new(algorithm);
        header.typ = Some("secevent+jwt".to_owned());
        header.kid = Some(KID.to_owned());
        let shared = serde_json::from_str(ours.body.as_str())?;
        Ok(Self { header, key, claims: Claims { iss: ISSUER, jti: JTI, aud: AUDIENCE, shared } })
    }

    /// That many SETs in their compact serialisation.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sets(&self, count: usize) -> Result<Vec<String>> {
        let set = |_| Ok(encode(&self.header, &self.claims, &self.key)?);
        (0..count).map(set).collect()
    }
}

impl std::fmt::Debug for Jsonwebtoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jsonwebtoken({:?})", self.header.alg)
    }
}
