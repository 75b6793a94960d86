//! What the store in memory takes: less than 1.5 KB for a SET that waits, less than 2 KB once it was
//! handed out, and 2.5 KB for a stream with three event types, a receiver of its own, an endpoint
//! and a secret, where nothing happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use peak_alloc::PeakAlloc;
use serde_json::json;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, StreamId, TenantId};
use ssf_transmitter::protocol::{CreateStream, PollRequest, RequestedDelivery};
use ssf_transmitter::stream::{AuthorizationHeader, EndpointUrl, PushDelivery};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::{
    Algorithm, Caller, Config, Event, LocalKeys, MemoryStore, SigningKey, SimpleSubject,
    Transmitter,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How many there are of what is measured. Tables grow by doubling: this many leave them as empty as
/// they get.
const NUMBER: usize = 4_200;

const MOST_OF_A_STREAM: usize = 2_600;
const MOST_OF_A_WAITING_SET: usize = 1_536;
const MOST_OF_A_SET_HANDED_OUT: usize = 2_048;

#[test]
fn an_idle_stream_and_a_set_that_waits_take_few_bytes() {
    let transmitter = transmitter();
    let stream = each(|| (0..NUMBER).for_each(|n| drop(create(&transmitter, n, push(n)))));

    let other = self::transmitter();
    let (id, caller) = create(&other, 0, RequestedDelivery::Poll);
    let waiting = each(|| (0..NUMBER).for_each(|n| emit(&other, n)));
    let signed = each(|| {
        let mut request = PollRequest::default();
        request.max_events = Some(NUMBER);
        let reply = block_on(other.receivers().poll(&caller, &id, request)).unwrap();
        assert_eq!(reply.sets.len(), NUMBER);
    });

    let handed_out = waiting + signed;
    println!("bytes: stream {stream}, waiting SET {waiting}, handed out {handed_out}");
    assert!(stream < MOST_OF_A_STREAM, "{stream}");
    assert!(waiting < MOST_OF_A_WAITING_SET, "{waiting}");
    assert!(handed_out < MOST_OF_A_SET_HANDED_OUT, "{handed_out}");
}

/// How many bytes each of what the work makes takes.
fn each(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    work();
    (MEMORY.current_usage() - before) / NUMBER
}

fn transmitter() -> Transmitter {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("2026-11").unwrap()).unwrap();
    let issuer = Issuer::parse("https://tr.example.com").unwrap();
    let mut config = Config::default();
    config.poll_batch = NUMBER;
    Transmitter::builder(issuer, Arc::new(MemoryStore::new()), LocalKeys::new(key))
        .with_config(config)
        .build()
        .unwrap()
}

fn push(number: usize) -> RequestedDelivery {
    let endpoint = format!("https://receiver-{number}.example.net/ssf/events");
    let secret = format!("Bearer 0123456789abcdef0123456789abcdef{number:08}");
    let secret = AuthorizationHeader::parse(&secret).unwrap();
    let endpoint = EndpointUrl::parse(&endpoint).unwrap();
    RequestedDelivery::Push(PushDelivery::new(endpoint, Some(secret)))
}

/// A stream of a receiver of its own that delivers three event types.
fn create(
    transmitter: &Transmitter,
    number: usize,
    delivery: RequestedDelivery,
) -> (StreamId, Caller) {
    let client = ClientId::parse(format!("client-{number}")).unwrap();
    let owner = Owner::new(TenantId::parse("acme").unwrap(), client);
    let audience = Audience::parse(format!("https://receiver-{number}.example.net")).unwrap();
    let caller = Caller::new(owner, audience, []);
    let mut request = CreateStream::new(delivery);
    request.events_requested =
        Some(vec![types::session_revoked(), types::credential_change(), types::account_disabled()]);
    let stream = block_on(transmitter.receivers().create_stream(&caller, request)).unwrap();
    (stream.stream_id, caller)
}

/// An event about a user of its own.
fn emit(transmitter: &Transmitter, number: usize) {
    let user = SimpleSubject::email(format!("former.employee-{number}@example.com")).unwrap();
    let event = Event::new(types::session_revoked(), user)
        .with_member("reason_admin", json!({"en": "The account was disabled"}));
    assert_eq!(block_on(transmitter.emit(event)).unwrap().sets.len(), 1);
}
