//! The worker loop: wakes, sleeps, and its end.

use std::sync::{Arc, Mutex};

use futures_util::future::{self, AbortHandle};
use serde_json::json;
use ssf_transmitter::clock::{Clock, SystemClock};
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::error::Error;
use ssf_transmitter::id::Issuer;
use ssf_transmitter::store::LetterFilter;
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::transmitter::Transmitter;

use crate::drive::{Task, ready};
use crate::world::{ISSUER, ONE, START, TWO, World, seconds};

/// The loop, and how to stop it.
fn stoppable(world: &World, grace: u64) -> (Task<'_, Result<(), Error>>, AbortHandle) {
    let (stop, stopped) = AbortHandle::new_pair();
    let stopped = async move {
        let _ = future::Abortable::new(future::pending::<()>(), stopped).await;
    };
    let run = world.transmitter.run(stopped, seconds(grace), |trouble| panic!("{trouble}"));
    (Task::start(run), stop)
}

#[test]
fn an_emission_wakes_it_and_it_sleeps_when_there_is_nothing() {
    let world = World::new();
    world.push_stream(ONE);
    let mut run = world.running();
    assert_eq!(world.clock.next_sleep(), None);
    world.emit("user", "a");
    run.step();
    assert_eq!((world.sent(), world.clock.now()), (vec!["a".to_owned()], START));
    // Only what may be held too long one day.
    assert!(world.clock.next_sleep() > Some(START.after(seconds(7 * 24 * 3600))));
}

#[test]
fn it_wakes_for_a_retry_when_its_time_has_come() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(503).with_retry_after("90")));
    let mut run = world.running();
    world.emit("user", "a");
    world.pass(seconds(89), &mut run);
    assert_eq!(world.sent().len(), 1);
    world.pass(seconds(1), &mut run);
    assert_eq!((world.sent().len(), world.totals().delivered), (2, 1));
}

#[test]
fn it_wakes_when_a_receiver_enables_or_moves_its_stream() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.emit("user", "a");
    let mut run = world.running();
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    run.step();
    assert_eq!(world.sent(), ["a"]);
    world.receiver.hold(ONE);
    world.emit("user", "b");
    run.step();
    world.patch(&stream, json!({"delivery": {"endpoint_url": TWO}}));
    run.step();
    assert_eq!((world.pushes_to(TWO).len(), world.totals().delivered), (1, 2));
}

#[test]
fn a_stop_lets_pushes_under_way_end_and_begins_no_new_ones() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.hold(ONE);
    let (mut run, stop) = stoppable(&world, 5);
    world.emit("user", "a");
    run.step();
    assert_eq!(world.receiver.running(), 1);
    stop.abort();
    run.step();
    world.emit("other", "b");
    world.pass(seconds(4), &mut run);
    assert!(run.waits());
    world.receiver.release(ONE);
    run.step();
    run.output().unwrap();
    assert_eq!((world.sent(), world.totals().delivered), (vec!["a".to_owned()], 1));
    assert_eq!(world.totals().waiting, 1);
}

#[test]
fn what_is_still_under_way_when_the_grace_is_over_is_handed_back() {
    let world = World::new();
    world.push_stream(ONE);
    world.push_stream(TWO);
    world.receiver.hold(ONE);
    let (mut run, stop) = stoppable(&world, 5);
    world.emit("user", "a");
    run.step();
    stop.abort();
    world.pass(seconds(5), &mut run);
    run.output().unwrap();
    assert_eq!((world.receiver.running(), world.totals().delivered), (0, 1));
    // Handed back: another process needs not wait for the lease, and no attempt was counted.
    world.receiver.release(ONE);
    let second = world.second_process();
    assert_eq!(ready(second.run_once()).unwrap().delivered, 1);
    let pushes = world.pushes_to(ONE);
    assert_eq!((pushes.len(), pushes[0].token == pushes[1].token), (2, true));
    assert_eq!(world.clock.now(), START.after(seconds(5)));
}

#[test]
fn a_stop_with_nothing_under_way_is_immediate() {
    let world = World::new();
    world.push_stream(ONE);
    let (run, stop) = stoppable(&world, 5);
    stop.abort();
    run.output().unwrap();
    assert_eq!(world.clock.next_sleep(), None);
}

#[test]
fn a_loop_that_is_dropped_leaves_nothing_behind_and_another_goes_on() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.hold(ONE);
    let mut run = world.running();
    world.emit("user", "a");
    run.step();
    drop(run);
    assert_eq!((world.receiver.running(), world.clock.next_sleep()), (0, None));
    world.receiver.release(ONE);
    let mut run = world.running();
    world.pass(seconds(60), &mut run);
    assert_eq!((world.sent().len(), world.totals().delivered), (2, 1));
}

#[test]
fn with_a_clock_that_cannot_sleep_it_refuses_and_run_once_works() {
    let world = World::new();
    world.push_stream(ONE);
    world.emit("user", "a");
    let issuer = Issuer::parse(ISSUER).unwrap();
    let store = Arc::clone(&world.store);
    let transmitter = Transmitter::builder(issuer, store, world.keys.clone())
        .with_deliverer(world.receiver.clone())
        .with_clock(SystemClock)
        .build()
        .unwrap();
    let troubles = Mutex::new(0);
    let run = transmitter.run(future::pending(), seconds(1), |_| *troubles.lock().unwrap() += 1);
    match ready(run) {
        Err(Error::ClockCannotSleep) => assert_eq!(*troubles.lock().unwrap(), 0),
        other => panic!("{other:?}"),
    }
    // Its clock is the system's, which is behind the virtual one: the entry is due at once.
    assert_eq!(ready(transmitter.run_once()).unwrap().delivered, 1);
}

#[test]
fn without_a_deliverer_push_streams_wait() {
    let world = World::new();
    world.push_stream(ONE);
    world.emit("user", "a");
    let issuer = Issuer::parse(ISSUER).unwrap();
    let store = Arc::clone(&world.store);
    let transmitter = Transmitter::builder(issuer, store, world.keys.clone())
        .with_clock(world.clock.clone())
        .build()
        .unwrap();
    let mut run = Task::start(transmitter.run(future::pending(), seconds(1), |_| ()));
    world.pass(seconds(10), &mut run);
    assert_eq!(world.totals().waiting, 1);
}

#[test]
fn a_redrive_wakes_it() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    let refusal = PushResponse::new(400).with_body(r#"{"err":"invalid_request"}"#);
    world.receiver.then(ONE, Ok(refusal));
    let mut run = world.running();
    world.emit("user", "a");
    run.step();
    assert_eq!((world.sent().len(), world.totals().dead), (1, 1));
    ready(world.transmitter.redrive(&stream, LetterFilter::default())).unwrap();
    run.step();
    assert_eq!((world.sent().len(), world.totals().delivered), (2, 1));
}
