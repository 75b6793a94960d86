//! What one event costs when ten streams want it, in a store with 100 streams and 1,000 subjects
//! and in one with 100,000 and 1,000,000: the second may cost half as much again.
//!
//! `cargo bench --bench routing` prints the two medians and their ratio, then lets criterion time
//! each store on its own. The ratio is taken in one run, the two stores in turns, so that a busy
//! machine slows both. `-- --test` does the same with small stores, in seconds.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, StreamId, TenantId};
use ssf_transmitter::store::{Acknowledgement, ReceiverStore, SubjectChange};
use ssf_transmitter::stream::{DefaultSubjects, Delivery, EndpointUrl, PushDelivery, StreamRecord};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::Emission;
use ssf_transmitter::{
    Event, LocalKeys, MemoryStore, SigningKey, SimpleSubject, Subject, Transmitter,
};

/// How many streams want each event.
const INTERESTED: usize = 10;

/// How many events are emitted before the other store has its turn.
const TURN: usize = 50;

/// Events whose subject is one of these, at random.
#[derive(Clone, Copy)]
enum Events {
    /// Always the same: all that an event touches is in the processor's cache.
    OneSubject,
    /// Any of those that ten streams list: with many streams, little is in the cache.
    AnySubject,
}

/// What subjects look like.
#[derive(Clone, Copy)]
enum Kind {
    Simple,
    /// A user of the one tenant that all subjects share.
    TenantUser,
}

#[derive(Clone, Copy)]
struct Size {
    streams: usize,
    subjects: usize,
}

struct World {
    store: Arc<MemoryStore>,
    transmitter: Transmitter,
    kind: Kind,
    /// Subjects that ten streams list have the numbers below this one.
    wanted: usize,
    random: Random,
}

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let small = Size { streams: 100, subjects: 1_000 };
    let large = if smoke {
        Size { streams: 1_000, subjects: 10_000 }
    } else {
        Size { streams: 100_000, subjects: 1_000_000 }
    };
    let turns = if smoke { 2 } else { 400 };
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for (name, kind) in [("simple", Kind::Simple), ("tenant-user", Kind::TenantUser)] {
        let mut worlds = [World::new(kind, small), World::new(kind, large)];
        for (events_name, events) in
            [("one subject", Events::OneSubject), ("any subject", Events::AnySubject)]
        {
            let name = format!("{name}, {events_name}");
            compare(&name, &mut worlds, events, turns);
            let mut group = criterion.benchmark_group(&name);
            for (world, size) in worlds.iter_mut().zip(["small", "large"]) {
                group.bench_function(size, |bencher| {
                    bencher.iter_custom(|times| world.time(events, times as usize));
                });
            }
            group.finish();
        }
    }
    criterion.final_summary();
}

/// Prints the median time of an event in each of two stores, and how many times the first the
/// second is.
fn compare(name: &str, worlds: &mut [World; 2], events: Events, turns: usize) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..turns {
        for (world, times) in worlds.iter_mut().zip(&mut times) {
            times.push(world.time(events, TURN) / TURN as u32);
        }
    }
    let [small, large] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    println!("{name}: small {small:?}, large {large:?}, ratio {ratio:.2}");
}

impl Kind {
    fn subject(self, number: usize) -> Subject {
        let user = SimpleSubject::email(format!("user-{number}@example.com")).unwrap();
        match self {
            Self::Simple => user.into(),
            Self::TenantUser => {
                let tenant = SimpleSubject::opaque("the tenant of all").unwrap();
                Subject::complex([("tenant", tenant), ("user", user)]).unwrap()
            }
        }
    }
}

impl World {
    /// Streams that each list as many subjects of their own as the others; beside them subjects
    /// that ten streams list, one for each ten streams.
    fn new(kind: Kind, size: Size) -> Self {
        let store = Arc::new(MemoryStore::new());
        let key = SigningKey::generate(
            ssf_transmitter::Algorithm::Es256,
            KeyId::parse("2026-11").unwrap(),
        );
        let keys = LocalKeys::new(key.unwrap());
        let transmitter = Transmitter::builder(issuer(), Arc::clone(&store), keys).build().unwrap();
        let mut world =
            Self { store, transmitter, kind, wanted: size.streams / INTERESTED, random: Random(7) };
        for number in 0..size.streams {
            block_on(world.store.create_stream(record(number), u32::MAX)).unwrap();
        }
        for subject in 0..world.wanted {
            for nth in 0..INTERESTED {
                world.list(subject + nth * world.wanted, subject);
            }
        }
        for subject in world.wanted..size.subjects {
            world.list(subject % size.streams, subject);
        }
        world
    }

    fn list(&self, stream: usize, subject: usize) {
        let change = SubjectChange::Add(self.kind.subject(subject));
        block_on(self.store.change_subject(&issuer(), &owner(stream), &id(stream), change))
            .unwrap();
    }

    /// How long that many emissions take. What each stored is settled again, untimed, so that all
    /// find streams without a backlog.
    fn time(&mut self, events: Events, times: usize) -> Duration {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            let number = match events {
                Events::OneSubject => 0,
                Events::AnySubject => self.random.below(self.wanted),
            };
            let event = Event::new(types::session_revoked(), self.kind.subject(number));
            let start = Instant::now();
            let emission = block_on(self.transmitter.emit(event)).unwrap();
            took += start.elapsed();
            self.settle(&emission);
        }
        took
    }

    fn settle(&self, emission: &Emission) {
        assert_eq!(emission.sets.len(), INTERESTED);
        for set in &emission.sets {
            let number = set.stream_id.as_str().trim_start_matches("stream-").parse().unwrap();
            let mut acknowledgement = Acknowledgement::default();
            acknowledgement.acks.push(set.jti.clone());
            let owner = owner(number);
            block_on(self.store.acknowledge(&issuer(), &owner, &set.stream_id, acknowledgement))
                .unwrap();
        }
    }
}

fn issuer() -> Issuer {
    Issuer::parse("https://tr.example.com").unwrap()
}

fn owner(stream: usize) -> Owner {
    let client = ClientId::parse(format!("client-{stream}")).unwrap();
    Owner::new(TenantId::parse("t1").unwrap(), client)
}

fn id(stream: usize) -> StreamId {
    StreamId::parse(format!("stream-{stream}")).unwrap()
}

/// A push stream that gets only what it adds.
fn record(stream: usize) -> StreamRecord {
    let endpoint = EndpointUrl::parse("https://rp.example.net/events").unwrap();
    let mut record = StreamRecord::new(
        issuer(),
        owner(stream),
        id(stream),
        Audience::parse("https://rp.example.net").unwrap(),
        Delivery::Push(PushDelivery::new(endpoint, None)),
        Timestamp::from_seconds(0),
    );
    record.events_delivered = vec![types::session_revoked()];
    record.default_subjects = DefaultSubjects::None;
    record
}

/// Numbers that look random and are the same in every run (a linear congruential generator).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
