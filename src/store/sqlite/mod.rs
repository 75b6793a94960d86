//! The store in an SQLite file, for one process.
//!
//! The calls are those of [`SqlStore`]; here is how the file is opened and locked.

mod lock;
mod session;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use self::lock::FileLock;
use self::session::SqliteSession;
use super::sql::{
    Access, Database, Dialect, Pooled, Session, SqlStore, Statements, Transaction, apply, check,
    fault,
};
use super::{Change, ChangeMark, StoreError};
use crate::timestamp::Timestamp;

pub use super::sql::{HostOutbox, Migration, NotAnSqlName, OpenError, SchemaError, SqlName};

/// A store in an SQLite file.
///
/// What a call has committed is on the disk (write-ahead log, `synchronous=FULL`). One transmitter
/// process may have a file open; a second is refused. Other programs may read it meanwhile, and the
/// host may write tables of its own on connections of its own.
///
/// ```no_run
/// use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
///
/// # async fn open() -> Result<(), ssf_transmitter::store::sqlite::OpenError> {
/// let store = SqliteStore::open("transmitter.db", SqliteOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
pub type SqliteStore = SqlStore<Sqlite>;

/// How a file is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// What the names of all tables begin with.
    pub prefix: SqlName,
    /// What happens to the schema.
    pub migration: Migration,
    /// How many calls may read at once.
    pub readers: u32,
    /// How long a call waits for the lock of the file, or for a connection, before it is
    /// [`StoreError::Unavailable`].
    pub patience: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            prefix: SqlName::default(),
            migration: Migration::default(),
            readers: 4,
            patience: Duration::from_secs(5),
        }
    }
}

/// An open SQLite file.
pub struct Sqlite {
    /// Of one connection: SQLite lets one transaction write at a time.
    writer: sqlx::SqlitePool,
    readers: sqlx::SqlitePool,
    statements: Statements,
    _lock: FileLock,
}

impl SqliteStore {
    /// Opens a file, or creates it, for its owner only.
    ///
    /// # Errors
    ///
    /// [`OpenError::InUse`] when a transmitter has it open already, in this process or another;
    /// [`OpenError::Schema`] when a newer library made its tables, or migrations are missing that it
    /// may not make.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, OpenError> {
        let (path, lock) = lock::create(path.as_ref()).map_err(OpenError::File)?;
        let lock = lock.ok_or(OpenError::InUse)?;
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(options.patience)
            .statement_cache_capacity(512)
            .disable_statement_logging();
        let pool = |connections| {
            PoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(options.patience)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let database = Sqlite {
            writer: pool(1).connect_with(connect.clone()).await.map_err(fault)?,
            readers: pool(options.readers).connect_lazy_with(connect),
            statements: Statements::new(Dialect::Sqlite, None, &options.prefix),
            _lock: lock,
        };
        match options.migration {
            Migration::Apply => apply(database.begin(Access::Write).await?, "").await??,
            Migration::Check => check(&mut *database.begin(Access::Read).await?).await??,
        }
        Ok(Self::new(database))
    }

    /// An outbox in a transaction of the host's own, for
    /// [`Transmitter::emit_in`](crate::Transmitter::emit_in): what is emitted is accepted when that
    /// transaction commits, and leaves no trace when it rolls back. Once it has committed, call
    /// [`Transmitter::wake`](crate::Transmitter::wake), or the next look of the worker finds it.
    ///
    /// A host that keeps its tables in the same file opens connections of its own to it. SQLite lets
    /// one transaction write at a time: begin with `BEGIN IMMEDIATE`, set a `busy_timeout`, and do
    /// not call the store or the transmitter otherwise while the transaction is open; they wait for
    /// it, up to [`SqliteOptions::patience`].
    pub fn within<'a>(&'a self, connection: &'a mut SqliteConnection) -> HostOutbox<'a> {
        let session = SqliteSession::new(connection, &self.database.statements);
        HostOutbox::new(Box::new(session), self.fan_out)
    }

    /// Ends what is under way, closes the file and lets another transmitter open it.
    pub async fn close(self) {
        self.database.readers.close().await;
        self.database.writer.close().await;
    }
}

#[async_trait]
impl Database for Sqlite {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>, StoreError> {
        let (pool, begin) = match access {
            Access::Read => (&self.readers, "BEGIN"),
            Access::Write => (&self.writer, "BEGIN IMMEDIATE"),
        };
        let connection = Pooled::new(pool.acquire().await.map_err(fault)?);
        let mut transaction = SqliteSession::new(connection, &self.statements);
        transaction.script(begin).await?;
        Ok(Box::new(transaction))
    }

    /// The clock of a file is that of its only process.
    async fn check_clock(&self, _: Timestamp, _: &mut dyn Session) -> Result<(), StoreError> {
        Ok(())
    }

    fn change_mark(&self) -> ChangeMark {
        ChangeMark::default()
    }

    async fn wait_for_change(&self, _: ChangeMark) -> Change {
        Change::NeverHappens
    }
}

impl fmt::Debug for Sqlite {
    /// Says nothing of the contents: they are other people's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
