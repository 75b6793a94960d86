//! The first import of many identities into an SQLite file, beside a bare batched insert of the same
//! rows. How to run and to read it: `benches/README.md`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use serde_json::{Map, Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row, Sqlite};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{IdentityId, Issuer, KeyId};
use ssf_transmitter::lifecycle::{Conditions, Mode, Report};
use ssf_transmitter::monitor::{BATCH, IdentityMonitor};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::{Algorithm, LocalKeys, SigningKey, Transmitter};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How many identities one turn takes.
const TURN: usize = 10 * BATCH;

#[tokio::main]
async fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let wanted = std::env::args().find_map(|argument| argument.parse::<usize>().ok());
    let turns = if test { 1 } else { wanted.unwrap_or(1_000_000).div_ceil(TURN) };
    let folder = std::env::temp_dir().join(format!("ssf-import-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&folder, turns).await;
    std::fs::remove_dir_all(&folder)?;
    let [imported, inserted] = measured?;
    let identities = turns * TURN;
    let rate = |time: Duration| identities as f64 / time.as_secs_f64();
    println!(
        "{identities} identities: imported in {imported:.1?} ({:.0} a second), bare insert in \
         {inserted:.1?} ({:.0} a second), ratio {:.2}; at most {:.1} MiB allocated",
        rate(imported),
        rate(inserted),
        rate(imported) / rate(inserted),
        ALLOCATED.peak_usage_as_mb(),
    );
    Ok(())
}

/// How long the import takes and how long the bare insert, in turns.
async fn measure(folder: &Path, turns: usize) -> Result<[Duration; 2]> {
    let (file, bare) = (folder.join("transmitter.db"), folder.join("bare.db"));
    let monitor = monitor(&file).await?;
    let (mut reader, mut writer) = (connect(file).await?, bare_table(bare).await?);
    let mut import = monitor.import(Mode::Baseline);
    let mut times = [Duration::ZERO; 2];
    for turn in 0..turns {
        let reports: Result<Vec<_>> = (turn * TURN..(turn + 1) * TURN).map(report).collect();
        let start = now();
        for report in reports? {
            import.push(report).await?;
        }
        times[0] += start.elapsed();
        if turn == 0 {
            continue;
        }
        times[1] += insert_bare(&mut reader, &mut writer, turn - 1).await?;
    }
    let start = now();
    import.finish().await?;
    times[0] += start.elapsed();
    times[1] += insert_bare(&mut reader, &mut writer, turns - 1).await?;
    Ok(times)
}

/// A monitor over a new file, with 50 conditions that name 20 attributes.
async fn monitor(file: &Path) -> Result<IdentityMonitor> {
    let store = Arc::new(SqliteStore::open(file, SqliteOptions::default()).await?);
    let keys = LocalKeys::new(SigningKey::generate(Algorithm::Es256, KeyId::parse("k")?)?);
    let issuer = Issuer::parse("https://tr.example.com")?;
    let transmitter = Transmitter::builder(issuer, Arc::clone(&store), keys).build()?;
    let monitor = IdentityMonitor::new(transmitter, store);
    let condition = |n: usize| {
        json!({
            "name": format!("condition {n}"),
            "when": {
                "attribute": format!("attribute-{}", n % 20),
                "enters": {"equals": format!("state {n}")}
            },
            "emit": {
                "event_type": types::session_revoked(),
                "subject": {"format": "opaque", "id": {"$from": "attribute-0"}}
            }
        })
    };
    let conditions: Vec<Value> = (0..50).map(condition).collect();
    let document = json!({"version": 1, "conditions": conditions});
    let conditions = Conditions::parse(&document).map_err(|_| "the conditions are none")?;
    monitor.replace_conditions(0, conditions).await?;
    Ok(monitor)
}

/// An identity with 20 attributes.
fn report(identity: usize) -> Result<Report> {
    let attribute = |n: usize| {
        (format!("attribute-{n}"), Value::from(format!("value {n} of identity {identity}")))
    };
    let attributes: Map<String, Value> = (0..20).map(attribute).collect();
    Ok(Report::new(IdentityId::parse(format!("identity-{identity:08}"))?, attributes))
}

async fn connect(file: PathBuf) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    Ok(options.connect().await?)
}

async fn bare_table(file: PathBuf) -> Result<SqliteConnection> {
    let mut connection = connect(file).await?;
    let create = "CREATE TABLE identities (issuer_no INTEGER NOT NULL, identity TEXT NOT NULL, \
        revision INTEGER NOT NULL, version INTEGER, snapshot TEXT NOT NULL, \
        PRIMARY KEY (issuer_no, identity))";
    sqlx::raw_sql(create).execute(&mut connection).await?;
    Ok(connection)
}

/// Inserts the rows of a turn as fast as is known, as many at a time as the import does.
async fn insert_bare(
    reader: &mut SqliteConnection,
    writer: &mut SqliteConnection,
    turn: usize,
) -> Result<Duration> {
    let mut took = Duration::ZERO;
    for batch in 0..TURN / BATCH {
        let select = "SELECT issuer_no, identity, revision, version, snapshot \
            FROM ssf_identities WHERE issuer_no = 1 AND identity >= $1 ORDER BY identity LIMIT $2";
        let first = format!("identity-{:08}", turn * TURN + batch * BATCH);
        let rows = sqlx::query(select).bind(first).bind(i64::try_from(BATCH)?);
        let rows = rows.fetch_all(&mut *reader).await?;
        let rows: Vec<(i64, String, i64, Option<i64>, String)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
            .collect();
        assert_eq!(rows.len(), BATCH);
        let start = now();
        let mut transaction = writer.begin().await?;
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new("INSERT INTO identities ");
        insert.push_values(&rows, |mut row, (issuer, identity, revision, version, snapshot)| {
            row.push_bind(issuer).push_bind(identity).push_bind(revision);
            row.push_bind(version).push_bind(snapshot);
        });
        insert.build().execute(&mut *transaction).await?;
        transaction.commit().await?;
        took += start.elapsed();
    }
    Ok(took)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}
