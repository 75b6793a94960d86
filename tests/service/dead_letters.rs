//! Dead letters live again: as what, where in the queue, and counted how (design promise P6).

use std::time::Duration;

use serde_json::json;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::error::Error;
use ssf_transmitter::id::StreamId;
use ssf_transmitter::outbox::{Action, Matches, OutcomePolicy, Row};
use ssf_transmitter::outbox::{DeadLetterKind, TransportFailure};
use ssf_transmitter::store::{LetterFilter, LetterQuery, StoreError};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::transmitter::RedriveReport;

use crate::drive::ready;
use crate::world::{ONE, START, World, claims, label, seconds};

fn refusal(err: &str) -> PushResponse {
    PushResponse::new(400).with_body(format!(r#"{{"err":"{err}"}}"#))
}

fn redrive(world: &World, stream: &StreamId, filter: LetterFilter) -> RedriveReport {
    ready(world.transmitter.redrive(stream, filter)).unwrap()
}

fn all() -> LetterFilter {
    LetterFilter::default()
}

fn report(same: u64, renewed: u64) -> RedriveReport {
    let mut report = RedriveReport::default();
    (report.same, report.renewed) = (same, renewed);
    report
}

/// A table that gives up what gets no answer.
fn impatient() -> World {
    World::with(|config| {
        let gives_up = Row::new(Matches::Failure(TransportFailure::Connect), Action::DeadLetter);
        config.outcomes = OutcomePolicy::default().with_row(gives_up);
    })
}

#[test]
fn what_the_receiver_judged_goes_out_under_a_new_jti_and_else_the_same() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(refusal("invalid_audience")));
    world.emit("user", "a");
    world.run_once();
    world.advance(seconds(3600));
    assert_eq!(redrive(&world, &stream, all()), report(0, 1));
    assert_eq!(world.run_once().delivered, 1);
    let [first, second] = &world.pushes_to(ONE)[..] else { panic!("two pushes") };
    let [mut old, new] = [claims(&first.token), claims(&second.token)];
    assert_ne!(old["jti"], new["jti"]);
    // The same event of the same time, in the same transaction.
    old["jti"] = new["jti"].clone();
    assert_eq!(old, new);
    assert_eq!(new["iat"], START.as_seconds());
}

#[test]
fn what_nobody_judged_goes_out_as_it_was_byte_for_byte() {
    let world = impatient();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Err(TransportFailure::Connect));
    world.emit("user", "a");
    assert_eq!(world.run_once().dead, 1);
    assert_eq!(redrive(&world, &stream, all()), report(1, 0));
    assert_eq!(world.run_once().delivered, 1);
    let [first, second] = &world.pushes_to(ONE)[..] else { panic!("two pushes") };
    assert_eq!(first.token, second.token);
}

#[test]
fn what_a_poll_reported_is_handed_out_under_a_new_jti() {
    let world = World::new();
    let stream = world.poll_stream();
    let emitted = world.emit("user", "a");
    let jti = emitted.sets[0].jti.as_str();
    world.poll(&stream, json!({}));
    world.poll(&stream, json!({"setErrs": {jti: {"err": "invalid_key"}}, "maxEvents": 0}));
    assert_eq!(redrive(&world, &stream, all()), report(0, 1));
    let reply = world.poll(&stream, json!({}));
    let [(new, token)] = &reply.sets[..] else { panic!("one SET") };
    assert_ne!(new.as_str(), jti);
    assert_eq!((label(token), claims(token)["jti"].as_str()), ("a".to_owned(), Some(new.as_str())));
    // The old one is nobody's any more.
    world.poll(&stream, json!({"ack": [jti], "maxEvents": 0}));
    assert_eq!(world.totals().waiting, 1);
}

#[test]
fn what_was_judged_and_then_given_up_by_a_held_limit_goes_out_under_a_new_jti() {
    for refused in [refusal("invalid_key"), PushResponse::new(413)] {
        let world = World::with(|config| config.held.entries = 0);
        let stream = world.push_stream(ONE);
        world.receiver.then(ONE, Ok(refused));
        world.emit("user", "a");
        world.run_once();
        world.set_status(&stream, StreamStatus::Paused).unwrap();
        world.advance(seconds(3600));
        assert_eq!(world.run_once().held.given_up, 1);
        world.set_status(&stream, StreamStatus::Enabled).unwrap();
        assert_eq!(redrive(&world, &stream, all()), report(0, 1));
        assert_eq!(world.run_once().delivered, 1);
        let [first, second] = &world.pushes_to(ONE)[..] else { panic!("two pushes") };
        let [mut old, new] = [claims(&first.token), claims(&second.token)];
        assert_ne!(old["jti"], new["jti"]);
        old["jti"] = new["jti"].clone();
        assert_eq!(old, new);
    }
}

#[test]
fn what_lives_again_waits_behind_all_others() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(refusal("invalid_request")));
    world.emit("user", "first");
    world.run_once();
    world.set_status(&stream, StreamStatus::Paused).unwrap();
    world.emit("user", "second");
    redrive(&world, &stream, all());
    world.emit("user", "third");
    world.set_status(&stream, StreamStatus::Enabled).unwrap();
    world.run_for(seconds(10));
    assert_eq!(world.sent(), ["first", "second", "first", "third"]);
}

