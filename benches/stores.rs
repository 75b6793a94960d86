//! What calls of the SQL stores cost when much waits and when little does, in one run; and how much
//! two processes push beside one. How to run and to read it: `benches/README.md`.

#[path = "../tests/support/loaded.rs"]
mod loaded;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cluster::Server;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use ssf_transmitter::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, Issuer, Jti, KeyId, Owner, StreamId, TenantId, WorkerId,
};
use ssf_transmitter::outbox::{BreakerPolicy, Fate, KeptToken};
use ssf_transmitter::store::postgres::{PostgresOptions, PostgresStore, SqlName};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::store::{
    Acknowledgement, ClaimRequest, HandOutRequest, KeepToken, SettleBatch, Settlement, StreamStore,
};
use ssf_transmitter::stream::{
    Delivery, EndpointUrl, PushDelivery, StreamQuota, StreamRecord, StreamStatus,
};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{Algorithm, Config, LocalKeys, SigningKey, TokioClock, Transmitter, Worker};

use self::loaded::{Keys, Load, Tokens};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const NOW: Timestamp = Timestamp::from_seconds(1_000);
/// A body and a token of common size.
const BODY: usize = 400;
const TOKEN: usize = 700;
const BATCH: usize = 32;

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    OneStream,
    ManyStreams,
    OneKey,
    Paused,
    Polled,
}

impl Shape {
    const ALL: [Self; 5] =
        [Self::OneStream, Self::ManyStreams, Self::OneKey, Self::Paused, Self::Polled];

    /// What is loaded when so many wait, and how many streams there are.
    fn loads(self, waiting: u32) -> (u32, Vec<Load>) {
        let load =
            |first, streams, entries, keys, tokens| Load { first, streams, entries, keys, tokens };
        let beside = load(1, 1, 4_000, Keys::Own, Tokens::None);
        match self {
            Self::OneStream => (1, vec![load(0, 1, waiting, Keys::Own, Tokens::None)]),
            Self::ManyStreams => {
                let streams = (waiting / 100).max(1);
                (streams, vec![load(0, streams, waiting, Keys::Own, Tokens::None)])
            }
            Self::OneKey => {
                let behind = (waiting / 10).max(100);
                (2, vec![load(0, 1, behind, Keys::OneRetrying, Tokens::None), beside])
            }
            Self::Paused => (2, vec![load(0, 1, waiting, Keys::Own, Tokens::None), beside]),
            Self::Polled => (1, vec![load(0, 1, waiting, Keys::Own, Tokens::Kept)]),
        }
    }
}

/// A database of one of the two kinds, with a store open on it.
enum Database {
    Sqlite { folder: PathBuf, store: SqliteStore },
    Postgres { server: Arc<Server>, schema: String, store: PostgresStore },
}

impl Database {
    async fn sqlite() -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("ssf-stores-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let store = SqliteStore::open(folder.join("s.db"), SqliteOptions::default()).await?;
        Ok(Self::Sqlite { folder, store })
    }

    async fn postgres(server: &Arc<Server>) -> Result<Self> {
        let (server, schema) = (Arc::clone(server), server.new_schema());
        let store = PostgresStore::open(server.url(), options(&schema)?).await?;
        Ok(Self::Postgres { server, schema, store })
    }

    fn store(&self) -> &dyn StreamStore {
        match self {
            Self::Sqlite { store, .. } => store,
            Self::Postgres { store, .. } => store,
        }
    }

    async fn run(&self, statements: Vec<String>) -> Result<()> {
        match self {
            Self::Sqlite { folder, .. } => {
                let options = SqliteConnectOptions::new().filename(folder.join("s.db"));
                let mut connection = options.connect().await?;
                for statement in statements.into_iter().filter(|s| !s.starts_with("ANALYZE")) {
                    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
                }
            }
            Self::Postgres { server, schema, .. } => {
                let mut connection = connect(server, schema).await?;
                for statement in statements {
                    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
                }
                let tables = ["entries", "queues", "streams", "events"];
                for analyze in tables.map(|table| format!("VACUUM ANALYZE ssf_{table}")) {
                    sqlx::raw_sql(AssertSqlSafe(analyze)).execute(&mut connection).await?;
                }
            }
        }
        Ok(())
    }

    async fn end(self) -> Result<()> {
        match self {
            Self::Sqlite { folder, store } => {
                store.close().await;
                std::fs::remove_dir_all(folder)?;
            }
            Self::Postgres { server, schema, store } => {
                store.close().await;
                server.drop_schema(&schema).await;
            }
        }
        Ok(())
    }
}

fn options(schema: &str) -> Result<PostgresOptions> {
    let mut options = PostgresOptions::default();
    options.schema = Some(SqlName::parse(schema)?);
    options.clock_difference = None;
    Ok(options)
}

