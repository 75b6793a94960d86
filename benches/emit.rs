//! What the emission of one event costs when so many streams want it, and what so many others add
//! that do not; beside one ES256 signature. How to run and to read it: `benches/README.md`.

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use criterion::Criterion;
use sqlx::{Connection, PgConnection, Row};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, EventType, Issuer, KeyId, Owner, StreamId, TenantId,
};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery, SubjectRequest};
use ssf_transmitter::store::Acknowledgement;
use ssf_transmitter::stream::{DefaultSubjects, EndpointUrl, PushDelivery};
use ssf_transmitter::{
    Algorithm, Caller, Config, Event, LocalKeys, SigningKey, SimpleSubject, Transmitter,
};
use tokio::runtime::Runtime;

use self::support::{Database, Kind, Place, Result, now, quantile};

/// How many signatures are made in a row: one alone is too short a time.
const SIGNATURES: u32 = 16;

/// How many streams want the event, each beside how many that do not, and how many entries are
/// written to each store.
struct Sizes {
    interested: &'static [usize],
    uninterested: &'static [usize],
    entries: usize,
}

impl Sizes {
    const SMOKE: Self = Self { interested: &[1, 10], uninterested: &[0, 10], entries: 20 };
    const MEMORY: Self = Self {
        interested: &[1, 100, 10_000, 100_000],
        uninterested: &[0, 100, 10_000, 100_000],
        entries: 1_000_000,
    };
    /// Each stream is made on its own, in transactions of its own.
    const DURABLE: Self =
        Self { interested: &[1, 100, 1_000], uninterested: &[0, 1_000], entries: 20_000 };

    const fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Memory => Self::MEMORY,
            Kind::Sqlite | Kind::Postgres(_) => Self::DURABLE,
        }
    }
}

fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let runtime = Runtime::new()?;
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    for kind in runtime.block_on(Kind::all())? {
        let sizes = if test { Sizes::SMOKE } else { Sizes::of(&kind) };
        for &interested in sizes.interested {
            let worlds = runtime.block_on(World::all(&kind, interested, sizes.uninterested))?;
            let turns = (sizes.entries / interested).clamp(5, 1_000);
            let turns = if test { 2 } else { turns };
            runtime.block_on(compare(&kind, &worlds, &key, turns))?;
            if let Kind::Memory = kind {
                time_each(&mut criterion, &runtime, &worlds)?;
            }
            for world in worlds {
                runtime.block_on(world.end())?;
            }
        }
    }
    criterion.final_summary();
    Ok(())
}

/// Prints what an emission takes in each store, in turns; the first has no stream without interest.
async fn compare(kind: &Kind, worlds: &[World], key: &EcdsaKeyPair, turns: usize) -> Result<()> {
    let mut signatures = Vec::new();
    let mut emissions = vec![Vec::new(); worlds.len()];
    let mut written = vec![Vec::new(); worlds.len()];
    for _ in 0..turns {
        signatures.push(signature(key)?);
        for ((world, emissions), written) in worlds.iter().zip(&mut emissions).zip(&mut written) {
            let before = world.written().await?;
            emissions.push(world.emit().await?);
            if let (Some(before), Some(after)) = (before, world.written().await?) {
                written.push(after - before);
            }
        }
    }
    let median = |times: &[Duration]| quantile(times, 0.5).ok_or("nothing was timed");
    let signature = median(&signatures)?;
    let alone = median(emissions.first().ok_or("there is no store")?)?;
    println!("{}: ES256 signature {signature:.1?}", kind.name());
    for ((world, times), written) in worlds.iter().zip(&emissions).zip(&written) {
        let emission = median(times)?;
        let interested = world.interested.len();
        let stream = emission.as_secs_f64() / interested as f64;
        print!(
            "{}: {interested} interested, {} not: {emission:.1?}, for each stream {:.2} us, {:.3} of \
             a signature; {:.2} of the time without the others",
            kind.name(),
            world.uninterested,
            stream * 1e6,
            stream / signature.as_secs_f64(),
            emission.as_secs_f64() / alone.as_secs_f64(),
        );
        match quantile(written, 0.5) {
            Some(bytes) => println!("; {bytes} bytes written"),
            None => println!(),
        }
    }
    Ok(())
}

fn signature(key: &EcdsaKeyPair) -> Result<Duration> {
    let start = now();
    for _ in 0..SIGNATURES {
        black_box(key.sign(&SystemRandom::new(), black_box(&[0; 600]))?);
    }
    Ok(start.elapsed() / SIGNATURES)
}

fn time_each(criterion: &mut Criterion, runtime: &Runtime, worlds: &[World]) -> Result<()> {
    let mut group = criterion.benchmark_group("emit, memory");
    let mut failed = None;
    for world in worlds {
        let name = format!("{} interested, {} not", world.interested.len(), world.uninterested);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                runtime.block_on(world.emit_times(times)).unwrap_or_else(|error| {
                    failed = Some(error);
                    Duration::MAX
                })
            });
        });
    }
    group.finish();
    failed.map_or(Ok(()), Err)
}

