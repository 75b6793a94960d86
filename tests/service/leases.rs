//! Who claims holds for a time (design promise P3): the dead lose nothing, the late change nothing.

use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::transmitter::Progress;

use crate::drive::{Task, ready};
use crate::world::{Mood, ONE, TWO, World, seconds};

#[test]
fn what_a_dead_worker_held_goes_out_again_after_its_lease_with_the_same_bytes() {
    let world = World::new();
    world.push_stream(ONE);
    world.emit("user", "a");
    world.receiver.hold(ONE);
    let dying = Task::start(world.transmitter.run_once());
    assert_eq!(world.receiver.running(), 1);
    drop(dying);
    assert_eq!((world.receiver.running(), world.totals().waiting), (0, 1));
    world.receiver.release(ONE);
    world.advance(seconds(59));
    assert_eq!(world.run_once().delivered, 0);
    world.advance(seconds(1));
    assert_eq!(world.run_once().delivered, 1);
    let pushes = world.receiver.pushes();
    assert_eq!(pushes.len(), 2);
    assert_eq!(pushes[0].token, pushes[1].token);
}

#[test]
fn a_worker_that_dies_while_signing_loses_nothing() {
    let world = World::new();
    world.push_stream(ONE);
    world.emit("user", "a");
    world.keys.set(Mood::SignsAfter(seconds(5)));
    let dying = Task::start(world.transmitter.run_once());
    assert!(dying.waits());
    drop(dying);
    world.keys.set(Mood::Signs);
    world.advance(seconds(60));
    assert_eq!(world.run_once().delivered, 1);
    assert_eq!(world.sent(), ["a"]);
}

#[test]
fn two_processes_do_not_push_the_same_set_at_once() {
    let world = World::new();
    let second = world.second_process();
    world.push_stream(ONE);
    world.emit("user", "a");
    world.receiver.hold(ONE);
    let first = Task::start(world.transmitter.run_once());
    assert_eq!(ready(second.run_once()).unwrap().returned, 0);
    assert_eq!(world.sent(), ["a"]);
    world.receiver.release(ONE);
    assert_eq!(first.output().unwrap().delivered, 1);
}

#[test]
fn two_processes_share_the_streams() {
    let world = World::new();
    let second = world.second_process();
    world.push_stream(ONE);
    world.push_stream(TWO);
    world.receiver.hold(ONE);
    world.receiver.hold(TWO);
    world.emit("user", "a");
    let first = Task::start(world.transmitter.run_once());
    world.emit("other", "b");
    let other = Task::start(second.run_once());
    assert_eq!(world.sent(), ["a", "a", "b", "b"]);
    world.receiver.release(ONE);
    world.receiver.release(TWO);
    assert_eq!(first.output().unwrap().delivered, 2);
    assert_eq!(other.output().unwrap().delivered, 2);
}

#[test]
fn a_settle_that_comes_after_the_lease_changes_nothing() {
    let world = World::new();
    let second = world.second_process();
    let stream = world.push_stream(ONE);
    world.emit("user", "a");
    // The answer to the first would make it a dead letter.
    world.receiver.then(ONE, Ok(PushResponse::new(400).with_body(r#"{"err":"invalid_request"}"#)));
    world.receiver.then(ONE, Ok(PushResponse::new(202)));
    world.receiver.hold(ONE);
    let late = Task::start(world.transmitter.run_once());
    world.advance(seconds(60));
    let owner = Task::start(second.run_once());
    assert_eq!(world.sent(), ["a", "a"]);
    world.receiver.release(ONE);
    let Progress { returned, dead, .. } = late.output().unwrap();
    assert_eq!((returned, dead), (1, 0));
    assert_eq!((world.totals().waiting, world.dead_letters(&stream).len()), (1, 0));
    assert_eq!(owner.output().unwrap().delivered, 1);
    assert_eq!((world.totals().delivered, world.totals().dead), (1, 0));
}

#[test]
fn no_request_starts_that_could_outlive_its_lease_by_the_clock_of_another_process() {
    for (signing, sent) in [(5, 1), (6, 0)] {
        let world = World::with(|config| {
            config.lease = seconds(30);
            config.push_deadline = seconds(15);
            config.clock_difference = seconds(5);
        });
        world.push_stream(ONE);
        world.emit("user", "a");
        world.keys.set(Mood::SignsAfter(seconds(signing)));
        let mut run = Task::start(world.transmitter.run_once());
        world.pass(seconds(signing), &mut run);
        assert_eq!(world.sent().len(), sent, "signed after {signing} s");
        assert_eq!(run.output().unwrap().delivered, sent);
    }
}
