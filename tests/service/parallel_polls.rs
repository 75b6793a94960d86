//! Polls in parallel, with a visibility window (RFC 8936 §2.4), and changes by other processes.

use serde_json::json;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::id::Issuer;
use ssf_transmitter::protocol::{CreateStream, More, PollRequest, RequestedDelivery};
use ssf_transmitter::testkit::SeededEntropy;
use ssf_transmitter::transmitter::Transmitter;

use crate::drive::{Task, ready};
use crate::flaky::FlakyStore;
use crate::world::{ISSUER, START, World, caller, event, jtis, labels, seconds};

/// A transmitter whose answers are hidden from other polls for 30 seconds.
fn world() -> World {
    World::with(|config| config.visibility_window = Some(seconds(30)))
}

#[test]
fn what_one_poll_was_answered_with_no_other_is_nor_what_stands_behind_it() {
    let world = world();
    let stream = world.poll_stream();
    for (user, label) in [("a", "a1"), ("b", "b1"), ("a", "a2")] {
        world.emit(user, label);
    }
    let one = world.poll(&stream, json!({"maxEvents": 1}));
    assert_eq!((labels(&one), one.more), (vec!["a1".to_owned()], More::Available));
    let other = world.poll(&stream, json!({}));
    assert_eq!((labels(&other), other.more), (vec!["b1".to_owned()], More::None));
    let after = world.poll(&stream, json!({"ack": jtis(&one)}));
    assert_eq!(labels(&after), ["a2"]);
    // Without an acknowledgement all come again, with the same bytes.
    world.advance(seconds(30));
    let again = world.poll(&stream, json!({}));
    assert_eq!(labels(&again), ["b1", "a2"]);
    assert_eq!(again.sets[0], other.sets[0]);
}

#[test]
fn without_a_window_every_poll_gets_all_that_is_not_acknowledged() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("a", "a1");
    for _ in 0..2 {
        assert_eq!(world.polled(&stream), ["a1"]);
    }
}

#[test]
fn a_waiting_poll_gets_what_is_shown_again_and_what_an_acknowledgement_shows() {
    let world = world();
    let stream = world.poll_stream();
    world.emit("a", "a1");
    world.emit("a", "a2");
    let one = world.poll(&stream, json!({"maxEvents": 1}));
    let mut waiting = world.long_poll(&stream);
    assert!(waiting.waits());
    world.poll(&stream, json!({"ack": jtis(&one), "maxEvents": 0}));
    waiting.step();
    assert_eq!(labels(&waiting.output().unwrap()), ["a2"]);
    world.advance(seconds(10));
    let mut waiting = world.long_poll(&stream);
    world.pass(seconds(20), &mut waiting);
    assert_eq!(labels(&waiting.output().unwrap()), ["a2"]);
    assert_eq!(world.clock.now(), START.after(seconds(30)));
}

#[test]
fn receivers_that_poll_in_parallel_wait_in_parallel_and_one_gets_the_event() {
    let world = world();
    let stream = world.poll_stream();
    let (mut one, mut two) = (world.long_poll(&stream), world.long_poll(&stream));
    assert!(one.waits() && two.waits());
    world.emit("a", "a1");
    one.step();
    two.step();
    assert!(two.waits());
    assert_eq!(labels(&one.output().unwrap()), ["a1"]);
    world.pass(seconds(25), &mut two);
    assert_eq!(two.output().unwrap().sets, []);
}

#[test]
fn a_poll_that_cannot_be_signed_hides_nothing() {
    let world = world();
    let stream = world.poll_stream();
    world.emit("a", "a1");
    world.keys.set(crate::world::Mood::Fails);
    world.try_poll(&stream, &json!({"returnImmediately": true})).unwrap_err();
    world.keys.set(crate::world::Mood::Signs);
    world.advance(seconds(2));
    assert_eq!(world.polled(&stream), ["a1"]);
}

// Receiver contract 12: what commits between a look and the wait after it ends the wait.
#[test]
fn what_another_process_emits_between_a_look_and_the_wait_is_not_missed() {
    let (world, store) = (World::new(), FlakyStore::default());
    let process = |seed| {
        let issuer = Issuer::parse(ISSUER).unwrap();
        Transmitter::builder(issuer, store.clone(), world.keys.clone())
            .with_clock(world.clock.clone())
            .with_entropy(SeededEntropy::new(seed))
            .build()
            .unwrap()
    };
    let (ours, elsewhere) = (process(1).receivers(), process(2));
    let caller = caller();
    let request = CreateStream::new(RequestedDelivery::Poll);
    let stream = ready(ours.create_stream(&caller, request)).unwrap().stream_id;
    // A poll looks twice before it waits.
    store.change_after_look(2, move || drop(ready(elsewhere.emit(event("user", "a"))).unwrap()));
    let poll = Task::start(ours.poll(&caller, &stream, PollRequest::default()));
    assert_eq!(labels(&poll.output().unwrap()), ["a"]);
    assert_eq!(world.clock.now(), START);
}
