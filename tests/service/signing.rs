//! Signed once, sent as often as need be (design promise P2), by keys that may fail.

use std::sync::Mutex;

use serde_json::json;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::error::Error;
use ssf_transmitter::keys::KeyError;
use ssf_transmitter::keys::local::{ANNOUNCEMENT, RETIREMENT};
use ssf_transmitter::protocol::{More, Refusal};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::transmitter::Progress;

use crate::drive::{Task, ready};
use crate::world::{Mood, ONE, START, World, claims, kid, labels, seconds};

fn run_fails(world: &World) -> KeyError {
    match ready(world.transmitter.run_once()) {
        Err(Error::Keys(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_retry_sends_the_same_bytes_though_signatures_are_randomised() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(503)));
    world.receiver.then(ONE, Ok(PushResponse::new(413)));
    world.emit("user", "a");
    world.run_for(seconds(60));
    let tokens: Vec<_> = world.receiver.pushes().into_iter().map(|push| push.token).collect();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!((world.keys.asked(), world.totals().delivered), (1, 1));
}

#[test]
fn a_batch_is_signed_in_one_go() {
    let world = World::new();
    world.push_stream(ONE);
    for user in ["a", "b", "c"] {
        world.emit(user, user);
    }
    assert_eq!(world.run_once().delivered, 3);
    assert_eq!(world.keys.asked(), 1);
}

#[test]
fn two_polls_that_sign_at_the_same_time_answer_the_same_bytes() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.keys.set(Mood::SignsAfter(seconds(2)));
    let mut first = world.long_poll(&stream);
    let mut second = world.long_poll(&stream);
    world.pass(seconds(2), &mut first);
    second.step();
    let (first, second) = (first.output().unwrap(), second.output().unwrap());
    // Both signed, and the first signature counts.
    assert_eq!((world.keys.asked(), first.sets.len()), (2, 1));
    assert_eq!(second, first);
}

#[test]
fn a_token_stays_while_its_key_is_published_and_keeps_its_claims_after() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    let token = || world.poll(&stream, json!({})).sets[0].1.clone();
    let first = token();
    world.keys.rotate("k-2", START);
    // The new key signs, the old one can still be verified: nothing is replaced.
    let retired = START.after(ANNOUNCEMENT).after(RETIREMENT);
    world.clock.set(retired.before(seconds(1)));
    assert_eq!(token(), first);
    world.clock.set(retired);
    let second = token();
    assert_eq!((kid(&first).as_str(), kid(&second).as_str()), ("k-1", "k-2"));
    assert_eq!(claims(&second), claims(&first));
    assert_eq!(token(), second);
}

#[test]
fn a_push_that_was_held_past_its_keys_end_is_signed_anew_with_the_same_claims() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(503)));
    world.emit("user", "a");
    world.run_once();
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.keys.rotate("k-2", START);
    world.advance(ANNOUNCEMENT + RETIREMENT);
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    world.run_for(seconds(5));
    let pushes = world.receiver.pushes();
    let kids: Vec<_> = pushes.iter().map(|push| kid(&push.token)).collect();
    assert_eq!(kids, ["k-1", "k-2"]);
    assert_eq!(claims(&pushes[0].token), claims(&pushes[1].token));
    assert_eq!(world.totals().tokens_replaced, 1);
}

#[test]
fn failing_keys_cost_no_attempt_and_are_left_alone_for_a_while() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    world.keys.set(Mood::Fails);
    assert!(matches!(run_fails(&world), KeyError::Unavailable(_)));
    // They rest: who asks for work is told when there is some, and not sent to try again at once.
    let Progress { delivered, returned, next_due, .. } = world.run_once();
    assert_eq!((delivered, returned, world.keys.asked()), (0, 0, 1));
    let due = next_due.unwrap();
    assert!(due > START && due <= START.after(seconds(1)), "{due}");
    world.clock.set(due);
    assert!(matches!(run_fails(&world), KeyError::Unavailable(_)));
    assert_eq!(world.keys.asked(), 2);
    world.keys.set(Mood::Signs);
    world.run_for(seconds(2));
    assert_eq!(world.sent(), ["a"]);
    assert_eq!(world.overview(&stream).health.failures, 0);
    // Of a refused SET's three tries (413) none was used up by the keys.
    world.receiver.otherwise(Ok(PushResponse::new(413)));
    world.emit("user", "b");
    world.keys.set(Mood::Fails);
    run_fails(&world);
    world.keys.set(Mood::Signs);
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["a", "b", "b", "b"]);
    assert_eq!(world.totals().dead, 1);
}

#[test]
fn the_worker_outlives_failing_keys_and_asks_them_ever_less_often() {
    let world = World::new();
    world.push_stream(ONE);
    world.keys.set(Mood::Fails);
    let troubles = Mutex::new(0);
    let run = world.transmitter.run(std::future::pending(), seconds(1), |trouble| {
        assert!(matches!(trouble, Error::Keys(KeyError::Unavailable(_))), "{trouble}");
        *troubles.lock().unwrap() += 1;
    });
    let mut run = Task::start(run);
    world.emit("user", "a");
    world.pass(seconds(600), &mut run);
    // 1, 2, 4 ... 60 seconds apart, each shortened by up to half.
    let asked = world.keys.asked();
    assert!((14..=26).contains(&asked), "{asked}");
    assert_eq!(*troubles.lock().unwrap(), asked);
    world.keys.set(Mood::Signs);
    world.pass(seconds(60), &mut run);
    assert_eq!(world.sent(), ["a"]);
}

