//! Held limits: what a stream may hold that nobody is being sent, and what happens beyond.

use std::time::Duration;

use serde_json::json;
use ssf_transmitter::outbox::{
    BeyondLimit, DeadLetterReason, HeldLimit, HeldLimits, TransportFailure,
};
use ssf_transmitter::protocol::StatusRequest;
use ssf_transmitter::store::LetterFilter;
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::transmitter::HeldReport;

use crate::drive::{Task, ready};
use crate::world::{ONE, START, World, caller, jtis, seconds};

const HOUR: Duration = seconds(3600);

fn world(change: impl FnOnce(&mut HeldLimits)) -> World {
    World::with(|config| change(&mut config.held))
}

fn report(given_up: u64, disabled: u64) -> HeldReport {
    let mut report = HeldReport::default();
    (report.given_up, report.disabled) = (given_up, disabled);
    report
}

#[test]
fn beyond_the_number_the_oldest_are_given_up() {
    let world = world(|held| held.entries = 2);
    let stream = world.push_stream(ONE);
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    for label in ["a", "b", "c", "d", "e"] {
        world.emit("user", label);
    }
    assert_eq!(world.run_once().held, report(3, 0));
    let letters = world.dead_letters(&stream);
    let reason = DeadLetterReason::HeldLimit { limit: HeldLimit::Entries };
    assert_eq!(letters.len(), 3);
    assert!(letters.iter().all(|l| l.reason == reason && l.attempts == 0 && l.token.is_none()));
    let totals = world.totals();
    assert_eq!((totals.dead, totals.dead_by_held_limit, totals.waiting), (3, 3, 2));
    // The youngest are what goes out, in order.
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["d", "e"]);
}

#[test]
fn a_stream_that_is_never_polled_is_within_the_limits_too() {
    let world = world(|held| held.bytes = 1000);
    let stream = world.poll_stream();
    for _ in 0..20 {
        world.emit("user", "a");
    }
    let given_up = world.run_once().held.given_up;
    assert!((1..20).contains(&given_up), "{given_up}");
    let letters = world.dead_letters(&stream);
    let reason = DeadLetterReason::HeldLimit { limit: HeldLimit::Bytes };
    assert_eq!(letters.last().map(|letter| &letter.reason), Some(&reason));
    // The rest fits: one more of them would not have.
    let one = letters[0].body.as_str().len() as u64;
    assert_eq!((20 - given_up) * one / 1000, 0);
    assert!((21 - given_up) * one > 1000);
}

#[test]
fn what_waited_too_long_is_given_up_in_its_time() {
    let world = world(|held| held.age = 2 * HOUR);
    let stream = world.push_stream(ONE);
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.emit("user", "a");
    world.run_once();
    world.run_for(HOUR);
    world.emit("user", "b");
    world.run_for(HOUR - seconds(1));
    assert_eq!(world.dead_letters(&stream).len(), 0);
    world.run_for(seconds(1));
    let [letter] = &world.dead_letters(&stream)[..] else { panic!("one dead letter") };
    assert_eq!(letter.reason, DeadLetterReason::HeldLimit { limit: HeldLimit::Age });
    assert_eq!((letter.emitted_at, letter.dead_at), (START, START.after(2 * HOUR)));
    world.run_for(HOUR);
    assert_eq!(world.dead_letters(&stream).len(), 2);
}

#[test]
fn what_is_pushed_is_not_held_however_slow_its_receiver() {
    let world = world(|held| (held.entries, held.age) = (0, Duration::ZERO));
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Err(TransportFailure::Connect));
    world.emit("user", "a");
    world.run_for(HOUR);
    assert_eq!((world.totals().waiting, world.dead_letters(&stream).len()), (1, 0));
}

#[test]
fn control_sets_do_not_count_and_are_never_given_up() {
    let world = world(|held| held.entries = 0);
    let stream = world.poll_stream();
    world.stop(&stream, StreamStatus::Paused);
    world.emit("user", "a");
    assert_eq!(world.run_once().held, report(1, 0));
    assert_eq!(world.polled(&stream), ["stream-updated paused"]);
}

#[test]
fn the_status_says_which_limit_was_exceeded_and_since_when() {
    let world = world(|held| held.entries = 0);
    let stream = world.push_stream(ONE);
    world.stop(&stream, StreamStatus::Paused);
    world.emit("user", "a");
    world.run_once();
    let reason = "maintenance; held_limit (entries) exceeded since 2027-01-15T08:00:00Z";
    let record = world.overview(&stream).record;
    let said = record.whole_reason();
    assert_eq!((said.as_deref(), record.status), (Some(reason), StreamStatus::Paused));
    // Once is enough.
    world.emit("user", "b");
    world.run_for(seconds(60));
    assert_eq!(world.dead_letters(&stream).len(), 2);
    let again = world.overview(&stream).record;
    let said = again.whole_reason();
    assert_eq!((said.as_deref(), again.version), (Some(reason), record.version));
    // A stream that starts again has nothing to explain.
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    assert_eq!(world.overview(&stream).record.whole_reason(), None);
}

