//! What one event costs when ten streams want it, in a store with 100 streams and 1,000 subjects
//! and in one with 100,000 and 1,000,000: the second may cost half as much again.
//!
//! Streams that began with no subject have added those that they want. Streams that began with all
//! have removed some; their types keep them apart, each of which twenty of them deliver, and ten of
//! these have removed the subject of the event. Where each stream delivers other types, all deliver
//! that of the event, and each a selection of its own of twenty others.
//!
//! Events about one subject show what finding its streams costs. Events about any subject touch ten
//! other streams each time; of 100,000 these are not in the processor's cache.
//!
//! `cargo bench --bench routing` prints the two medians and their ratio, then lets criterion time
//! each store on its own. The ratio is taken in one run, the two stores in turns, so that a busy
//! machine slows both. `-- --test` does the same with small stores, in seconds.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use ssf_transmitter::event::types;
use ssf_transmitter::hooks::SupportedEvents;
use ssf_transmitter::id::{
    Audience, ClientId, EventType, Issuer, KeyId, Owner, StreamId, TenantId,
};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery, SubjectRequest};
use ssf_transmitter::store::{Acknowledgement, ReceiverStore};
use ssf_transmitter::stream::{DefaultSubjects, EndpointUrl, PushDelivery};
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::transmitter::Emission;
use ssf_transmitter::{
    Algorithm, Caller, Config, Event, LocalKeys, MemoryStore, SigningKey, SimpleSubject, Subject,
    Transmitter,
};

/// How many streams want each event.
const INTERESTED: usize = 10;

/// How many events are emitted before the other store has its turn.
const TURN: usize = 20;

/// Events whose subject is one of these, at random.
#[derive(Clone, Copy)]
enum Events {
    /// Always the same: all that an event touches is in the processor's cache.
    OneSubject,
    /// Any of those that ten streams list: with many streams, little is in the cache.
    AnySubject,
}

/// What subjects look like, and what streams begin with.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Simple,
    /// Simple subjects, while no two streams deliver the same types.
    OwnTypes,
    /// A user of the one tenant that all subjects share.
    TenantUser,
    /// A device with an application, of the one user of one tenant.
    FourMembers,
    /// Simple subjects that streams have removed.
    Removed,
}

#[derive(Clone, Copy)]
struct Size {
    streams: usize,
    subjects: usize,
}

