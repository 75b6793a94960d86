//! What an emission does: one event, one SET per stream that wants it.

use std::slice;

use serde_json::{Value, json};
use ssf_transmitter::error::Error;
use ssf_transmitter::event::{Event, types};
use ssf_transmitter::id::{IdempotencyKey, Jti, OrderKey, StreamId, Txn};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::set::{MAX_EVENT_BYTES, SetError};
use ssf_transmitter::store::StreamStore;
use ssf_transmitter::stream::{DefaultSubjects, StreamStatus};
use ssf_transmitter::transmitter::Emission;

use crate::drive::{Task, ready};
use crate::world::{
    ISSUER, ONE, START, TWO, World, caller, caller_of, claims, event, push_to, seconds, subject,
};

fn streams_of(emission: &Emission) -> Vec<StreamId> {
    emission.sets.iter().map(|set| set.stream_id.clone()).collect()
}

#[test]
fn an_event_fans_out_under_one_txn_and_a_jti_per_stream_ssf_1_0_4_1() {
    let world = World::new();
    let (push, poll) = (world.push_stream(ONE), world.poll_stream());
    let emission = world.emit("user", "a");
    let mut streams = streams_of(&emission);
    streams.sort();
    let mut expected = vec![push, poll.clone()];
    expected.sort();
    assert_eq!(streams, expected);
    world.run_once();
    let pushed = claims(&world.receiver.pushes()[0].token);
    let polled = claims(&world.poll(&poll, json!({})).sets[0].1);
    assert_eq!((&pushed["txn"], &polled["txn"]), (&json!(emission.txn), &json!(emission.txn)));
    let jtis: Vec<&Jti> = emission.sets.iter().map(|set| &set.jti).collect();
    assert_ne!(jtis[0], jtis[1]);
    for seen in [&pushed, &polled] {
        assert!(jtis.iter().any(|jti| seen["jti"] == json!(jti)), "{seen}");
    }
}

#[test]
fn a_set_says_who_what_when_and_about_whom_ssf_1_0_4_1() {
    let world = World::new();
    world.push_stream(ONE);
    let emission = world.emit("user", "a");
    // What happened is fixed at emission; a push an hour later says the same.
    world.advance(seconds(3600));
    world.run_once();
    let expected = json!({
        "iss": ISSUER,
        "jti": emission.sets[0].jti,
        "aud": "https://crm.example",
        "iat": START.as_seconds(),
        "txn": emission.txn,
        "sub_id": {"format": "opaque", "id": "user"},
        "events": {types::session_revoked().as_str(): {"label": "a"}}
    });
    assert_eq!(claims(&world.receiver.pushes()[0].token), expected);
}

#[test]
fn only_streams_that_deliver_the_type_get_it_ssf_1_0_8_1_1() {
    let world = World::new();
    let create = |events| {
        let mut request = CreateStream::new(RequestedDelivery::Poll);
        request.events_requested = Some(events);
        ready(world.receivers.create_stream(&caller(), request)).unwrap().stream_id
    };
    let wanted = create(vec![types::session_revoked()]);
    create(vec![types::credential_change()]);
    // Nothing asked for is nothing delivered (`[]` is not the same as absent).
    create(Vec::new());
    assert_eq!(streams_of(&world.emit("user", "a")), [wanted]);
}

#[test]
fn a_stream_that_began_with_all_subjects_loses_the_removed_ones_ssf_1_0_8_1_3() {
    let world = World::new();
    let stream = world.poll_stream();
    world.remove_subject(&stream, "left");
    assert_eq!(streams_of(&world.emit("left", "a")), []);
    assert_eq!(streams_of(&world.emit("stays", "b")), slice::from_ref(&stream));
    world.add_subject(&stream, "left");
    assert_eq!(streams_of(&world.emit("left", "c")), [stream]);
}

#[test]
fn a_stream_that_began_with_no_subjects_gets_the_added_ones_ssf_1_0_8_1_3() {
    let world = World::with(|config| config.default_subjects = DefaultSubjects::None);
    let stream = world.poll_stream();
    assert_eq!(streams_of(&world.emit("user", "a")), []);
    world.add_subject(&stream, "user");
    assert_eq!(streams_of(&world.emit("user", "b")), slice::from_ref(&stream));
    assert_eq!(streams_of(&world.emit("other", "c")), []);
    world.remove_subject(&stream, "user");
    assert_eq!(streams_of(&world.emit("user", "d")), []);
}

