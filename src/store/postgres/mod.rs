//! The store in a PostgreSQL database, for any number of processes.
//!
//! The calls are those of [`SqlStore`]; here is how a database is reached, how processes hear of
//! each other (`listen`), and how their clocks are compared (`clock`).

mod clock;
mod listen;
mod options;
mod session;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use self::clock::ClockWatch;
use self::listen::{Ears, Wakes};
use self::session::{Limits, PgSession};
use super::sql::{
    Access, Database, Dialect, Pooled, Session, SqlStore, Statements, Transaction, apply, check,
    fault,
};
use super::{Change, ChangeMark, StoreError};
use crate::timestamp::Timestamp;

pub use self::options::{Notifications, PostgresOptions};
pub use super::sql::{HostOutbox, Migration, NotAnSqlName, OpenError, SchemaError, SqlName};

/// A store in a PostgreSQL database (13 or later), which any number of transmitter processes share.
///
/// ```no_run
/// use ssf_transmitter::store::postgres::{PostgresOptions, PostgresStore};
///
/// # async fn open() -> Result<(), ssf_transmitter::store::postgres::OpenError> {
/// let url = "postgres://transmitter@db.example.com/security?sslmode=verify-full";
/// let store = PostgresStore::open(url, PostgresOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
pub type PostgresStore = SqlStore<Postgres>;

/// A PostgreSQL database.
pub struct Postgres {
    pool: PgPool,
    statements: Statements,
    limits: Limits,
    clock: Option<ClockWatch>,
    wakes: Wakes,
    _ears: Option<Ears>,
}

impl PostgresStore {
    /// Opens the database that a URL names: `postgres://user:password@host:port/database`. TLS as
    /// its parameter `sslmode` says: `verify-full` checks the server's certificate against the
    /// system's roots or those of `sslrootcert`.
    ///
    /// # Errors
    ///
    /// [`OpenError::Url`]; [`OpenError::Database`] when it cannot be reached;
    /// [`OpenError::Schema`] when a newer library made its tables, or migrations are missing that it
    /// may not make.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, OpenError> {
        let connect = connect_options(url)?;
        let pool = PoolOptions::new()
            .max_connections(options.connections)
            .acquire_timeout(options.patience)
            // A connection that was used a moment ago is there still.
            .test_before_acquire(false)
            .before_acquire(|connection: &mut PgConnection, was| {
                Box::pin(async move {
                    if was.idle_for.as_millis() > 1_000 {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            });
        let pool = pool.connect_with(connect).await.map_err(fault)?;
        Self::over(pool, options).await
    }

    /// The store in the database of a pool that the host has. The number of its connections and
    /// how long a call waits for one are the pool's.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn over(pool: PgPool, options: PostgresOptions) -> Result<Self, OpenError> {
        let channel = options.channel();
        let wakes = Wakes::new();
        let mut database = Postgres {
            statements: Statements::new(
                Dialect::Postgres,
                options.schema.as_ref(),
                &options.prefix,
            ),
            limits: Limits::new(&options, channel.clone()),
            clock: options.clock_difference.map(ClockWatch::new),
            wakes,
            _ears: None,
            pool,
        };
        database.prepare(&options, &channel).await?;
        if options.notifications == Notifications::On {
            let connect = match &options.listen_url {
                Some(url) => connect_options(url.expose())?,
                None => database.pool.connect_options().as_ref().clone(),
            };
            let pool = database.pool.clone();
            database._ears = Some(Ears::open(connect, pool, channel, &database.wakes));
        }
        Ok(Self::new(database))
    }

    /// An outbox in a transaction of the host's own on the same database, for
    /// [`Transmitter::emit_in`](crate::Transmitter::emit_in): what is emitted is accepted when that
    /// transaction commits, and leaves no trace when it rolls back. Once it has committed, call
    /// [`Transmitter::wake`](crate::Transmitter::wake), or the next look of a worker finds it. An
    /// emission only inserts: it waits for nothing but another under the same idempotency key.
    pub fn within<'a>(&'a self, connection: &'a mut PgConnection) -> HostOutbox<'a> {
        let session = PgSession::new(connection, &self.database.statements, &self.database.limits);
        HostOutbox::new(Box::new(session), self.fan_out)
    }

    /// How far the clock of the database was ahead of this process's when they were last compared,
    /// in milliseconds.
    #[must_use]
    pub fn clock_gap(&self) -> Option<i64> {
        self.database.clock.as_ref().and_then(ClockWatch::gap)
    }

    /// Whether this process hears at once what others emit. If not, it looks at an interval.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.database.wakes.are_alive()
    }

    /// Ends what is under way and closes all connections, those of the host's pool too.
    pub async fn close(self) {
        drop(self.database._ears);
        self.database.pool.close().await;
    }
}

fn connect_options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url).map_err(|error| OpenError::Url(error.into()))?;
    // A pooler that keeps no prepared statements is told so in the URL.
    let said = url.contains("statement-cache-capacity");
    let options = if said { options } else { options.statement_cache_capacity(512) };
    Ok(options.disable_statement_logging())
}

impl Postgres {
    /// Sees to the schema.
    async fn prepare(&self, options: &PostgresOptions, channel: &str) -> Result<(), OpenError> {
        let fits = check(&mut *self.begin(Access::Read).await?).await?;
        match (options.migration, fits) {
            (Migration::Apply, Err(SchemaError::Missing { .. })) => {
                if let Some(schema) = &options.schema {
                    self.create_schema(schema).await?;
                }
                Ok(apply(self.begin(Access::Write).await?, channel).await??)
            }
            (Migration::Apply | Migration::Check, fits) => Ok(fits?),
        }
    }

    async fn create_schema(&self, schema: &SqlName) -> Result<(), StoreError> {
        let schema = format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", schema.as_str());
        let created = sqlx::raw_sql(AssertSqlSafe(schema)).execute(&self.pool).await;
        match created.map_err(fault) {
            // Another process was faster, between our look and our act.
            Ok(_) | Err(StoreError::IdTaken) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Database for Postgres {
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>, StoreError> {
        let connection = Pooled::new(self.pool.acquire().await.map_err(fault)?);
        let mut transaction = PgSession::new(connection, &self.statements, &self.limits);
        transaction.begin(access).await?;
        Ok(Box::new(transaction))
    }

    async fn check_clock(
        &self,
        now: Timestamp,
        session: &mut dyn Session,
    ) -> Result<(), StoreError> {
        match &self.clock {
            Some(clock) => clock.check(now, session).await,
            None => Ok(()),
        }
    }

    fn change_mark(&self) -> ChangeMark {
        self.wakes.mark()
    }

    async fn wait_for_change(&self, since: ChangeMark) -> Change {
        self.wakes.wait(since).await
    }
}

impl fmt::Debug for Postgres {
    /// Says nothing of the contents, nor of how to get at them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}