#[test]
fn letters_are_chosen_by_jti_kind_error_and_time() {
    let world = impatient();
    let stream = world.push_stream(ONE);
    let mut jtis = Vec::new();
    for answer in [
        Ok(refusal("invalid_request")),
        Ok(refusal("invalid_audience")),
        Err(TransportFailure::Connect),
    ] {
        world.receiver.then(ONE, answer);
        jtis.push(world.emit("user", "a").sets[0].jti.clone());
        world.run_once();
        world.advance(seconds(10));
    }
    let chosen = |change: &dyn Fn(&mut LetterFilter)| {
        let mut query = LetterQuery::new(9);
        change(&mut query.filter);
        let letters = ready(world.transmitter.dead_letters(&stream, &query)).unwrap();
        let jtis = jtis.iter().map(|jti| letters.iter().any(|letter| letter.jti == *jti));
        jtis.collect::<Vec<_>>()
    };
    assert_eq!(chosen(&|_| ()), [true, true, true]);
    assert_eq!(chosen(&|f| f.jti = Some(jtis[1].clone())), [false, true, false]);
    assert_eq!(chosen(&|f| f.kind = Some(DeadLetterKind::Rejected)), [true, true, false]);
    assert_eq!(chosen(&|f| f.err = Some("invalid_request".to_owned())), [true, false, false]);
    assert_eq!(chosen(&|f| f.dead_from = Some(START.after(seconds(10)))), [false, true, true]);
    assert_eq!(chosen(&|f| f.dead_before = Some(START.after(seconds(10)))), [true, false, false]);
    // Redriving goes by the same filter, and leaves the others.
    let mut undeliverable = all();
    undeliverable.kind = Some(DeadLetterKind::Undeliverable);
    assert_eq!(redrive(&world, &stream, undeliverable), report(1, 0));
    assert_eq!(world.dead_letters(&stream).len(), 2);
}

#[test]
fn pages_of_letters_meet_and_do_not_overlap() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Ok(refusal("invalid_request")));
    for label in ["a", "b", "c", "d", "e"] {
        world.emit("user", label);
        world.run_once();
    }
    let mut query = LetterQuery::new(2);
    let mut seen = Vec::new();
    loop {
        let page = ready(world.transmitter.dead_letters(&stream, &query)).unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.place());
        seen.extend(page.into_iter().map(|letter| letter.jti));
    }
    let all: Vec<_> = world.dead_letters(&stream).into_iter().map(|letter| letter.jti).collect();
    assert_eq!((seen.len(), seen), (5, all));
}

#[test]
fn each_life_is_counted_and_the_sum_stays_exact() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    for err in ["invalid_request", "invalid_request"] {
        world.receiver.then(ONE, Ok(refusal(err)));
    }
    world.emit("user", "a");
    world.run_once();
    redrive(&world, &stream, all());
    world.run_once();
    redrive(&world, &stream, all());
    world.run_once();
    let totals = world.totals();
    assert_eq!((totals.accepted, totals.redriven), (1, 2));
    assert_eq!((totals.dead, totals.delivered, totals.waiting), (2, 1, 0));
    let overview = world.overview(&stream);
    assert_eq!((overview.dead_letters, overview.totals), (0, totals));
}

#[test]
fn a_disabled_stream_and_an_unknown_one_refuse_a_redrive() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(refusal("invalid_request")));
    world.emit("user", "a");
    world.run_once();
    world.set_status(&stream, StreamStatus::Disabled).unwrap();
    let error = ready(world.transmitter.redrive(&stream, all())).unwrap_err();
    assert!(matches!(error, Error::Store(StoreError::StreamDisabled)), "{error}");
    // The letter is still there for when it is enabled again.
    assert_eq!(world.dead_letters(&stream).len(), 1);
    world.delete(&stream);
    let error = ready(world.transmitter.redrive(&stream, all())).unwrap_err();
    assert!(matches!(error, Error::Store(StoreError::NotFound)), "{error}");
}

#[test]
fn the_announcement_of_a_stop_does_not_live_again() {
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.otherwise(Err(TransportFailure::Connect));
    world.stop(&stream, StreamStatus::Paused);
    world.run_for(seconds(120));
    let mut expected = RedriveReport::default();
    expected.control = 1;
    assert_eq!(redrive(&world, &stream, all()), expected);
    assert_eq!(world.dead_letters(&stream).len(), 1);
}

#[test]
fn thousands_of_letters_are_redriven_in_pages() {
    let world = World::with(|config| config.held.entries = 0);
    let stream = world.poll_stream();
    for _ in 0..1200 {
        world.emit("user", "a");
    }
    assert_eq!(world.run_once().held.given_up, 1200);
    assert_eq!(redrive(&world, &stream, all()), report(1200, 0));
    assert_eq!((world.totals().waiting, world.totals().redriven), (1200, 1200));
}

#[test]
fn dead_letters_are_kept_for_30_days() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let world = World::new();
    let stream = world.push_stream(ONE);
    world.receiver.then(ONE, Ok(refusal("invalid_request")));
    world.emit("user", "a");
    world.run_once();
    world.advance(30 * DAY);
    world.run_once();
    assert_eq!(world.dead_letters(&stream).len(), 1);
    world.advance(seconds(3600));
    world.run_once();
    assert_eq!((world.dead_letters(&stream).len(), world.totals().dead), (0, 1));
}
