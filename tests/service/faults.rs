//! Whose fault a failure is and what follows (design promise P7, RFC 8935 §2.3, §2.4).

use std::time::Duration;

use serde_json::json;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::outbox::{Breaker, DeadLetterReason, TransportFailure};
use ssf_transmitter::store::Backlog;
use ssf_transmitter::stream::StreamStatus;

use crate::drive::Task;
use crate::world::{ONE, START, TWO, World, seconds};

const HOUR: Duration = seconds(3600);
const DAY: Duration = seconds(24 * 3600);

fn refusal(err: &str) -> PushResponse {
    PushResponse::new(400).with_body(format!(r#"{{"err":"{err}","description":"no\u0007"}}"#))
}

#[test]
fn a_set_refused_for_good_is_a_dead_letter_at_once_rfc_8935_2_4() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(refusal("invalid_request")));
    let poisoned = world.emit("user", "poisoned");
    world.emit("other", "b");
    assert_eq!((world.run_once().dead, world.totals().delivered), (1, 1));
    let [letter] = &world.dead_letters(&stream)[..] else { panic!("one dead letter") };
    let reason = DeadLetterReason::Rejected {
        status: 400,
        err: Some("invalid_request".to_owned()),
        description: Some("no ".to_owned()),
    };
    assert_eq!((&letter.jti, &letter.reason), (&poisoned.sets[0].jti, &reason));
    assert_eq!((letter.attempts, letter.first_attempt), (1, Some(START)));
    assert_eq!((letter.emitted_at, letter.dead_at), (START, START));
    assert_eq!(world.overview(&stream).health.failures, 0);
}

#[test]
fn a_set_that_is_too_large_has_three_tries_and_blocks_nobody() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    for status in [413, 202, 202, 413, 413] {
        world.receiver.then(ONE, Ok(PushResponse::new(status)));
    }
    world.emit("user", "large");
    world.run_once();
    // Between its tries the others pass.
    world.emit("other", "b");
    world.emit("third", "c");
    assert_eq!(world.run_once().delivered, 2);
    world.run_for(seconds(60));
    assert_eq!(world.sent(), ["large", "b", "c", "large", "large"]);
    let [letter] = &world.dead_letters(&stream)[..] else { panic!("one dead letter") };
    assert!(matches!(letter.reason, DeadLetterReason::Rejected { status: 413, .. }));
    assert_eq!(letter.attempts, 3);
}

#[test]
fn a_key_the_receiver_does_not_know_yet_gets_time_to_be_fetched() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.then(ONE, Ok(refusal("invalid_key")));
    world.receiver.then(ONE, Ok(refusal("invalid_key")));
    world.emit("user", "a");
    world.run_for(seconds(29));
    assert_eq!(world.sent().len(), 1);
    world.run_for(seconds(600));
    assert_eq!((world.sent().len(), world.totals().delivered), (3, 1));
}

#[test]
fn a_receiver_that_is_down_costs_its_sets_nothing_but_time() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Ok(PushResponse::new(503)));
    for user in ["a", "b", "c"] {
        world.emit(user, user);
    }
    world.run_for(HOUR);
    // Three at first, then single probes 1, 2, 4 ... seconds apart, shortened by up to half.
    let probes = world.sent().len() - 3;
    assert!((10..=13).contains(&probes), "{probes}");
    let overview = world.overview(&stream);
    assert_eq!(overview.backlog, Backlog::Exactly(3));
    assert_eq!(overview.health.last_error.map(|error| error.what).as_deref(), Some("503"));
    world.receiver.otherwise(Ok(PushResponse::new(202)));
    world.run_for(HOUR);
    assert_eq!((world.totals().delivered, world.totals().dead), (3, 0));
    let health = world.overview(&stream).health;
    assert_eq!((health.breaker(world.clock.now()), health.failures), (Breaker::Closed, 0));
}

#[test]
fn a_stream_that_is_not_known_there_yet_is_tried_again() {
    for unknown in [404, 405, 425] {
        let world = World::new();
        world.push_stream(ONE);
        world.receiver.then(ONE, Ok(PushResponse::new(unknown)));
        world.emit("user", "a");
        world.run_for(seconds(2));
        assert_eq!((world.sent(), world.totals().delivered), (vec!["a".to_owned(); 2], 1));
    }
}

#[test]
fn the_pause_that_a_retry_after_leads_to_is_not_announced_before_rfc_9110_10_2_3() {
    let world = World::with(|config| config.breaker.pause_after_refusals = 1);
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(403).with_retry_after("120")));
    world.emit("user", "a");
    world.run_for(seconds(119));
    assert_eq!((world.status(&stream), world.sent().len()), (StreamStatus::Paused, 1));
    world.run_for(seconds(2));
    assert_eq!(world.sent(), ["a", "stream-updated paused"]);
}

#[test]
fn retry_after_is_minded_rfc_9110_10_2_3() {
    let world = World::new();
    world.push_stream(ONE);
    world.receiver.then(ONE, Ok(PushResponse::new(429).with_retry_after("120")));
    world.emit("user", "a");
    world.run_for(seconds(119));
    assert_eq!(world.sent().len(), 1);
    world.run_for(seconds(1));
    assert_eq!(world.totals().delivered, 1);
}

