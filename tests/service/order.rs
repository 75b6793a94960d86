//! What keeps its order and what does not (design promise P4; SSF 1.0 §8.1.2.1 for held SETs).

use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::event::{Event, types};
use ssf_transmitter::outbox::TransportFailure;
use ssf_transmitter::stream::StreamStatus::{Enabled, Paused};
use ssf_transmitter::subject::{SimpleSubject, Subject};

use crate::drive::{Task, ready};
use crate::world::{ONE, World, seconds};

#[test]
fn a_subject_keeps_its_order_through_a_failing_stream() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(503)));
    world.receiver.then(ONE, Err(TransportFailure::Connect));
    for label in ["1", "2", "3"] {
        world.emit("user", label);
    }
    world.run_for(seconds(30));
    assert_eq!(world.sent(), ["1", "1", "1", "2", "3"]);
}

#[test]
fn a_subject_keeps_its_order_through_the_tries_of_one_set() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(422)));
    world.receiver.then(ONE, Ok(PushResponse::new(422)));
    for label in ["1", "2"] {
        world.emit("user", label);
    }
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["1", "1", "1", "2"]);
}

#[test]
fn the_next_of_a_subject_follows_a_dead_letter() {
    let world = World::new();
    world.push_stream(ONE);
    let refusal = PushResponse::new(400).with_body(r#"{"err":"invalid_request"}"#);
    world.receiver.then(ONE, Ok(refusal));
    world.emit("user", "1");
    world.emit("user", "2");
    world.run_once();
    world.run_once();
    assert_eq!(world.sent(), ["1", "2"]);
    assert_eq!((world.totals().dead, world.totals().delivered), (1, 1));
}

#[test]
fn different_subjects_go_in_parallel_and_one_subject_one_by_one() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.hold(ONE);
    for (user, label) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("c", "c1")] {
        world.emit(user, label);
    }
    let run = Task::start(world.transmitter.run_once());
    assert_eq!(
        (world.sent(), world.receiver.running()),
        (vec!["a1".to_owned(), "b1".to_owned(), "c1".to_owned()], 3)
    );
    world.receiver.release(ONE);
    assert_eq!(run.output().unwrap().delivered, 3);
}

#[test]
fn one_identifier_of_an_entity_keeps_the_order_of_all_its_descriptions() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.hold(ONE);
    let email = || SimpleSubject::email("user@example.com").unwrap();
    let phone = SimpleSubject::phone_number("+12065550100").unwrap();
    let aliases = Subject::aliases([email(), phone]).unwrap();
    let device = SimpleSubject::opaque("laptop").unwrap();
    let complex = Subject::complex([("device", device), ("user", email())]).unwrap();
    for (subject, label) in [(email().into(), "1"), (aliases, "2"), (complex, "3")] {
        let event = Event::new(types::session_revoked(), subject).with_member("label", label);
        ready(world.transmitter.emit(event)).unwrap();
    }
    let run = Task::start(world.transmitter.run_once());
    assert_eq!(world.sent(), ["1"]);
    world.receiver.release(ONE);
    run.output().unwrap();
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["1", "2", "3"]);
}

#[test]
fn one_stream_has_only_so_many_pushes_under_way() {
    let world = World::with(|config| config.pushes_per_stream = 3);
    world.push_stream(ONE);
    world.receiver.hold(ONE);
    for user in ["a", "b", "c", "d", "e"] {
        world.emit(user, user);
    }
    let run = Task::start(world.transmitter.run_once());
    assert_eq!(world.receiver.running(), 3);
    world.receiver.release(ONE);
    assert_eq!(run.output().unwrap().delivered, 3);
    assert_eq!(world.run_once().delivered, 2);
}

#[test]
fn a_process_has_only_so_many_pushes_under_way_and_makes_up_for_it() {
    let world = World::with(|config| config.pushes = 4);
    world.push_stream(ONE);
    world.receiver.hold(ONE);
    for user in ["a", "b", "c", "d", "e"] {
        world.emit(user, user);
    }
    let mut run = world.running();
    assert_eq!(world.receiver.running(), 2);
    world.receiver.release(ONE);
    run.step();
    assert_eq!(world.sent(), ["a", "b", "c", "d", "e"]);
    assert_eq!(world.totals().delivered, 5);
}

#[test]
fn held_sets_go_out_in_the_order_they_were_raised_ssf_1_0_8_1_2_1() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.emit("user", "1");
    world.set_status(&stream, Paused).unwrap();
    world.emit("user", "2");
    world.emit("user", "3");
    world.run_for(seconds(3600));
    assert_eq!(world.sent(), [""; 0]);
    world.set_status(&stream, Enabled).unwrap();
    world.run_for(seconds(1));
    assert_eq!(world.sent(), ["1", "2", "3"]);
}
