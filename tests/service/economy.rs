//! What the worker asks of the store: little while it is busy, nothing while there is nothing.

use std::time::Duration;

use ssf_transmitter::clock::Clock;
use ssf_transmitter::event::Event;
use ssf_transmitter::id::{IdempotencyKey, Issuer, StreamId};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::testkit::SeededEntropy;
use ssf_transmitter::transmitter::{Config, Transmitter};

use crate::drive::{Task, ready};
use crate::fairness::Timed;
use crate::flaky::{Call, FlakyStore};
use crate::world::{ISSUER, ONE, World, caller, event, push_to, seconds};

const DAY: Duration = seconds(24 * 3600);

/// A transmitter in the one process over a store that counts its calls.
struct Counted {
    world: World,
    store: FlakyStore,
    transmitter: Transmitter,
}

impl Counted {
    fn new(takes: Duration, change: impl FnOnce(&mut Config)) -> Self {
        let (world, store) = (World::new(), FlakyStore::default());
        store.alone();
        let mut config = Config::default();
        change(&mut config);
        let issuer = Issuer::parse(ISSUER).unwrap();
        let transmitter = Transmitter::builder(issuer, store.clone(), world.keys.clone())
            .with_deliverer(Timed::new(world.clock.clone(), takes))
            .with_clock(world.clock.clone())
            .with_entropy(SeededEntropy::new(1))
            .with_config(config)
            .build()
            .unwrap();
        Self { world, store, transmitter }
    }

    fn stream(&self, delivery: RequestedDelivery) -> StreamId {
        let created = self.transmitter.receivers();
        ready(created.create_stream(&caller(), CreateStream::new(delivery))).unwrap().stream_id
    }

    fn running(&self) -> Task<'_, ()> {
        Task::start(async {
            let run = self.transmitter.run(std::future::pending(), seconds(1), |trouble| {
                panic!("{trouble}");
            });
            run.await.unwrap();
        })
    }

    fn emit(&self, event: Event) {
        ready(self.transmitter.emit(event)).unwrap();
    }

    fn delivered(&self) -> u64 {
        ready(self.transmitter.totals()).unwrap().delivered
    }

    /// How many calls of the store `during` makes.
    fn calls(&self, during: impl FnOnce()) -> usize {
        let before = self.store.calls();
        during();
        self.store.calls() - before
    }
}

#[test]
fn with_nothing_to_do_the_store_is_not_asked_for_a_day() {
    let counted = Counted::new(Duration::ZERO, |_| ());
    counted.stream(push_to(ONE, None));
    counted.stream(RequestedDelivery::Poll);
    let mut running = counted.running();
    counted.emit(event("user", "a"));
    counted.world.pass(seconds(60), &mut running);
    assert_eq!(
        (counted.delivered(), counted.calls(|| counted.world.pass(DAY, &mut running))),
        (1, 0)
    );
}

#[test]
fn what_will_ask_for_upkeep_is_asked_about_when_its_time_has_come() {
    let counted = Counted::new(Duration::ZERO, |config| config.inactivity_timeout = Some(DAY * 2));
    let stream = counted.stream(RequestedDelivery::Poll);
    let mut running = counted.running();
    let key = IdempotencyKey::parse("key").unwrap();
    counted.emit(event("user", "a").with_idempotency_key(key));
    counted.world.pass(DAY, &mut running);
    // The key of a day ago, at most an hour late.
    assert!(counted.calls(|| counted.world.pass(seconds(3600), &mut running)) > 0);
    assert_eq!(counted.calls(|| counted.world.pass(seconds(80_000), &mut running)), 0);
    counted.world.pass(seconds(3_000), &mut running);
    let status = ready(counted.transmitter.receivers().read_status(&caller(), &stream));
    assert_eq!(status.unwrap().status, StreamStatus::Paused);
}

#[test]
fn a_stream_created_while_the_worker_sleeps_is_paused_in_time() {
    let counted = Counted::new(Duration::ZERO, |config| config.inactivity_timeout = Some(DAY));
    let mut running = counted.running();
    counted.world.pass(DAY, &mut running);
    let stream = counted.stream(RequestedDelivery::Poll);
    counted.world.pass(DAY - seconds(1), &mut running);
    let status = || {
        let overviews = ready(counted.transmitter.streams(None, 9)).unwrap();
        let found = overviews.into_iter().find(|found| found.record.stream_id == stream);
        found.unwrap().record.status
    };
    assert_eq!(status(), StreamStatus::Enabled);
    counted.world.pass(seconds(1), &mut running);
    assert_eq!(status(), StreamStatus::Paused);
}

/// Calls of the store per settled SET, in thousandths: over two seconds an event every so often
/// goes to that many streams, whose receivers take 50 milliseconds.
fn calls_per_thousand(streams: u32, every: Duration) -> u64 {
    let counted = Counted::new(Duration::from_millis(50), |_| ());
    for n in 0..streams {
        counted.stream(push_to(&format!("https://rp-{n}.example/"), None));
    }
    let mut running = counted.running();
    let mut calls = 0;
    for n in 0..seconds(2).as_millis() / every.as_millis() {
        counted.emit(event(&format!("user-{n}"), "x"));
        calls += counted.calls(|| counted.world.pass(every, &mut running)) as u64;
    }
    calls += counted.calls(|| counted.world.pass(seconds(1), &mut running)) as u64;
    calls * 1000 / counted.delivered()
}

#[test]
fn the_busier_the_worker_the_less_a_set_costs_the_store() {
    let ms = Duration::from_millis;
    // 1,000 SETs a second in bursts, and one by one; then 50 a second one by one.
    let (bursts, stream, drops) = (
        calls_per_thousand(100, ms(100)),
        calls_per_thousand(10, ms(10)),
        calls_per_thousand(1, ms(20)),
    );
    assert!(bursts <= 125, "{bursts}");
    assert!(stream <= 500, "{stream}");
    assert!(drops <= 4000, "{drops}");
}

#[test]
fn a_store_that_hangs_does_not_keep_the_worker_from_stopping() {
    let counted = Counted::new(Duration::ZERO, |_| ());
    counted.stream(push_to(ONE, None));
    for call in [Call::Claim, Call::Settle] {
        counted.store.hang(call);
        let clock = counted.world.clock.clone();
        let stop = async move {
            clock.sleep_until(clock.now().after(seconds(10))).await;
        };
        let mut run = Task::start(counted.transmitter.run(stop, seconds(5), |_| ()));
        counted.emit(event("user", "a"));
        counted.world.pass(seconds(16), &mut run);
        run.output().unwrap();
    }
}