/// A store with streams that want the event, and with others.
struct World {
    database: Database,
    transmitter: Transmitter,
    interested: HashMap<StreamId, Owner>,
    uninterested: usize,
}

/// Why a stream wants the event or does not.
#[derive(Clone, Copy)]
enum Interest {
    Interested,
    OtherType,
    OtherSubject,
}

impl World {
    async fn all(kind: &Kind, interested: usize, uninterested: &[usize]) -> Result<Vec<Self>> {
        let mut worlds = Vec::new();
        for &uninterested in uninterested {
            worlds.push(Self::new(kind.open().await?, interested, uninterested).await?);
        }
        Ok(worlds)
    }

    /// Streams begin with no subject and add one. Of those without interest one half has the
    /// subject of the event and delivers another type, the other half the type and not the subject.
    async fn new(database: Database, interested: usize, uninterested: usize) -> Result<Self> {
        let keys = LocalKeys::new(SigningKey::generate(Algorithm::Es256, KeyId::parse("k")?)?);
        let mut config = Config::default();
        config.default_subjects = DefaultSubjects::None;
        let store = database.store.clone();
        let transmitter =
            Transmitter::builder(issuer()?, store, keys).with_config(config).build()?;
        let mut world = Self { database, transmitter, interested: HashMap::new(), uninterested };
        for number in 0..interested {
            let (stream, owner) = world.create(number, Interest::Interested).await?;
            world.interested.insert(stream, owner);
        }
        for number in interested..interested + uninterested {
            let why = [Interest::OtherType, Interest::OtherSubject][number % 2];
            world.create(number, why).await?;
        }
        Ok(world)
    }

    /// A push stream of a receiver of its own.
    async fn create(&self, number: usize, interest: Interest) -> Result<(StreamId, Owner)> {
        let client = ClientId::parse(format!("client-{number}"))?;
        let owner = Owner::new(TenantId::parse("t")?, client);
        let audience = Audience::parse(format!("https://rp-{number}.example.net"))?;
        let caller = Caller::new(owner, audience, []);
        let endpoint = EndpointUrl::parse(&format!("https://rp-{number}.example.net/events"))?;
        let push = RequestedDelivery::Push(PushDelivery::new(endpoint, None));
        let mut request = CreateStream::new(push);
        request.events_requested = Some(vec![match interest {
            Interest::Interested | Interest::OtherSubject => event_type(),
            Interest::OtherType => types::credential_change(),
        }]);
        let subject = match interest {
            Interest::Interested | Interest::OtherType => subject()?,
            Interest::OtherSubject => SimpleSubject::email(format!("user-{number}@example.com"))?,
        };
        let receivers = self.transmitter.receivers();
        let stream = receivers.create_stream(&caller, request).await?.stream_id;
        let subject = SubjectRequest::new(stream.clone(), subject.into());
        receivers.add_subject(&caller, subject).await?;
        Ok((stream, caller.owner))
    }

    /// How long one emission takes.
    async fn emit(&self) -> Result<Duration> {
        let event = Event::new(event_type(), subject()?);
        let start: Instant = now();
        let emission = self.transmitter.emit(event).await?;
        let took = start.elapsed();
        assert_eq!(emission.sets.len(), self.interested.len());
        // In memory all find streams without a backlog; a durable store would take its time.
        if let Place::Memory = self.database.place {
            for set in &emission.sets {
                let owner = &self.interested[&set.stream_id];
                let mut acknowledgement = Acknowledgement::default();
                acknowledgement.acks.push(set.jti.clone());
                let store = &self.database.store;
                store.acknowledge(&issuer()?, owner, &set.stream_id, acknowledgement).await?;
            }
        }
        Ok(took)
    }

    async fn emit_times(&self, times: u64) -> Result<Duration> {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            took += self.emit().await?;
        }
        Ok(took)
    }

    /// How many bytes the store has written so far: into files by this process, as Linux counts
    /// them, or into the server's write-ahead log.
    async fn written(&self) -> Result<Option<u64>> {
        match &self.database.place {
            Place::Memory => Ok(None),
            Place::Folder(_) => {
                let counts = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
                let count = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
                Ok(count.and_then(|count| count.parse().ok()))
            }
            Place::Schema(server, _) => {
                let mut connection = PgConnection::connect(server.url()).await?;
                let select = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
                let bytes: i64 = sqlx::query(select).fetch_one(&mut connection).await?.get(0);
                Ok(u64::try_from(bytes).ok())
            }
        }
    }

    async fn end(self) -> Result<()> {
        drop(self.transmitter);
        self.database.end().await
    }
}

fn issuer() -> Result<Issuer> {
    Ok(Issuer::parse("https://tr.example.com")?)
}

fn event_type() -> EventType {
    types::session_revoked()
}

fn subject() -> Result<SimpleSubject> {
    Ok(SimpleSubject::email("user@example.com")?)
}
