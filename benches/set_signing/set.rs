//! SETs the way the transmitter makes them, and keys for them.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use serde_json::json;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, Issuer, Jti, KeyId, Txn};
use ssf_transmitter::keys::{KeyError, KeyProvider, KeySet, SignBatch, Signed};
use ssf_transmitter::set::{HeaderSegment, SetBody, SigningInput};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{Algorithm, Event, LocalKeys, SigningKey, SimpleSubject};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The identifier of every key here.
pub(crate) const KID: &str = "2026-11-a";

/// What SETs are made of.
pub(crate) struct Maker {
    pub(crate) issuer: Issuer,
    pub(crate) audience: Audience,
    pub(crate) jti: Jti,
    pub(crate) body: SetBody,
    kid: KeyId,
    header: HeaderSegment,
    txn: Txn,
    event: Event,
}

impl Maker {
    pub(crate) fn new(algorithm: Algorithm) -> Result<Self> {
        let kid = KeyId::parse(KID)?;
        let subject = SimpleSubject::email("former.employee@example.com")?;
        let event = Event::new(types::session_revoked(), subject)
            .with_member("reason_admin", json!({"en": "The account was disabled"}));
        let txn = Txn::parse("019ab0f0-5c4e-7d3a-8f21-6b1f0a2c9e47")?;
        Ok(Self {
            header: HeaderSegment::new(algorithm, &kid),
            issuer: Issuer::parse("https://transmitter.example.com")?,
            audience: Audience::parse("https://receiver.example.com")?,
            jti: Jti::parse("019ab0f0-5c4e-7d3a-8f21-6b1f0a2c9e48")?,
            body: body(&event, &txn)?,
            kid,
            txn,
            event,
        })
    }

    /// The claims that all SETs of an event share: made once, when it is emitted.
    pub(crate) fn event(&self) -> Result<SetBody> {
        body(&self.event, &self.txn)
    }

    /// What is signed.
    pub(crate) fn inputs(&self, count: usize) -> Result<Vec<SigningInput>> {
        let Self { header, issuer, audience, jti, body, .. } = self;
        let mut buffer = Vec::new();
        let input = |_| SigningInput::new(header, issuer, jti, audience, body, &mut buffer);
        Ok((0..count).map(input).collect())
    }

    /// That many SETs, from their claims to the compact serialisation.
    pub(crate) fn sets(&self, keys: &dyn KeyProvider, count: usize) -> Result<Vec<String>> {
        let batch = SignBatch::new(self.kid.clone(), self.inputs(count)?, Timestamp::default());
        let signed = block_on(keys.sign(batch))?;
        Ok(signed.into_iter().map(|set| set.input.with_signature(&set.signature)).collect())
    }
}

fn body(event: &Event, txn: &Txn) -> Result<SetBody> {
    let now = Timestamp::from_seconds(1_795_000_000);
    Ok(SetBody::new(now, txn, event.subject(), event.event_type(), event.members())?)
}

/// A key; `bits` is the length of an RSA key.
pub(crate) fn generate(algorithm: Algorithm, bits: u32) -> Result<PKey<Private>> {
    let ec = |curve| PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(curve)?)?);
    Ok(match algorithm {
        Algorithm::Es256 => ec(Nid::X9_62_PRIME256V1)?,
        Algorithm::Es384 => ec(Nid::SECP384R1)?,
        Algorithm::EdDsa | Algorithm::Ed25519 => PKey::generate_ed25519()?,
        _ => PKey::from_rsa(Rsa::generate(bits)?)?,
    })
}

/// That key in the hands of the library.
pub(crate) fn local_keys(algorithm: Algorithm, key: &PKey<Private>) -> Result<LocalKeys> {
    let pem = key.private_key_to_pem_pkcs8()?;
    Ok(LocalKeys::new(SigningKey::from_pem(pem, algorithm, KeyId::parse(KID)?)?))
}

/// A provider that gives the same signature every time: what is left is everything else.
#[derive(Debug)]
pub(crate) struct Fixed(Vec<u8>);

impl Fixed {
    pub(crate) fn new(length: usize) -> Result<Self> {
        Ok(Self(vec![0x5a; length]))
    }
}

#[async_trait]
impl KeyProvider for Fixed {
    async fn key_set(&self) -> std::result::Result<Arc<KeySet>, KeyError> {
        Ok(Arc::default())
    }

    async fn sign(&self, batch: SignBatch) -> std::result::Result<Vec<Signed>, KeyError> {
        let sign = |input| Signed::new(input, self.0.clone());
        Ok(batch.inputs.into_iter().map(sign).collect())
    }
}