#[test]
fn nothing_a_receiver_says_keeps_its_status_from_naming_the_limit() {
    let world = world(|held| held.entries = 0);
    let stream = world.poll_stream();
    let reason = Some("held_limit".to_owned());
    let request = StatusRequest::new(stream.clone(), StreamStatus::Paused, reason);
    ready(world.receivers.update_status(&caller(), &request)).unwrap();
    world.emit("user", "a");
    world.run_once();
    let said = "held_limit; held_limit (entries) exceeded since 2027-01-15T08:00:00Z";
    assert_eq!(world.overview(&stream).record.whole_reason().as_deref(), Some(said));
}

#[test]
fn a_receiver_that_catches_up_is_no_longer_told_that_it_is_behind() {
    let world = world(|held| held.entries = 2);
    let stream = world.poll_stream();
    for label in ["a", "b", "c"] {
        world.emit("user", label);
    }
    world.run_once();
    let said = || ready(world.receivers.read_status(&caller(), &stream)).unwrap().reason;
    assert!(said().is_some());
    let polled = jtis(&world.poll(&stream, json!({"maxEvents": 1, "returnImmediately": true})));
    let body = json!({"ack": polled, "maxEvents": 1, "returnImmediately": true});
    world.emit("user", "d");
    let polled = jtis(&world.poll(&stream, body));
    assert!(said().is_some(), "more waits");
    let body = json!({"ack": polled, "returnImmediately": true});
    assert_eq!((jtis(&world.poll(&stream, body)).len(), said()), (1, None));
}

#[test]
fn a_host_may_have_the_stream_disabled_instead_and_its_receiver_is_told_ssf_1_0_8_1_5() {
    let world = world(|held| (held.entries, held.beyond) = (1, BeyondLimit::DisableStream));
    let stream = world.push_stream(ONE);
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.emit("user", "a");
    world.emit("user", "b");
    assert_eq!(world.run_once().held, report(0, 1));
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["stream-updated disabled"]);
    let record = world.overview(&stream).record;
    assert_eq!(record.status, StreamStatus::Disabled);
    let reason = "held_limit (entries) exceeded since 2027-01-15T08:00:00Z";
    assert_eq!(record.reason.as_deref(), Some(reason));
    assert_eq!((world.totals().discarded_disabled, world.totals().dead), (2, 0));
}

#[test]
fn what_was_redriven_has_its_whole_time_again() {
    let world = world(|held| held.age = HOUR);
    let stream = world.poll_stream();
    world.emit("user", "a");
    world.run_for(HOUR);
    assert_eq!(world.dead_letters(&stream).len(), 1);
    let filter = LetterFilter::default();
    let redriven = ready(world.transmitter.redrive(&stream, filter)).unwrap();
    assert_eq!(redriven.same, 1);
    world.run_for(HOUR - seconds(1));
    assert_eq!(world.polled(&stream), ["a"]);
    world.run_for(seconds(1));
    assert_eq!(world.dead_letters(&stream).len(), 1);
}

#[test]
fn a_push_on_its_way_when_its_stream_is_paused_is_left_alone_while_its_lease_lasts() {
    let world = world(|held| held.entries = 0);
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    // Another process has claimed it, and is killed.
    let elsewhere = world.second_process();
    world.receiver.hold(ONE);
    drop(Task::start(elsewhere.run_once()));
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    assert_eq!(world.run_once().held, report(0, 0));
    world.run_for(seconds(59));
    assert_eq!(world.dead_letters(&stream).len(), 0);
    world.run_for(seconds(11));
    assert_eq!(world.dead_letters(&stream).len(), 1);
}

#[test]
fn a_process_looks_when_what_it_emitted_may_be_too_old_or_not_fit() {
    let world = world(|held| held.entries = 2);
    let stream = world.poll_stream();
    let due = || world.run_once().next_due.map(|due| due.since(START));
    assert_eq!(due(), None);
    for label in ["a", "b"] {
        world.emit("user", label);
        assert!(due() > Some(HOUR));
    }
    world.emit("user", "c");
    assert_eq!(due(), Some(seconds(10)));
    world.run_for(seconds(10));
    assert_eq!(world.polled(&stream), ["b", "c"]);
}

#[test]
fn a_process_looks_again_when_what_it_emitted_is_too_old() {
    let world = world(|held| held.age = seconds(60));
    let stream = world.poll_stream();
    world.run_once();
    world.advance(seconds(30));
    world.emit("user", "a");
    assert_eq!(world.run_once().next_due, Some(START.after(seconds(90))));
    world.run_for(seconds(60));
    assert_eq!(world.dead_letters(&stream).len(), 1);
}
