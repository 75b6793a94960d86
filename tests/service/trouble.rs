//! A store that fails now and then: nothing is lost, nothing is sent twice for nothing.

use std::sync::Mutex;

use ssf_transmitter::clock::Clock;
use ssf_transmitter::error::Error;
use ssf_transmitter::id::{Issuer, StreamId};
use ssf_transmitter::protocol::{CreateStream, PollRequest, Refusal, RequestedDelivery};
use ssf_transmitter::store::StoreError;
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::testkit::SeededEntropy;
use ssf_transmitter::transmitter::Transmitter;

use crate::drive::{Task, ready};
use crate::flaky::{Call, FlakyStore};
use crate::world::{ISSUER, ONE, START, World, caller, event, labels, push_to, seconds};

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