#[test]
fn ten_refusals_pause_the_stream_and_say_so() {
    for answer in
        [Ok(PushResponse::new(401)), Ok(PushResponse::new(410)), Ok(refusal("access_denied"))]
    {
        let world = World::new();
        let stream = world.push_stream(ONE);
        world.receiver.otherwise(answer);
        world.emit("user", "a");
        world.run_for(HOUR);
        assert_eq!(world.status(&stream), StreamStatus::Paused);
        let reason = world.overview(&stream).record.reason.unwrap();
        // P12: the same for every cause; the operator finds it in the last error.
        assert_eq!(reason, "SETs could not be delivered");
        let mut expected = vec!["a"; 10];
        expected.extend(["stream-updated paused"; 3]);
        assert_eq!(world.sent(), expected);
        // The announcement is given up; the event is held.
        assert_eq!((world.totals().dead, world.totals().waiting), (1, 1));
    }
}

#[test]
fn a_day_of_failures_pauses_the_stream_and_holds_what_waits() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Err(TransportFailure::Connect));
    world.emit("user", "a");
    world.run_for(DAY - seconds(1));
    assert_eq!(world.status(&stream), StreamStatus::Enabled);
    world.run_for(HOUR);
    assert_eq!(world.status(&stream), StreamStatus::Paused);
    assert_eq!(world.totals().waiting, 1);
    let sent = world.sent().len();
    world.run_for(DAY);
    assert_eq!(world.sent().len(), sent);
}

#[test]
fn no_answer_disables_a_stream() {
    for status in [400, 401, 403, 404, 410, 413, 451, 500, 599, 301, 100] {
        let world = World::new();
        let stream = world.push_stream(ONE);
        world.receiver.otherwise(Ok(PushResponse::new(status)));
        world.emit("user", "a");
        world.run_for(2 * DAY);
        assert_ne!(world.status(&stream), StreamStatus::Disabled, "{status}");
    }
}

#[test]
fn a_stream_that_is_enabled_again_begins_anew() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Err(TransportFailure::Connect));
    world.emit("user", "a");
    world.run_for(DAY + HOUR);
    assert_eq!(world.status(&stream), StreamStatus::Paused);
    // Its receiver comes back. One more failure is one failure, not the end of a bad day.
    world.receiver.otherwise(Ok(PushResponse::new(202)));
    world.receiver.then(ONE, Ok(PushResponse::new(503)));
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    let sent = world.sent().len();
    world.run_once();
    assert_eq!(world.sent()[sent..], ["a"]);
    world.run_for(seconds(2));
    assert_eq!(world.status(&stream), StreamStatus::Enabled);
    assert_eq!((world.totals().delivered, world.totals().waiting), (1, 0));
}

#[test]
fn a_new_secret_is_tried_at_once_though_the_old_one_was_refused() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    for _ in 0..9 {
        world.receiver.then(ONE, Ok(PushResponse::new(401)));
    }
    world.emit("user", "a");
    world.run_for(seconds(255));
    assert_eq!(world.sent().len(), 9);
    world.patch(&stream, json!({"delivery": {"authorization_header": "Bearer two"}}));
    assert_eq!(world.run_once().delivered, 1);
}

#[test]
fn a_receiver_that_hangs_slows_no_other() {
    let world = World::new();
    world.push_stream(ONE);
    world.push_stream(TWO);
    world.receiver.hold(ONE);
    let mut run = world.running();
    for (user, label) in [("a", "1"), ("b", "2"), ("a", "3")] {
        world.emit(user, label);
        // While a push is under way, rounds are ten milliseconds apart.
        world.pass(Duration::from_millis(20), &mut run);
    }
    assert_eq!((world.pushes_to(TWO).len(), world.totals().delivered), (3, 3));
    assert_eq!(world.receiver.running(), 2);
    // What hangs ends at its deadline, and its stream waits; the other goes on.
    world.pass(seconds(15), &mut run);
    world.emit("a", "4");
    run.step();
    assert_eq!((world.pushes_to(TWO).len(), world.totals().delivered), (4, 4));
}

#[test]
fn a_push_ends_at_its_deadline_though_the_deliverer_forgets_it() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.hold(ONE);
    world.emit("user", "a");
    let mut run = Task::start(world.transmitter.run_once());
    world.pass(seconds(14), &mut run);
    assert!(run.waits());
    world.pass(seconds(1), &mut run);
    assert_eq!(run.output().unwrap().returned, 1);
    let error = world.overview(&stream).health.last_error.map(|error| error.what);
    assert_eq!((error.as_deref(), world.receiver.running()), (Some("timeout"), 0));
}

#[test]
fn streams_that_hang_do_not_take_all_the_room() {
    let world = World::with(|config| {
        config.pushes = 4;
        config.pushes_per_stream = 2;
    });
    world.push_stream(ONE);
    world.push_stream(TWO);
    world.receiver.hold(ONE);
    let mut run = world.running();
    for user in ["a", "b", "c", "d", "e"] {
        world.emit(user, user);
    }
    world.pass(seconds(1), &mut run);
    assert_eq!(world.receiver.running(), 2);
    assert_eq!((world.pushes_to(TWO).len(), world.totals().delivered), (5, 5));
}