#[test]
fn keys_that_hang_are_given_up_at_their_deadline() {
    let world = World::new();
    world.push_stream(ONE);
    world.emit("user", "a");
    world.keys.set(Mood::SignsAfter(seconds(3600)));
    let mut run = Task::start(world.transmitter.run_once());
    world.pass(seconds(10), &mut run);
    match run.output() {
        Err(Error::Keys(KeyError::Deadline)) => {}
        other => panic!("{other:?}"),
    }
    world.keys.set(Mood::Signs);
    world.run_for(seconds(2));
    assert_eq!(world.sent(), ["a"]);
}

#[test]
fn a_poll_answers_what_was_signed_before_the_keys_failed() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    let before = world.poll(&stream, json!({}));
    world.keys.set(Mood::Fails);
    assert_eq!(world.poll(&stream, json!({})), before);
    world.emit("user", "b");
    let partly = world.poll(&stream, json!({}));
    assert_eq!((&partly.sets, partly.more), (&before.sets, More::Available));
    world.keys.set(Mood::Signs);
    // Keys that failed rest for a while, from polls too.
    assert_eq!(world.poll(&stream, json!({})), partly);
    world.clock.advance(seconds(2));
    assert_eq!(world.polled(&stream), ["a", "b"]);
}

#[test]
fn a_poll_for_which_nothing_could_be_signed_is_told_to_come_back() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.keys.set(Mood::Fails);
    let error = world.try_poll(&stream, &json!({})).unwrap_err();
    assert!(matches!(error, Error::Keys(KeyError::Unavailable(_))));
    assert!(matches!(error.refusal(), Refusal::Unavailable(wait) if wait >= seconds(1)));
    world.keys.set(Mood::Signs);
    let error = world.try_poll(&stream, &json!({})).unwrap_err();
    assert!(matches!(error, Error::Keys(KeyError::Resting)));
    world.clock.advance(seconds(2));
    let reply = world.try_poll(&stream, &json!({})).unwrap();
    assert_eq!(labels(&reply), ["a"]);
}

#[test]
fn a_poll_that_needs_no_signature_does_not_end_the_rest_of_the_keys() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.poll(&stream, json!({}));
    world.push_stream(ONE);
    world.emit("user", "b");
    world.keys.set(Mood::Fails);
    run_fails(&world);
    let asked = world.keys.asked();
    world.poll(&stream, json!({"maxEvents": 1}));
    world.run_once();
    assert_eq!(world.keys.asked(), asked);
}

#[test]
fn no_push_begins_that_could_end_after_its_lease() {
    // Signing ends 50 s into a lease of 60 s: too late for a push that may take 15 s.
    let world = World::with(|config| config.sign_deadline = seconds(55));
    world.push_stream(ONE);
    world.emit("user", "a");
    world.keys.set(Mood::SignsAfter(seconds(50)));
    let mut run = Task::start(world.transmitter.run_once());
    world.pass(seconds(50), &mut run);
    assert_eq!(run.output().unwrap().delivered, 0);
    assert_eq!(world.sent(), [""; 0]);
    // The signature was not in vain.
    assert_eq!(world.run_once().delivered, 1);
    assert_eq!((world.keys.asked(), world.clock.now()), (1, START.after(seconds(50))));
}

#[test]
fn a_set_whose_key_was_refused_is_signed_anew_when_another_key_signs() {
    let world = World::new();
    world.push_stream(ONE);
    world.keys.rotate("k-2", START);
    world.clock.set(START.after(ANNOUNCEMENT).before(seconds(10)));
    let refused = PushResponse::new(400).with_body(r#"{"err":"invalid_key"}"#);
    world.receiver.then(ONE, Ok(refused));
    world.emit("user", "a");
    world.run_for(seconds(120));
    let [first, second] = &world.pushes_to(ONE)[..] else { panic!("two pushes") };
    let kids = [&first.token, &second.token].map(|token| kid(token));
    // The first key is still published: only its refusal lets the second sign.
    assert_eq!(kids, ["k-1", "k-2"]);
    assert_eq!(claims(&first.token), claims(&second.token));
    assert_eq!((world.totals().tokens_replaced, world.totals().delivered), (1, 1));
}

#[test]
fn a_set_whose_key_was_refused_keeps_its_bytes_while_no_other_key_signs() {
    let world = World::new();
    world.push_stream(ONE);
    let refused = PushResponse::new(400).with_body(r#"{"err":"invalid_key"}"#);
    world.receiver.then(ONE, Ok(refused));
    world.emit("user", "a");
    world.run_for(seconds(120));
    let [first, second] = &world.pushes_to(ONE)[..] else { panic!("two pushes") };
    assert_eq!(first.token, second.token);
}

#[test]
fn while_the_keys_rest_retries_that_are_signed_already_go_out() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(413)));
    world.emit("user", "signed");
    world.run_once();
    world.keys.set(Mood::Fails);
    world.emit("other", "unsigned");
    run_fails(&world);
    let asked = world.keys.asked();
    // The keys fail again and again, and rest up to a minute each time.
    let mut runs = 0;
    while world.sent().len() < 2 {
        runs += 1;
        assert!(runs < 20, "{:?}", world.sent());
        let due = ready(world.transmitter.run_once()).map(|progress| progress.next_due);
        world.clock.set(due.ok().flatten().unwrap_or_else(|| world.clock.now()));
    }
    assert_eq!(world.sent(), ["signed", "signed"]);
    assert!(world.clock.now() <= START.after(seconds(10)));
    assert_eq!(world.totals().delivered, 1);
    assert!(world.keys.asked() > asked);
    world.keys.set(Mood::Signs);
    world.run_for(seconds(120));
    assert_eq!(world.sent(), ["signed", "signed", "unsigned"]);
}
