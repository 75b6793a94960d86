//! The stores that benchmarks measure, as a host opens them: nothing is set that makes them less
//! durable, and what is set is printed.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cluster::{NOWHERE, Server};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use ssf_transmitter::MemoryStore;
use ssf_transmitter::store::StreamStore;
use ssf_transmitter::store::postgres::{PostgresOptions, PostgresStore, SqlName};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The kinds of stores there are here.
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Postgres(Arc<Server>),
}

/// A store with nothing in it, and where it keeps what it is given.
pub(crate) struct Database {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) place: Place,
}

pub(crate) enum Place {
    Memory,
    Folder(PathBuf),
    Schema(Arc<Server>, String),
}

impl Kind {
    /// All that can be had. What they set is printed, and what is left out.
    pub(crate) async fn all() -> Result<Vec<Self>> {
        let mut kinds = vec![Self::Memory, Self::Sqlite];
        match Server::find() {
            Some(server) => kinds.push(Self::Postgres(Arc::new(server))),
            None => println!("postgres is left out: {NOWHERE}"),
        }
        for kind in &kinds {
            let database = kind.open().await?;
            println!("{}: {}", kind.name(), database.durability().await?);
            database.end().await?;
        }
        Ok(kinds)
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    pub(crate) async fn open(&self) -> Result<Database> {
        Ok(match self {
            Self::Memory => Database { store: Arc::new(MemoryStore::new()), place: Place::Memory },
            Self::Sqlite => {
                static COUNT: AtomicUsize = AtomicUsize::new(0);
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("ssf-bench-{}-{count}", std::process::id());
                let folder = std::env::temp_dir().join(name);
                std::fs::create_dir_all(&folder)?;
                let file = folder.join("transmitter.db");
                let store = SqliteStore::open(file, SqliteOptions::default()).await?;
                Database { store: Arc::new(store), place: Place::Folder(folder) }
            }
            Self::Postgres(server) => {
                let schema = server.new_schema();
                let mut options = PostgresOptions::default();
                options.schema = Some(SqlName::parse(&schema)?);
                let store = PostgresStore::open(server.url(), options).await?;
                let place = Place::Schema(Arc::clone(server), schema);
                Database { store: Arc::new(store), place }
            }
        })
    }
}

impl Database {
    /// What decides whether that which is committed outlives a power cut.
    async fn durability(&self) -> Result<String> {
        Ok(match &self.place {
            Place::Memory => "nothing outlives the process".to_owned(),
            Place::Folder(folder) => {
                let options = SqliteConnectOptions::new().filename(folder.join("transmitter.db"));
                let mut connection = options.connect().await?;
                let row = sqlx::query("PRAGMA journal_mode").fetch_one(&mut connection).await?;
                let mode: String = row.get(0);
                let folder = std::env::temp_dir();
                format!("journal_mode={mode}, synchronous=FULL (always), in {}", folder.display())
            }
            Place::Schema(server, _) => {
                let mut connection = PgConnection::connect(server.url()).await?;
                let mut set = Vec::new();
                for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                    let show = AssertSqlSafe(format!("SHOW {name}"));
                    let value: String = sqlx::query(show).fetch_one(&mut connection).await?.get(0);
                    set.push(format!("{name}={value}"));
                }
                set.join(", ")
            }
        })
    }

    /// Removes what it holds; the store is of no use any more.
    pub(crate) async fn end(self) -> Result<()> {
        drop(self.store);
        match self.place {
            Place::Memory => {}
            Place::Folder(folder) => std::fs::remove_dir_all(folder)?,
            Place::Schema(server, schema) => server.drop_schema(&schema).await,
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The value that this share of all values is not above: 0.5 for the median.
pub(crate) fn quantile<T: Copy + PartialOrd>(values: &[T], share: f64) -> Option<T> {
    let mut values = values.to_vec();
    values
        .sort_unstable_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    let place = (values.len() as f64 * share) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied()
}
