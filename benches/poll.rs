//! What it costs to hand out SETs that are signed already, and to take their acknowledgement, a
//! hundred at a time, when much waits and when little does. How to run and to read it:
//! `benches/README.md`.

mod support;

#[path = "../tests/support/loaded.rs"]
#[expect(dead_code, reason = "tests load more")]
mod loaded;

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, ClientId, Issuer, Jti, KeyId, Owner, StreamId, TenantId};
use ssf_transmitter::protocol::{PollRequest, Wait};
use ssf_transmitter::stream::{Delivery, StreamQuota, StreamRecord};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{
    Algorithm, Caller, Event, LocalKeys, SigningKey, SimpleSubject, Transmitter,
};

use self::loaded::{Keys, Load, Tokens};
use self::support::{Database, Kind, Place, Result, now, quantile};

/// How many SETs one poll takes.
const BATCH: usize = 100;
/// A body and a token of common size.
const BODY: usize = 400;
const TOKEN: usize = 700;
/// The key that has signed what was loaded.
const KID: &str = "k";

#[tokio::main]
async fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let wanted = std::env::args().find_map(|argument| argument.parse::<usize>().ok());
    let most = wanted.unwrap_or(1_000_000);
    let fewer = [1_000, 10_000, 100_000].into_iter().filter(|waiting| *waiting < most);
    let (waiting, turns) =
        if test { (vec![200, 400], 2) } else { (fewer.chain([most]).collect(), 40) };
    for kind in Kind::all().await? {
        compare(&kind, &waiting, turns).await?;
    }
    Ok(())
}

/// Prints what hand-out and acknowledgement take with so many waiting, in turns.
async fn compare(kind: &Kind, waiting: &[usize], turns: usize) -> Result<()> {
    let mut worlds = Vec::new();
    for &waiting in waiting {
        worlds.push(World::new(kind.open().await?, waiting, turns).await?);
    }
    let mut hand_outs = vec![Vec::new(); worlds.len()];
    let mut acknowledgements = vec![Vec::new(); worlds.len()];
    for _ in 0..turns {
        for (which, world) in worlds.iter().enumerate() {
            let (hand_out, acknowledgement) = world.turn().await?;
            hand_outs[which].push(hand_out);
            acknowledgements[which].push(acknowledgement);
        }
    }
    let mut least = None;
    for ((waiting, hand_outs), acknowledgements) in
        waiting.iter().zip(&hand_outs).zip(&acknowledgements)
    {
        let median = |times: &[Duration]| quantile(times, 0.5).unwrap_or_default();
        let (hand_out, acknowledgement) = (median(hand_outs), median(acknowledgements));
        let both = (hand_out + acknowledgement).as_secs_f64();
        let least = *least.get_or_insert(both);
        println!(
            "{}: {waiting} waiting: hand-out {hand_out:.1?}, acknowledgement {acknowledgement:.1?}, \
             together {:.2} of the time with the fewest",
            kind.name(),
            both / least,
        );
    }
    for world in worlds {
        world.end().await?;
    }
    Ok(())
}

/// A polled stream that SETs wait for.
struct World {
    database: Database,
    transmitter: Transmitter,
    caller: Caller,
    stream: StreamId,
}

impl World {
    async fn new(database: Database, waiting: usize, turns: usize) -> Result<Self> {
        let keys = LocalKeys::new(SigningKey::generate(Algorithm::Es256, KeyId::parse(KID)?)?);
        let store = Arc::clone(&database.store);
        let transmitter = Transmitter::builder(issuer()?, store, keys).build()?;
        let owner = Owner::new(TenantId::parse("t")?, ClientId::parse("c")?);
        let audience = Audience::parse("https://rp.example.com")?;
        let stream = StreamId::parse("s0")?;
        let mut record = StreamRecord::new(
            issuer()?,
            owner.clone(),
            stream.clone(),
            audience.clone(),
            Delivery::Poll,
            Timestamp::from_seconds(1_000),
        );
        record.events_delivered = vec![types::session_revoked()];
        database.store.create_stream(record, StreamQuota::new(u32::MAX)).await?;
        let world =
            Self { database, transmitter, caller: Caller::new(owner, audience, []), stream };
        match &world.database.place {
            Place::Memory => world.emit(waiting).await?,
            // What turns take away is not emitted again: there is so much more at the beginning.
            Place::Folder(_) | Place::Schema(..) => world.load(waiting + turns * BATCH).await?,
        }
        Ok(world)
    }

    async fn emit(&self, events: usize) -> Result<()> {
        for number in 0..events {
            let subject = SimpleSubject::email(format!("user-{number}@example.com"))?;
            let event = Event::new(types::session_revoked(), subject);
            let emission = self.transmitter.emit(event).await?;
            assert_eq!(emission.sets.len(), 1);
        }
        Ok(())
    }

    /// Lets a database make signed entries: emissions would take hours.
    async fn load(&self, entries: usize) -> Result<()> {
        let entries = u32::try_from(entries)?;
        let load = Load { first: 0, streams: 1, entries, keys: Keys::Own, tokens: Tokens::Kept };
        let statements = loaded::entries(&load, &"b".repeat(BODY), &"t".repeat(TOKEN));
        match &self.database.place {
            Place::Memory => {}
            Place::Folder(folder) => {
                let options = SqliteConnectOptions::new().filename(folder.join("transmitter.db"));
                let mut connection = options.connect().await?;
                for statement in statements {
                    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
                }
            }
            Place::Schema(server, schema) => {
                let mut connection = PgConnection::connect(server.url()).await?;
                let path = format!("SET search_path TO \"{schema}\"");
                let tables = ["entries", "queues", "streams", "events"];
                let analyze = tables.map(|table| format!("VACUUM ANALYZE ssf_{table}"));
                for statement in [path].into_iter().chain(statements).chain(analyze) {
                    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
                }
            }
        }
        Ok(())
    }

    /// How long it takes to hand out the oldest SETs again, and how long to take their
    /// acknowledgement. The first time they are handed out they may have to be signed.
    async fn turn(&self) -> Result<(Duration, Duration)> {
        let first = self.poll(Vec::new(), BATCH).await?;
        let start = now();
        let handed = self.poll(Vec::new(), BATCH).await?;
        let hand_out = start.elapsed();
        assert_eq!(handed.len(), BATCH);
        assert_eq!(handed, first);
        let start = now();
        self.poll(handed, 0).await?;
        let acknowledgement = start.elapsed();
        if let Place::Memory = self.database.place {
            self.emit(BATCH).await?;
        }
        Ok((hand_out, acknowledgement))
    }

    async fn poll(&self, acks: Vec<Jti>, most: usize) -> Result<Vec<Jti>> {
        let mut request = PollRequest::default();
        (request.acks, request.max_events, request.wait) = (acks, Some(most), Wait::Not);
        let receivers = self.transmitter.receivers();
        let reply = receivers.poll(&self.caller, &self.stream, request).await?;
        Ok(reply.sets.into_iter().map(|(jti, _)| jti).collect())
    }

    async fn end(self) -> Result<()> {
        drop(self.transmitter);
        self.database.end().await
    }
}

fn issuer() -> Result<Issuer> {
    Ok(Issuer::parse("https://tr.example.com")?)
}