#[test]
fn a_disabled_stream_accepts_nothing_and_a_paused_one_holds_ssf_1_0_8_1_2_1() {
    let world = World::new();
    let (disabled, paused) = (world.poll_stream(), world.poll_stream());
    world.set_status(&disabled, StreamStatus::Disabled).unwrap();
    world.set_status(&paused, StreamStatus::Paused).unwrap();
    assert_eq!(streams_of(&world.emit("user", "a")), [paused]);
    assert_eq!((world.totals().accepted, world.totals().waiting), (1, 1));
}

#[test]
fn a_repeated_emission_returns_the_first_result() {
    let world = World::new();
    let stream = world.poll_stream();
    let keyed = || {
        let key = IdempotencyKey::parse("hr-4711").unwrap();
        let event = event("user", "a").with_idempotency_key(key);
        let emission = ready(world.transmitter.emit(event)).unwrap();
        (emission.txn, emission.sets)
    };
    let first = keyed();
    world.advance(seconds(60));
    world.poll_stream();
    assert_eq!(keyed(), first);
    assert_eq!(world.totals().accepted, 1);
    assert_eq!(world.polled(&stream), ["a"]);
}

#[test]
fn an_idempotency_key_is_forgotten_when_its_time_is_over() {
    let world = World::with(|config| config.keep_idempotency_keys = seconds(3600));
    world.poll_stream();
    let keyed = || {
        let key = IdempotencyKey::parse("hr-4711").unwrap();
        let event = event("user", "a").with_idempotency_key(key);
        let emission = ready(world.transmitter.emit(event)).unwrap();
        (emission.txn, emission.sets)
    };
    let first = keyed();
    world.run_for(seconds(3600));
    assert_eq!(keyed(), first);
    world.run_for(seconds(2 * 3600));
    assert_ne!(keyed(), first);
}

#[test]
fn the_host_may_name_transaction_and_order_key() {
    let world = World::new();
    world.push_stream(ONE);
    let named = |user, label| {
        event(user, label)
            .with_txn(Txn::parse("case-7").unwrap())
            .with_order_key(OrderKey::parse("account-1").unwrap())
    };
    // Two subjects of one account: what the host says belongs together keeps its order.
    ready(world.transmitter.emit(named("phone", "first"))).unwrap();
    ready(world.transmitter.emit(named("laptop", "second"))).unwrap();
    world.receiver.hold(ONE);
    let run = Task::start(world.transmitter.run_once());
    assert_eq!(world.sent(), ["first"]);
    world.receiver.release(ONE);
    assert_eq!(run.output().unwrap().delivered, 1);
    world.run_once();
    assert_eq!(world.sent(), ["first", "second"]);
    let txns: Vec<Value> =
        world.receiver.pushes().iter().map(|push| claims(&push.token)["txn"].clone()).collect();
    assert_eq!(txns, ["case-7", "case-7"]);
}

#[test]
fn an_event_over_64_kib_is_refused_and_nothing_is_accepted() {
    let world = World::new();
    world.poll_stream();
    let large = Event::new(types::session_revoked(), subject("user"))
        .with_member("x", "y".repeat(MAX_EVENT_BYTES));
    match ready(world.transmitter.emit(large)) {
        Err(Error::Event(SetError::TooLarge(size))) => assert!(size > MAX_EVENT_BYTES),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.totals().accepted, 0);
}

#[test]
fn an_emission_into_the_hosts_outbox_wakes_polls_and_pusher_when_the_host_says_so() {
    let world = World::new();
    let poll = world.poll_stream();
    world.push_stream(ONE);
    let mut waiting = world.long_poll(&poll);
    let mut running = world.running();
    let mut outbox = world.store.outbox();
    let emission = ready(world.transmitter.emit_in(&mut *outbox, event("user", "a"))).unwrap();
    waiting.step();
    running.step();
    assert!(waiting.waits());
    assert_eq!(world.sent(), [""; 0]);
    world.transmitter.wake(&emission);
    running.step();
    assert_eq!(world.sent(), ["a"]);
    assert_eq!(waiting.output().unwrap().sets.len(), 1);
}

#[test]
fn streams_of_all_owners_get_the_event_each_with_its_own_audience() {
    let world = World::new();
    let other = caller_of("other", "siem");
    let request = CreateStream::new(push_to(TWO, None));
    ready(world.receivers.create_stream(&other, request)).unwrap();
    world.push_stream(ONE);
    world.emit("user", "a");
    world.run_once();
    let audience = |endpoint| claims(&world.pushes_to(endpoint)[0].token)["aud"].clone();
    assert_eq!(
        (audience(ONE), audience(TWO)),
        (json!("https://crm.example"), json!("https://siem.example"))
    );
}
