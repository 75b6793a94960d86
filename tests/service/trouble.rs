//! A store that fails now and then: nothing is lost, nothing is sent twice for nothing.

use std::sync::Mutex;

use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::error::Error;
use ssf_transmitter::id::{Issuer, StreamId};
use ssf_transmitter::outbox::PollError;
use ssf_transmitter::protocol::{
    CreateStream, PollRequest, Refusal, RequestedDelivery, VerificationRequest,
};
use ssf_transmitter::store::{LetterFilter, StoreError};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::testkit::SeededEntropy;
use ssf_transmitter::transmitter::Transmitter;

use crate::drive::{Task, ready};
use crate::flaky::{Call, FlakyStore};
use crate::world::{ISSUER, ONE, START, TWO, World, caller, event, labels, push_to, seconds};

/// A transmitter over a flaky store, with everything else of a world.
struct Flaky {
    world: World,
    store: FlakyStore,
    transmitter: Transmitter,
}

impl Flaky {
    fn new() -> Self {
        let (world, store) = (World::new(), FlakyStore::default());
        let issuer = Issuer::parse(ISSUER).unwrap();
        let transmitter = Transmitter::builder(issuer, store.clone(), world.keys.clone())
            .with_deliverer(world.receiver.clone())
            .with_clock(world.clock.clone())
            .with_entropy(SeededEntropy::new(1))
            .build()
            .unwrap();
        Self { world, store, transmitter }
    }

    fn stream(&self, delivery: RequestedDelivery) -> StreamId {
        let request = CreateStream::new(delivery);
        let created = self.transmitter.receivers();
        ready(created.create_stream(&caller(), request)).unwrap().stream_id
    }

    fn emit(&self, user: &str, label: &str) {
        ready(self.transmitter.emit(event(user, label))).unwrap();
    }

    fn delivered(&self) -> u64 {
        ready(self.transmitter.totals()).unwrap().delivered
    }
}

fn is_unavailable(error: &Error) -> bool {
    matches!(error, Error::Store(StoreError::Unavailable(_)))
}

#[test]
fn the_worker_outlives_a_store_that_fails_and_tells_of_it() {
    for call in [Call::Claim, Call::Keep, Call::Settle] {
        let flaky = Flaky::new();
        flaky.stream(push_to(ONE, None));
        flaky.store.fail(call);
        let troubles = Mutex::new(0);
        let run = flaky.transmitter.run(std::future::pending(), seconds(1), |trouble| {
            assert!(is_unavailable(trouble), "{trouble}");
            *troubles.lock().unwrap() += 1;
        });
        let mut run = Task::start(run);
        flaky.emit("user", "a");
        flaky.world.pass(seconds(10), &mut run);
        // It asks again every second, not in a spin.
        let told = *troubles.lock().unwrap();
        assert!((1..=12).contains(&told), "{call:?}: {told}");
        flaky.store.mend();
        flaky.world.pass(seconds(60), &mut run);
        assert_eq!(flaky.delivered(), 1, "{call:?}");
        // What was answered before the store failed is not sent again.
        assert_eq!(flaky.world.sent(), ["a"], "{call:?}");
    }
}

#[test]
fn a_run_that_fails_loses_nothing() {
    for (call, sent) in [(Call::Claim, 1), (Call::Keep, 1), (Call::Settle, 2)] {
        let flaky = Flaky::new();
        flaky.stream(push_to(ONE, None));
        flaky.emit("user", "a");
        flaky.store.fail(call);
        assert!(is_unavailable(&ready(flaky.transmitter.run_once()).unwrap_err()), "{call:?}");
        flaky.store.mend();
        flaky.world.advance(seconds(60));
        assert_eq!(ready(flaky.transmitter.run_once()).unwrap().delivered, 1, "{call:?}");
        // Delivered at least once, under one `jti`, with the same bytes.
        let pushes = flaky.world.receiver.pushes();
        assert_eq!(pushes.len(), sent, "{call:?}");
        assert!(pushes.iter().all(|push| push.token == pushes[0].token));
    }
}

#[test]
fn a_poll_that_meets_a_failing_store_may_be_repeated() {
    let flaky = Flaky::new();
    let stream = flaky.stream(RequestedDelivery::Poll);
    flaky.emit("user", "a");
    flaky.store.fail(Call::HandOut);
    let receivers = flaky.transmitter.receivers();
    let error = ready(receivers.poll(&caller(), &stream, PollRequest::default())).unwrap_err();
    assert!(matches!(error.refusal(), Refusal::Unavailable(_)));
    flaky.store.mend();
    let reply = ready(receivers.poll(&caller(), &stream, PollRequest::default())).unwrap();
    assert_eq!(labels(&reply), ["a"]);
}

#[test]
fn a_long_poll_looks_again_when_the_store_cannot_tell_of_other_processes() {
    let flaky = Flaky::new();
    let stream = flaky.stream(RequestedDelivery::Poll);
    let elsewhere = Transmitter::builder(
        Issuer::parse(ISSUER).unwrap(),
        flaky.store.clone(),
        flaky.world.keys.clone(),
    )
    .with_clock(flaky.world.clock.clone())
    .with_entropy(SeededEntropy::new(2))
    .build()
    .unwrap();
    let (receivers, caller) = (flaky.transmitter.receivers(), caller());
    let mut poll = Task::start(receivers.poll(&caller, &stream, PollRequest::default()));
    ready(elsewhere.emit(event("user", "a"))).unwrap();
    poll.step();
    assert!(poll.waits());
    flaky.world.pass(seconds(1), &mut poll);
    assert_eq!(labels(&poll.output().unwrap()), ["a"]);
    // And one for which nothing comes still ends at its time.
    let mut poll = Task::start(receivers.poll(&caller, &stream, ack_of_all(&flaky, &stream)));
    flaky.world.pass(seconds(24), &mut poll);
    assert!(poll.waits());
    flaky.world.pass(seconds(1), &mut poll);
    assert_eq!(poll.output().unwrap().sets, []);
    assert_eq!(flaky.world.clock.now(), START.after(seconds(26)));
}

