//! How often a SET asks for memory, on its way from the claims to the compact serialisation. In a
//! binary of its own: what is counted is counted for the whole of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, Issuer, Jti, KeyId, Txn};
use ssf_transmitter::keys::{KeyError, KeyProvider, KeySet, SignBatch, Signed};
use ssf_transmitter::set::{HeaderSegment, SetBody, SigningInput};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{Algorithm, Event, SimpleSubject};

/// Gives a signature of fixed bytes, and asks for the memory of that alone.
#[derive(Debug)]
struct Fixed;

#[async_trait]
impl KeyProvider for Fixed {
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
        Ok(Arc::default())
    }

    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
        Ok(batch.inputs.into_iter().map(|input| Signed::new(input, vec![0; 256])).collect())
    }
}

/// That many SETs of one event, as the transmitter makes them.
fn sets(count: usize) -> u64 {
    let kid = KeyId::parse("k").unwrap();
    let header = HeaderSegment::new(Algorithm::Rs256, &kid);
    let issuer = Issuer::parse("https://transmitter.example.com").unwrap();
    let audience = Audience::parse("https://receiver.example.com").unwrap();
    let jti = Jti::parse("019ab0f0-5c4e-7d3a-8f21-6b1f0a2c9e48").unwrap();
    let subject = SimpleSubject::email("former.employee@example.com").unwrap();
    let event = Event::new(types::session_revoked(), subject)
        .with_member("reason_admin", json!({"en": "The account was disabled"}));
    let txn = Txn::parse("txn").unwrap();
    let now = Timestamp::from_seconds(1_795_000_000);
    let body = SetBody::new(now, &txn, event.subject(), event.event_type(), event.members());
    let body = body.unwrap();
    let counted = allocation_counter::measure(|| {
        let mut buffer = Vec::new();
        let input = |_| SigningInput::new(&header, &issuer, &jti, &audience, &body, &mut buffer);
        let batch = SignBatch::new(kid, (0..count).map(input).collect(), now);
        let signed = block_on(Fixed.sign(batch)).unwrap();
        for set in signed {
            let token: Arc<str> = set.input.with_signature(&set.signature).into();
            assert!(token.len() > 700);
        }
    });
    counted.count_total
}

#[test]
fn a_set_asks_for_memory_three_times_the_signature_and_the_kept_token_included() {
    let (few, many) = (sets(100), sets(1_100));
    assert_eq!(many - few, 3 * 1_000);
}
