//! A connection out of a pool with a transaction begun on it. The transaction is begun and ended by
//! plain statements: what a driver remembers of it would be wrong once a database has ended it by
//! itself, as SQLite does when the disk is full.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::fault::fault;
use crate::store::StoreError;

/// How long it may take to end a transaction that nobody waits for.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Something that statements can be run on.
pub(in crate::store) trait Connected<DB: sqlx::Database>: Send {
    /// The connection.
    fn connection(&mut self) -> Result<&mut DB::Connection, StoreError>;
}

/// A connection that somebody else has begun a transaction on.
impl<DB: sqlx::Database> Connected<DB> for &mut DB::Connection {
    fn connection(&mut self) -> Result<&mut DB::Connection, StoreError> {
        Ok(self)
    }
}

/// A connection with a transaction of ours. Dropped, it is rolled back before the connection is
/// used again.
pub(in crate::store) struct Pooled<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
{
    /// Absent once it is ended.
    connection: Option<PoolConnection<DB>>,
}

impl<DB> Pooled<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
{
    /// To be called before the transaction is begun: one that is dropped while it begins is rolled
    /// back, too.
    pub(in crate::store) fn new(connection: PoolConnection<DB>) -> Self {
        Self { connection: Some(connection) }
    }

    /// The transaction has been committed.
    pub(in crate::store) fn ended(&mut self) {
        drop(self.connection.take());
    }
}

impl<DB> Connected<DB> for Pooled<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
{
    fn connection(&mut self) -> Result<&mut DB::Connection, StoreError> {
        self.connection.as_deref_mut().ok_or_else(|| fault(sqlx::Error::PoolClosed))
    }
}

impl<DB> Drop for Pooled<DB>
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
{
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(roll_back(connection))),
            // Without a runtime nobody can wait for the answer: the database rolls back what was
            // begun on a connection that is closed.
            Err(_) => drop(connection.detach()),
        }
    }
}

/// Rolls back, or closes a connection that cannot.
async fn roll_back<DB>(mut connection: PoolConnection<DB>)
where
    DB: sqlx::Database,
    for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
{
    let rollback = sqlx::raw_sql("ROLLBACK").execute(&mut *connection);
    if !matches!(timeout(END_WITHIN, rollback).await, Ok(Ok(_))) {
        connection.close_on_drop();
    }
}