struct World {
    store: Arc<MemoryStore>,
    transmitter: Transmitter,
    owners: HashMap<StreamId, Owner>,
    kind: Kind,
    /// Subjects that events are about have the numbers below this one.
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
    for (name, kind) in [
        ("simple", Kind::Simple),
        ("own-types", Kind::OwnTypes),
        ("tenant-user", Kind::TenantUser),
        ("four-members", Kind::FourMembers),
        ("removed", Kind::Removed),
    ] {
        let start = Instant::now();
        let mut worlds = [World::new(kind, small), World::new(kind, large)];
        println!("{name}: stores filled in {:.1?}", start.elapsed());
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
        if let Kind::TenantUser = kind {
            print_first_of_its_kind(&worlds[1]);
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

/// Prints what the first event costs that names the user without the tenant, and the second.
fn print_first_of_its_kind(world: &World) {
    let emit = || {
        let user = Kind::Simple.subject(0);
        let Subject::Simple(user) = user else { return Duration::ZERO };
        let subject = Subject::complex([("user", user)]).unwrap();
        world.emit(Event::new(world.kind.event_type(0), subject))
    };
    println!("an event with fewer members: first {:.1?}, second {:.1?}", emit(), emit());
}

impl Kind {
    /// The type of events about that subject.
    fn event_type(self, number: usize) -> EventType {
        match self {
            Self::Simple | Self::OwnTypes | Self::TenantUser | Self::FourMembers => {
                types::session_revoked()
            }
            Self::Removed => EventType::parse(format!("urn:example:event:{number}")).unwrap(),
        }
    }

    fn default_subjects(self) -> DefaultSubjects {
        match self {
            Self::Removed => DefaultSubjects::All,
            _ => DefaultSubjects::None,
        }
    }

    fn subject(self, number: usize) -> Subject {
        let email = || SimpleSubject::email(format!("user-{number}@example.com")).unwrap();
        let opaque = |id: &str| SimpleSubject::opaque(id).unwrap();
        let tenant = ("tenant", opaque("the tenant of all"));
        match self {
            Self::Simple | Self::OwnTypes | Self::Removed => email().into(),
            Self::TenantUser => Subject::complex([tenant, ("user", email())]).unwrap(),
            Self::FourMembers => {
                let device = ("device", opaque(&format!("device-{number}")));
                let application = ("application", opaque(&format!("application-{number}")));
                let user = ("user", opaque("the user of all"));
                Subject::complex([tenant, user, device, application]).unwrap()
            }
        }
    }
}

impl World {
    /// Streams that each list as many subjects of their own as the others; beside them subjects
    /// that events are about, one for each ten streams, or for each twenty of which ten removed it.
    fn new(kind: Kind, size: Size) -> Self {
        let store = Arc::new(MemoryStore::new());
        let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("2026-11").unwrap());
        let wanted = match kind {
            Kind::Removed => size.streams / INTERESTED / 2,
            _ => size.streams / INTERESTED,
        };
        let mut config = Config::default();
        config.default_subjects = kind.default_subjects();
        let transmitter =
            Transmitter::builder(issuer(), Arc::clone(&store), LocalKeys::new(key.unwrap()))
                .with_config(config)
                .with_supported_events(Types { kind, wanted })
                .build()
                .unwrap();
        let streams: Vec<_> = (0..size.streams).map(|n| create(&transmitter, n)).collect();
        let list = |stream: usize, subject: usize| {
            let (id, caller) = &streams[stream];
            let request = SubjectRequest::new(id.clone(), kind.subject(subject));
            let receivers = transmitter.receivers();
            match kind {
                Kind::Removed => block_on(receivers.remove_subject(caller, request)).unwrap(),
                _ => block_on(receivers.add_subject(caller, request)).unwrap(),
            }
        };
        for subject in 0..wanted {
            (0..INTERESTED).for_each(|nth| list(subject + nth * wanted, subject));
        }
        for subject in wanted..size.subjects {
            list(subject % size.streams, subject);
        }
        let owners = streams.into_iter().map(|(id, caller)| (id, caller.owner)).collect();
        Self { store, transmitter, owners, kind, wanted, random: Random(7) }
    }

    /// How long that many emissions take.
    fn time(&mut self, events: Events, times: usize) -> Duration {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            let number = match events {
                Events::OneSubject => 0,
                Events::AnySubject => self.random.below(self.wanted),
            };
            let event = Event::new(self.kind.event_type(number), self.kind.subject(number));
            took += self.emit(event);
        }
        took
    }

    /// How long one emission takes. What it stored is settled again, untimed, so that all find
    /// streams without a backlog.
    fn emit(&self, event: Event) -> Duration {
        let start = Instant::now();
        let emission = block_on(self.transmitter.emit(event)).unwrap();
        let took = start.elapsed();
        self.settle(&emission);
        took
    }

    fn settle(&self, emission: &Emission) {
        assert_eq!(emission.sets.len(), INTERESTED);
        for set in &emission.sets {
            let (stream, owner) = self.owners.get_key_value(&set.stream_id).unwrap();
            let mut acknowledgement = Acknowledgement::default();
            acknowledgement.acks.push(set.jti.clone());
            block_on(self.store.acknowledge(&issuer(), owner, stream, acknowledgement)).unwrap();
        }
    }
}

fn issuer() -> Issuer {
    Issuer::parse("https://tr.example.com").unwrap()
}

/// What a stream delivers: the type of events about one subject, and maybe others.
#[derive(Debug)]
struct Types {
    kind: Kind,
    wanted: usize,
}

impl SupportedEvents for Types {
    fn supported_for(&self, owner: &Owner) -> Vec<EventType> {
        let number = owner.client.as_str().strip_prefix("client-").unwrap();
        let number = number.parse::<usize>().unwrap();
        let mut delivered = vec![self.kind.event_type(number % self.wanted)];
        if let Kind::OwnTypes = self.kind {
            let others = (0..20).filter(|bit| number >> bit & 1 == 1);
            let other = |bit| EventType::parse(format!("urn:example:other:{bit}")).unwrap();
            delivered.extend(others.map(other));
        }
        delivered
    }
}

/// A push stream of a receiver of its own.
fn create(transmitter: &Transmitter, number: usize) -> (StreamId, Caller) {
    let client = ClientId::parse(format!("client-{number}")).unwrap();
    let owner = Owner::new(TenantId::parse("t1").unwrap(), client);
    let audience = Audience::parse(format!("https://rp-{number}.example.net")).unwrap();
    let caller = Caller::new(owner, audience, []);
    let endpoint = EndpointUrl::parse(&format!("https://rp-{number}.example.net/events")).unwrap();
    let push = RequestedDelivery::Push(PushDelivery::new(endpoint, None));
    let receivers = transmitter.receivers();
    let created = block_on(receivers.create_stream(&caller, CreateStream::new(push))).unwrap();
    (created.stream_id, caller)
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
