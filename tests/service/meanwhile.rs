//! What happens here while the worker waits for an answer of the store counts.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use ssf_transmitter::deliver::PushResponse;
use ssf_transmitter::id::{Issuer, StreamId};
use ssf_transmitter::outbox::BeyondLimit;
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery, StatusRequest};
use ssf_transmitter::store::{
    Append, Appended, Candidate, CandidateQuery, Outbox, StoreError, StreamStore,
};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::testkit::SeededEntropy;
use ssf_transmitter::transmitter::{Config, Transmitter};

use crate::drive::{Task, ready};
use crate::flaky::{Call, FlakyStore};
use crate::world::{ISSUER, ONE, World, caller, event, jtis, poll_request, push_to, seconds};

const HOUR: Duration = seconds(3600);

/// A transmitter over a store whose answers take long enough for something to happen.
struct Meanwhile {
    world: World,
    store: FlakyStore,
    transmitter: Transmitter,
}

impl Meanwhile {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let (world, store) = (World::new(), FlakyStore::default());
        store.alone();
        let mut config = Config::default();
        change(&mut config);
        let issuer = Issuer::parse(ISSUER).unwrap();
        let transmitter = Transmitter::builder(issuer, store.clone(), world.keys.clone())
            .with_deliverer(world.receiver.clone())
            .with_clock(world.clock.clone())
            .with_entropy(SeededEntropy::new(1))
            .with_config(config)
            .build()
            .unwrap();
        Self { world, store, transmitter }
    }

    /// Before the answer to that call arrives, somebody does that.
    fn during(&self, call: Call, act: impl FnOnce(&Transmitter) + Send + 'static) {
        let transmitter = self.transmitter.clone();
        self.store.after(call, move || act(&transmitter));
    }

    fn run_for(&self, time: Duration) {
        let mut running = Task::start(async {
            let run = self.transmitter.run(std::future::pending(), seconds(1), |trouble| {
                panic!("{trouble}");
            });
            run.await.unwrap();
        });
        self.world.pass(time, &mut running);
    }

    fn status(&self, stream: &StreamId) -> StreamStatus {
        ready(self.transmitter.overview(stream)).unwrap().record.status
    }

    fn dead(&self) -> u64 {
        ready(self.transmitter.totals()).unwrap().dead
    }
}

fn create(transmitter: &Transmitter, delivery: RequestedDelivery) -> StreamId {
    let created = transmitter.receivers();
    ready(created.create_stream(&caller(), CreateStream::new(delivery))).unwrap().stream_id
}

fn set_status(transmitter: &Transmitter, stream: &StreamId, status: StreamStatus) {
    let request = StatusRequest::new(stream.clone(), status, None);
    ready(transmitter.receivers().update_status(&caller(), &request)).unwrap();
}

fn emit(transmitter: &Transmitter) {
    ready(transmitter.emit(event("user", "a"))).unwrap();
}

#[test]
fn a_pause_for_failures_does_not_hit_a_stream_that_its_receiver_started_since() {
    let refusing = |config: &mut Config| config.breaker.pause_after_refusals = 1;
    let paused = |restart: bool| {
        let meanwhile = Meanwhile::new(refusing);
        let stream = create(&meanwhile.transmitter, push_to(ONE, None));
        meanwhile.world.receiver.then(ONE, Ok(PushResponse::new(401)));
        emit(&meanwhile.transmitter);
        let restarted = stream.clone();
        meanwhile.during(Call::Settle, move |transmitter| {
            if restart {
                set_status(transmitter, &restarted, StreamStatus::Paused);
                set_status(transmitter, &restarted, StreamStatus::Enabled);
            }
        });
        ready(meanwhile.transmitter.run_once()).unwrap();
        meanwhile.status(&stream)
    };
    assert_eq!((paused(false), paused(true)), (StreamStatus::Paused, StreamStatus::Enabled));
}