fn ack_of_all(flaky: &Flaky, stream: &StreamId) -> PollRequest {
    let polled = flaky.transmitter.receivers();
    let reply = ready(polled.poll(&caller(), stream, PollRequest::default())).unwrap();
    let mut request = PollRequest::default();
    request.acks = reply.sets.into_iter().map(|(jti, _)| jti).collect();
    request
}

#[test]
fn a_change_that_another_one_overtook_is_decided_anew() {
    let flaky = Flaky::new();
    let stream = flaky.stream(push_to(ONE, None));
    flaky.store.conflict_once();
    let changed = ready(flaky.transmitter.set_status(&stream, StreamStatus::Paused, None)).unwrap();
    assert_eq!(changed.status, StreamStatus::Paused);
    ready(flaky.transmitter.run_once()).unwrap();
    assert_eq!(flaky.world.sent(), ["stream-updated paused"]);
    assert_eq!(ready(flaky.transmitter.totals()).unwrap().accepted, 1);
}

#[test]
fn a_push_under_way_ends_also_when_nobody_knows_whether_its_stream_changed() {
    let flaky = Flaky::new();
    let stream = flaky.stream(push_to(ONE, None));
    flaky.emit("user", "a");
    flaky.world.receiver.hold(ONE);
    let mut run = Task::start(flaky.transmitter.run_once());
    assert_eq!(flaky.world.receiver.running(), 1);
    flaky.store.lose_answer_once();
    let stopped = ready(flaky.transmitter.set_status(&stream, StreamStatus::Paused, None));
    assert!(is_unavailable(&stopped.unwrap_err()));
    run.step();
    assert_eq!(flaky.world.receiver.running(), 0);
    assert_eq!(run.output().unwrap().returned, 1);
}

#[test]
fn upkeep_that_fails_keeps_nobody_from_pushing() {
    let flaky = Flaky::new();
    flaky.stream(push_to(ONE, None));
    flaky.emit("user", "a");
    flaky.store.fail(Call::Sweep);
    assert!(is_unavailable(&ready(flaky.transmitter.run_once()).unwrap_err()));
    assert_eq!((flaky.world.sent(), flaky.delivered()), (vec!["a".to_owned()], 1));
}

#[test]
fn a_settling_that_fails_once_is_done_at_the_next_end_of_a_push() {
    let flaky = Flaky::new();
    flaky.stream(push_to(ONE, None));
    flaky.stream(push_to(TWO, None));
    flaky.emit("user", "a");
    flaky.world.receiver.hold(TWO);
    flaky.store.fail_once(Call::Settle);
    let mut run = Task::start(flaky.transmitter.run_once());
    assert_eq!(flaky.delivered(), 0);
    flaky.world.receiver.release(TWO);
    run.step();
    assert_eq!(run.output().unwrap().delivered, 2, "the push that went on was not dropped");
    assert_eq!((flaky.delivered(), flaky.world.sent().len()), (2, 2));
}

#[test]
fn what_was_answered_does_not_go_back_as_if_it_had_not_been() {
    let flaky = Flaky::new();
    let stream = flaky.stream(push_to(ONE, None));
    flaky.emit("user", "a");
    flaky.world.receiver.then(ONE, Ok(PushResponse::new(503)));
    flaky.world.receiver.hold(ONE);
    let stop = async {
        flaky.world.clock.sleep_until(START.after(seconds(5))).await;
    };
    let mut run = Task::start(flaky.transmitter.run(stop, seconds(10), |_| ()));
    flaky.world.pass(seconds(5), &mut run);
    flaky.store.fail_once(Call::Settle);
    flaky.world.receiver.release(ONE);
    run.step();
    run.output().unwrap();
    let health = ready(flaky.transmitter.overview(&stream)).unwrap().health;
    assert_eq!(health.last_error.map(|error| error.what).as_deref(), Some("503"));
}

#[test]
fn who_waits_looks_also_when_the_caller_hangs_up_after_the_commit() {
    for call in [Call::Append, Call::Verify, Call::Redrive] {
        let flaky = Flaky::new();
        flaky.store.alone();
        let stream = flaky.stream(RequestedDelivery::Poll);
        let (receivers, caller) = (flaky.transmitter.receivers(), caller());
        if call == Call::Redrive {
            flaky.emit("user", "a");
            let polled = receivers.poll(&caller, &stream, PollRequest::default());
            let (jti, _) = ready(polled).unwrap().sets.remove(0);
            let mut refuse = PollRequest::default();
            refuse.errors = vec![(jti, PollError::new("invalid_key".to_owned(), None))];
            refuse.max_events = Some(0);
            ready(receivers.poll(&caller, &stream, refuse)).unwrap();
        }
        let mut poll = Task::start(receivers.poll(&caller, &stream, PollRequest::default()));
        assert!(poll.waits(), "{call:?}");
        flaky.store.silence(call);
        match call {
            Call::Append => drop(Task::start(flaky.transmitter.emit(event("user", "a")))),
            Call::Verify => {
                let request = VerificationRequest::new(stream.clone(), None);
                drop(Task::start(receivers.verify(&caller, request)));
            }
            _ => {
                let redrive = flaky.transmitter.redrive(&stream, LetterFilter::default());
                drop(Task::start(redrive));
            }
        }
        poll.step();
        assert_eq!(poll.output().unwrap().sets.len(), 1, "{call:?}");
    }
}