async fn connect(server: &Server, schema: &str) -> Result<PgConnection> {
    let mut connection = PgConnection::connect(server.url()).await?;
    let path = format!("SET search_path TO \"{schema}\"");
    sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut connection).await?;
    Ok(connection)
}

fn issuer() -> Result<Issuer> {
    Ok(Issuer::parse("https://tr.example.com")?)
}

fn owner() -> Result<Owner> {
    Ok(Owner::new(TenantId::parse("t")?, ClientId::parse("c")?))
}

/// `s0`, whose likes are made in the database.
fn record(shape: Shape) -> Result<StreamRecord> {
    let audience = Audience::parse("https://rp.example.com")?;
    let endpoint = EndpointUrl::parse("https://rp.example.com/events")?;
    let delivery = match shape {
        Shape::Polled => Delivery::Poll,
        _ => Delivery::Push(PushDelivery::new(endpoint, None)),
    };
    let id = StreamId::parse("s0")?;
    let mut record = StreamRecord::new(issuer()?, owner()?, id, audience, delivery, NOW);
    record.events_delivered = vec![types::session_revoked()];
    Ok(record)
}

async fn load(database: &Database, shape: Shape, waiting: u32) -> Result<()> {
    let (streams, loads) = shape.loads(waiting);
    let record = record(shape)?;
    database.store().create_stream(record.clone(), StreamQuota::new(u32::MAX)).await?;
    let mut statements = if streams > 1 { loaded::streams(streams - 1) } else { Vec::new() };
    if shape == Shape::Paused {
        database.run(statements).await?;
        statements = Vec::new();
        let mut update = ssf_transmitter::store::StreamUpdate::new(record, 1);
        update.record.status = StreamStatus::Paused;
        database.store().update_stream(update).await?;
    }
    for part in loads {
        statements.extend(loaded::entries(&part, &"b".repeat(BODY), &"t".repeat(TOKEN)));
    }
    database.run(statements).await
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// How long each call of one round took.
async fn round(database: &Database, shape: Shape) -> Result<Vec<(&'static str, Duration)>> {
    if shape == Shape::Polled { polled(database).await } else { pushed(database).await }
}

async fn pushed(database: &Database) -> Result<Vec<(&'static str, Duration)>> {
    let (store, issuer) = (database.store(), issuer()?);
    let lease = NOW.after(Duration::from_secs(60));
    let worker = WorkerId::parse("w")?;
    let request = ClaimRequest::new(issuer.clone(), worker, NOW, lease, BATCH, BATCH);
    let began = now();
    let claimed = store.claim(request).await?.entries;
    let claim = began.elapsed();
    assert_eq!(claimed.len(), BATCH);
    let token = KeptToken::new("t".repeat(TOKEN).into(), KeyId::parse("k")?);
    let keep = |entry: &ssf_transmitter::store::Claimed| {
        let stream = entry.route.stream_id.clone();
        KeepToken::new(stream, entry.jti.clone(), entry.fence, token.clone(), NOW)
    };
    let began = now();
    store.keep_tokens(&issuer, claimed.iter().map(keep).collect()).await?;
    let kept = began.elapsed();
    let mut batch = SettleBatch::new(BreakerPolicy::default(), NOW);
    batch.settlements = claimed
        .iter()
        .map(|entry| {
            let stream = entry.route.stream_id.clone();
            let fate = Fate::Delivered { unusual_status: None };
            Settlement::new(stream, entry.jti.clone(), entry.fence, fate)
        })
        .collect();
    let began = now();
    store.settle(&issuer, batch).await?;
    Ok(vec![("claim", claim), ("keep", kept), ("settle", began.elapsed())])
}

async fn polled(database: &Database) -> Result<Vec<(&'static str, Duration)>> {
    let (store, issuer, owner) = (database.store(), issuer()?, owner()?);
    let stream = StreamId::parse("s0")?;
    let request = HandOutRequest::new(BATCH, NOW);
    let began = now();
    let handed = store.hand_out(&issuer, &owner, &stream, request).await?.entries;
    let hand_out = began.elapsed();
    assert_eq!(handed.len(), BATCH);
    let mut acks = Acknowledgement::default();
    acks.acks = handed.iter().map(|entry| entry.jti.clone()).collect::<Vec<Jti>>();
    acks.now = NOW;
    let began = now();
    store.acknowledge(&issuer, &owner, &stream, acks).await?;
    Ok(vec![("hand out", hand_out), ("acknowledge", began.elapsed())])
}

/// Measures little and much in turns, so that what else the machine does falls on both.
async fn compare(
    name: &str,
    [little, much]: [Database; 2],
    shape: Shape,
    waiting: u32,
    rounds: usize,
) -> Result<()> {
    load(&little, shape, 1_000.max(u32::try_from(rounds * BATCH)? * 2)).await?;
    load(&much, shape, waiting).await?;
    let mut times: Vec<(&str, [Vec<Duration>; 2])> = Vec::new();
    for n in 0..rounds {
        for (which, database) in [&little, &much].into_iter().enumerate() {
            for (call, time) in round(database, shape).await? {
                if n < rounds / 4 {
                    continue;
                }
                match times.iter_mut().find(|(known, _)| *known == call) {
                    Some((_, of)) => of[which].push(time),
                    None => {
                        let mut of = [Vec::new(), Vec::new()];
                        of[which].push(time);
                        times.push((call, of));
                    }
                }
            }
        }
    }
    for (call, [mut little, mut much]) in times {
        little.sort_unstable();
        much.sort_unstable();
        let (little, much) = (little[little.len() / 2], much[much.len() / 2]);
        let ratio = much.as_secs_f64() / little.as_secs_f64();
        println!("{name:8} {shape:11?} {call:11} {little:>9.2?} {much:>9.2?} {ratio:>5.2}");
    }
    little.end().await?;
    much.end().await
}

/// A receiver that answers after 20 ms.
#[derive(Clone, Debug, Default)]
struct Slow(Arc<AtomicUsize>);

#[async_trait]
impl Deliverer for Slow {
    async fn deliver(&self, _: PushRequest) -> std::result::Result<PushResponse, DeliverError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(PushResponse::new(202))
    }
}

