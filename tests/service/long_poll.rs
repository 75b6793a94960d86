//! Polls that wait (RFC 8936 §2.4).

use std::sync::Arc;

use serde_json::json;
use ssf_transmitter::clock::{Clock, SystemClock};
use ssf_transmitter::id::Issuer;
use ssf_transmitter::protocol::{PollReply, PollRequest, Refusal};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::transmitter::Transmitter;

use crate::drive::{Task, ready};
use crate::world::{ISSUER, START, World, caller, caller_of, jtis, labels, poll_request, seconds};

#[test]
fn a_long_poll_ends_with_the_emission_it_waited_for() {
    let world = World::new();
    let stream = world.poll_stream();
    let mut poll = world.long_poll(&stream);
    world.pass(seconds(10), &mut poll);
    assert!(poll.waits());
    world.emit("user", "a");
    let reply = poll.output().unwrap();
    assert_eq!(
        (labels(&reply), world.clock.now()),
        (vec!["a".to_owned()], START.after(seconds(10)))
    );
}

#[test]
fn a_long_poll_ends_empty_when_its_time_is_over() {
    let world = World::new();
    let stream = world.poll_stream();
    let mut poll = world.long_poll(&stream);
    world.pass(seconds(24), &mut poll);
    assert!(poll.waits());
    world.pass(seconds(1), &mut poll);
    assert_eq!(poll.output().unwrap(), PollReply::default());
}

#[test]
fn a_long_poll_does_not_wait_when_there_is_something() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    assert_eq!(labels(&world.long_poll(&stream).output().unwrap()), ["a"]);
}

#[test]
fn a_long_poll_acknowledges_before_it_waits() {
    let world = World::new();
    let stream = world.poll_stream();
    world.emit("user", "a");
    let acks = jtis(&world.poll(&stream, json!({})));
    let caller = caller();
    let request = poll_request(&json!({"ack": acks}));
    let mut poll = Task::start(world.receivers.poll(&caller, &stream, request));
    assert_eq!((poll.waits(), world.totals().delivered), (true, 1));
    world.emit("user", "b");
    poll.step();
    assert_eq!(labels(&poll.output().unwrap()), ["b"]);
}

#[test]
fn an_event_of_another_stream_does_not_end_it() {
    let world = World::new();
    let stream = world.poll_stream();
    world.remove_subject(&stream, "user");
    world.poll_stream();
    let mut poll = world.long_poll(&stream);
    world.emit("user", "a");
    poll.step();
    assert!(poll.waits());
}

#[test]
fn a_verification_ends_it_and_so_does_a_change_of_status() {
    let world = World::new();
    let stream = world.poll_stream();
    let poll = world.long_poll(&stream);
    world.verify(&stream, "x").unwrap();
    let reply = poll.output().unwrap();
    assert_eq!(labels(&reply), ["verification x"]);
    world.poll(&stream, json!({"ack": jtis(&reply)}));
    let poll = world.long_poll(&stream);
    world.stop(&stream, StreamStatus::Paused);
    assert_eq!(labels(&poll.output().unwrap()), ["stream-updated paused"]);
}

#[test]
fn what_was_held_ends_a_poll_that_waited_for_the_stream_to_be_enabled() {
    let world = World::new();
    let stream = world.poll_stream();
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.emit("user", "a");
    let mut poll = world.long_poll(&stream);
    assert!(poll.waits());
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    poll.step();
    assert_eq!(labels(&poll.output().unwrap()), ["a"]);
}

#[test]
fn a_deleted_stream_ends_it_as_unknown() {
    let world = World::new();
    let stream = world.poll_stream();
    let poll = world.long_poll(&stream);
    world.delete(&stream);
    assert_eq!(poll.output().unwrap_err().refusal(), Refusal::UnknownStream);
}

#[test]
fn a_second_long_poll_ends_the_first() {
    let world = World::new();
    let stream = world.poll_stream();
    let first = world.long_poll(&stream);
    let mut second = world.long_poll(&stream);
    assert_eq!(first.output().unwrap(), PollReply::default());
    assert!(second.waits());
    world.emit("user", "a");
    second.step();
    assert_eq!(labels(&second.output().unwrap()), ["a"]);
}

#[test]
fn a_poll_that_does_not_wait_leaves_a_waiting_one_alone() {
    let world = World::new();
    let stream = world.poll_stream();
    let mut waiting = world.long_poll(&stream);
    assert_eq!(world.poll(&stream, json!({})).sets, []);
    waiting.step();
    assert!(waiting.waits());
}

#[test]
fn a_stranger_cannot_end_the_poll_of_another() {
    let world = World::new();
    let stream = world.poll_stream();
    let mut waiting = world.long_poll(&stream);
    let stranger = caller_of("other", "crm");
    let refused = ready(world.receivers.poll(&stranger, &stream, PollRequest::default()));
    assert_eq!(refused.unwrap_err().refusal(), Refusal::UnknownStream);
    waiting.step();
    assert!(waiting.waits());
}

#[test]
fn a_long_poll_whose_receiver_goes_away_loses_nothing() {
    let world = World::new();
    let stream = world.poll_stream();
    let mut poll = world.long_poll(&stream);
    world.emit("user", "a");
    poll.step();
    // Answered, but nobody read the answer; and one that was dropped while it waited.
    drop(poll);
    assert_eq!(world.polled(&stream), ["a"]);
    let reply = world.poll(&stream, json!({}));
    world.poll(&stream, json!({"ack": jtis(&reply)}));
    drop(world.long_poll(&stream));
    assert_eq!(world.clock.next_sleep(), None);
    world.emit("user", "b");
    assert_eq!(world.polled(&stream), ["b"]);
}

#[test]
fn with_a_clock_that_cannot_sleep_every_poll_is_answered_at_once() {
    let world = World::new();
    let stream = world.poll_stream();
    let issuer = Issuer::parse(ISSUER).unwrap();
    let transmitter = Transmitter::builder(issuer, Arc::clone(&world.store), world.keys.clone())
        .with_clock(SystemClock)
        .build()
        .unwrap();
    let caller = caller();
    let poll = transmitter.receivers();
    let poll = Task::start(poll.poll(&caller, &stream, PollRequest::default()));
    assert_eq!(poll.output().unwrap(), PollReply::default());
}