#[test]
fn a_stream_that_begins_during_upkeep_is_paused_in_its_time_ssf_1_0_8_1_1() {
    let meanwhile = Meanwhile::new(|config| config.inactivity_timeout = Some(HOUR));
    meanwhile.during(Call::Idle, |transmitter| {
        create(transmitter, RequestedDelivery::Poll);
    });
    let status = || ready(meanwhile.transmitter.streams(None, 1)).unwrap()[0].record.status;
    meanwhile.run_for(HOUR - seconds(1));
    assert_eq!(status(), StreamStatus::Enabled);
    meanwhile.run_for(seconds(2));
    assert_eq!(status(), StreamStatus::Paused);
}

#[test]
fn what_is_emitted_during_a_look_at_what_streams_hold_is_given_up_in_its_time() {
    let meanwhile = Meanwhile::new(|config| config.held.age = HOUR);
    create(&meanwhile.transmitter, RequestedDelivery::Poll);
    meanwhile.during(Call::Held, emit);
    meanwhile.run_for(HOUR - seconds(1));
    assert_eq!(meanwhile.dead(), 0);
    meanwhile.run_for(seconds(2));
    assert_eq!(meanwhile.dead(), 1);
}

/// The outbox of a host, during whose transaction the worker looks.
struct Transaction<'a> {
    outbox: Box<dyn Outbox + 'a>,
    worker: &'a Transmitter,
}

#[async_trait]
impl Outbox for Transaction<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        self.outbox.candidates(query).await
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        ready(self.worker.run_once()).unwrap();
        self.outbox.append(append).await
    }
}

#[test]
fn what_commits_after_a_look_at_what_streams_hold_is_given_up_in_its_time() {
    let meanwhile = Meanwhile::new(|config| config.held.age = HOUR);
    create(&meanwhile.transmitter, RequestedDelivery::Poll);
    let mut outbox =
        Transaction { outbox: meanwhile.store.outbox(), worker: &meanwhile.transmitter };
    let emitted = meanwhile.transmitter.emit_in(&mut outbox, event("user", "a"));
    meanwhile.transmitter.wake(&ready(emitted).unwrap());
    meanwhile.run_for(HOUR + seconds(1));
    assert_eq!(meanwhile.dead(), 1);
}

#[test]
fn a_receiver_that_comes_while_its_stream_is_found_idle_keeps_it_ssf_1_0_8_1_1() {
    let meanwhile = Meanwhile::new(|config| config.inactivity_timeout = Some(HOUR));
    let stream = create(&meanwhile.transmitter, RequestedDelivery::Poll);
    meanwhile.world.advance(HOUR);
    let polled = stream.clone();
    meanwhile.during(Call::Idle, move |transmitter| {
        let poll = poll_request(&json!({ "maxEvents": 0 }));
        ready(transmitter.receivers().poll(&caller(), &polled, poll)).unwrap();
    });
    meanwhile.run_for(HOUR - seconds(1));
    assert_eq!(meanwhile.status(&stream), StreamStatus::Enabled);
    meanwhile.run_for(seconds(2));
    assert_eq!(meanwhile.status(&stream), StreamStatus::Paused);
}

#[test]
fn a_receiver_that_fetches_while_its_stream_is_found_too_full_keeps_it() {
    let meanwhile = Meanwhile::new(|config| {
        (config.held.entries, config.held.beyond) = (1, BeyondLimit::DisableStream);
    });
    let stream = create(&meanwhile.transmitter, RequestedDelivery::Poll);
    emit(&meanwhile.transmitter);
    emit(&meanwhile.transmitter);
    let polled = stream.clone();
    meanwhile.during(Call::Held, move |transmitter| {
        let poll = |body| {
            let poll = transmitter.receivers();
            ready(poll.poll(&caller(), &polled, poll_request(&body))).unwrap()
        };
        let one = jtis(&poll(json!({ "maxEvents": 1, "returnImmediately": true })));
        poll(json!({ "ack": one, "maxEvents": 0 }));
    });
    let report = ready(meanwhile.transmitter.run_once()).unwrap().held;
    assert_eq!((report.disabled, meanwhile.status(&stream)), (0, StreamStatus::Enabled));
    emit(&meanwhile.transmitter);
    meanwhile.run_for(seconds(60));
    assert_eq!(meanwhile.status(&stream), StreamStatus::Disabled);
}