/// Lets so many processes push so many SETs to 200 streams; says how long it took, and how many
/// transactions a SET cost.
async fn push_all(server: &Arc<Server>, processes: usize, sets: u32) -> Result<(Duration, f64)> {
    let database = Database::postgres(server).await?;
    let Database::Postgres { schema, .. } = &database else { return Err("no server".into()) };
    load(&database, Shape::ManyStreams, 100).await?;
    let tokens = Tokens::None;
    let more = Load { first: 1, streams: 200, entries: sets, keys: Keys::Own, tokens };
    let mut statements = loaded::streams(200);
    statements.extend(loaded::entries(&more, r#"{"iat":1,"txn":"t","events":{}}"#, ""));
    statements.push("DELETE FROM ssf_entries WHERE stream_no = 1".to_owned());
    statements.push("UPDATE ssf_queues SET ordinary_turn = NULL WHERE stream_no = 1".to_owned());
    statements.push("UPDATE ssf_queues SET pace = 1, health = '{\"pace\":1}'".to_owned());
    database.run(statements).await?;
    let receiver = Slow::default();
    let mut config = Config::default();
    // Of these, 16 are for ordinary SETs to streams that answer in time.
    (config.pushes, config.pushes_per_host) = (24, 24);
    let count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let mut connection = connect(server, schema).await?;
    let commits: i64 = sqlx::query(count).fetch_one(&mut connection).await?.get(0);
    let began = now();
    let mut workers = Vec::new();
    for _ in 0..processes {
        let store = Arc::new(PostgresStore::open(server.url(), options(schema)?).await?);
        let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k")?)?;
        let transmitter = Transmitter::builder(issuer()?, store, LocalKeys::new(key))
            .with_clock(TokioClock)
            .with_deliverer(receiver.clone())
            .with_config(config.clone())
            .build()?;
        workers.push(Worker::spawn(transmitter, Duration::from_secs(9), |trouble| {
            eprintln!("{trouble:?}");
        }));
    }
    while receiver.0.load(Ordering::Relaxed) < sets as usize {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = began.elapsed();
    for worker in workers {
        worker.stop().await?;
    }
    assert_eq!(receiver.0.load(Ordering::Relaxed), sets as usize, "no SET twice");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after: i64 = sqlx::query(count).fetch_one(&mut connection).await?.get(0);
    database.end().await?;
    Ok((took, (after - commits) as f64 / f64::from(sets)))
}

#[tokio::main]
async fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let wanted = std::env::args().find_map(|argument| argument.parse::<u32>().ok());
    let (waiting, rounds) = if test { (2_000, 4) } else { (wanted.unwrap_or(1_000_000), 40) };
    let server = Server::find().map(Arc::new);
    println!("{:8} {:11} {:11} {:>9} {waiting:>9} ratio", "store", "waiting", "call", "few");
    for shape in Shape::ALL {
        let pair = [Database::sqlite().await?, Database::sqlite().await?];
        compare("sqlite", pair, shape, waiting, rounds).await?;
        if let Some(server) = &server {
            let pair = [Database::postgres(server).await?, Database::postgres(server).await?];
            compare("postgres", pair, shape, waiting, rounds).await?;
        }
    }
    if let Some(server) = &server {
        let sets = if test { 200 } else { 4_000 };
        let (one, per_set) = push_all(server, 1, sets).await?;
        let (two, per_set_of_two) = push_all(server, 2, sets).await?;
        println!(
            "{sets} SETs: one process {one:.2?} ({per_set:.2} transactions per SET), two {two:.2?} \
             ({per_set_of_two:.2}), ratio {:.2}",
            one.as_secs_f64() / two.as_secs_f64()
        );
    }
    Ok(())
}
