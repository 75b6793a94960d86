//! Polls that do not wait (RFC 8936).

use serde_json::json;
use ssf_transmitter::error::Error;
use ssf_transmitter::id::Jti;
use ssf_transmitter::outbox::{DeadLetterReason, PollError};
use ssf_transmitter::protocol::{More, Refusal};
use ssf_transmitter::stream::StreamStatus;

use crate::drive::ready;
use crate::world::{ONE, START, World, caller_of, claims, jtis, labels, poll_request, seconds};

#[test]
fn what_is_not_acknowledged_comes_again_with_the_same_bytes_rfc_8936_2_4() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.emit("other", "b");
    let first = world.poll(&stream, json!({}));
    world.advance(seconds(3600));
    assert_eq!(world.poll(&stream, json!({})), first);
    assert_eq!((labels(&first), world.keys.asked()), (vec!["a".to_owned(), "b".to_owned()], 1));
    for (jti, token) in &first.sets {
        assert_eq!(claims(token)["jti"], json!(jti));
    }
}

#[test]
fn acknowledgements_apply_before_selection_rfc_8936_2_4_3() {
    let world = World::new();
    let stream = world.poll_stream();
    for label in ["1", "2", "3"] {
        world.emit("user", label);
    }
    let first = world.poll(&stream, json!({"maxEvents": 2}));
    assert_eq!(
        (labels(&first), first.more),
        (vec!["1".to_owned(), "2".to_owned()], More::Available)
    );
    let second = world.poll(&stream, json!({"ack": jtis(&first), "maxEvents": 2}));
    assert_eq!((labels(&second), second.more), (vec!["3".to_owned()], More::None));
    assert_eq!((world.totals().delivered, world.totals().waiting), (2, 1));
}

#[test]
fn acknowledging_is_idempotent_and_unknown_identifiers_are_ignored_rfc_8936_2_4() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    let acks = jtis(&world.poll(&stream, json!({})));
    for _ in 0..2 {
        let reply = world.poll(&stream, json!({"ack": acks, "setErrs": {"no-such": {"err": "x"}}}));
        assert_eq!(reply.sets, []);
    }
    world.poll(&stream, json!({"ack": ["no-such"], "setErrs": {acks[0].as_str(): {"err": "x"}}}));
    assert_eq!((world.totals().delivered, world.totals().dead), (1, 0));
}

#[test]
fn an_acknowledgement_touches_no_other_stream() {
    let world = World::new();
    let (ours, other, push) = (world.poll_stream(), world.poll_stream(), world.push_stream(ONE));
    let emission = world.emit("user", "a");
    let jtis: Vec<&Jti> = emission.sets.iter().map(|set| &set.jti).collect();
    world.poll(&ours, json!({"ack": jtis}));
    assert_eq!((world.totals().delivered, world.totals().waiting), (1, 2));
    assert_eq!(world.polled(&other), ["a"]);
    assert_eq!(world.overview(&push).backlog.entries(), 1);
}

#[test]
fn a_reported_error_ends_the_set_as_a_dead_letter_rfc_8936_2_4_4() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.emit("user", "b");
    let bad = jtis(&world.poll(&stream, json!({})))[0].clone();
    // Named both ways it is a dead letter, not a delivery.
    let error = json!({"err": "invalid_request", "description": "no \"label\""});
    let body = json!({"setErrs": {bad.as_str(): error}, "ack": [bad], "maxEvents": 0});
    assert_eq!(world.poll(&stream, body).sets, []);
    let [letter] = &world.dead_letters(&stream)[..] else { panic!("one dead letter") };
    let description = Some("no \"label\"".to_owned());
    let reason = PollError::new("invalid_request".to_owned(), description);
    assert_eq!((&letter.jti, &letter.reason), (&bad, &DeadLetterReason::Reported(reason)));
    assert_eq!((letter.dead_at, world.totals().delivered), (START, 0));
    assert_eq!(world.polled(&stream), ["b"]);
}

#[test]
fn an_acknowledge_only_poll_gets_nothing_at_once_rfc_8936_2_4_2() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.emit("user", "b");
    let acks = jtis(&world.poll(&stream, json!({"maxEvents": 1})));
    // `returnImmediately` is absent, yet it does not wait.
    let reply = world.try_poll(&stream, &json!({"ack": acks, "maxEvents": 0})).unwrap();
    assert_eq!((reply.sets.len(), reply.more), (0, More::None));
    assert_eq!(world.totals().delivered, 1);
}

#[test]
fn the_transmitters_own_limit_holds_too() {
    let world = World::with(|config| config.poll_batch = 2);
    let stream = world.poll_stream();
    for label in ["1", "2", "3"] {
        world.emit("user", label);
    }
    for body in [json!({}), json!({"maxEvents": 50})] {
        let reply = world.poll(&stream, body);
        assert_eq!(
            (labels(&reply), reply.more),
            (vec!["1".to_owned(), "2".to_owned()], More::Available)
        );
    }
}

#[test]
fn a_stopped_stream_hands_nothing_out_but_takes_acknowledgements_ssf_1_0_8_1_2_1() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.emit("user", "b");
    let acks = jtis(&world.poll(&stream, json!({"maxEvents": 1})));
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.emit("user", "c");
    let reply = world.poll(&stream, json!({"ack": acks}));
    assert_eq!((reply.sets.len(), reply.more), (0, More::None));
    assert_eq!(world.totals().delivered, 1);
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    assert_eq!(world.polled(&stream), ["b", "c"]);
}

#[test]
fn a_push_stream_cannot_be_polled_nor_acknowledged() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    let jti = world.emit("user", "a").sets[0].jti.clone();
    for body in [
        json!({}),
        json!({"returnImmediately": true}),
        json!({"ack": [jti]}),
        json!({"setErrs": {jti.as_str(): {"err": "x"}}}),
        json!({"maxEvents": 0}),
    ] {
        let error = world.try_poll(&stream, &body).unwrap_err();
        assert_eq!(error.refusal(), Refusal::UnknownStream, "{body}");
    }
    assert_eq!(world.totals().waiting, 1);
}

#[test]
fn a_foreign_stream_is_an_unknown_stream_whatever_the_poll_asks() {
    let world = World::with(|config| config.inactivity_timeout = Some(seconds(600)));
    let stream = world.poll_stream();
    let jti = world.emit("user", "a").sets[0].jti.clone();
    for stranger in [caller_of("acme", "siem"), caller_of("other", "crm")] {
        for body in [json!({}), json!({"ack": [jti]}), json!({"maxEvents": 0})] {
            let polled = ready(world.receivers.poll(&stranger, &stream, poll_request(&body)));
            let error: Error = polled.unwrap_err();
            assert_eq!(error.refusal(), Refusal::UnknownStream, "{stranger:?} {body}");
        }
    }
    assert_eq!(world.polled(&stream), ["a"]);
}
