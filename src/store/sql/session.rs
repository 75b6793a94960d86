//! One transaction over a database, as the calls of the store see it.

use std::fmt;

use async_trait::async_trait;

use super::dialect::Dialect;
use super::value::{Row, Value};
use crate::store::{Change, ChangeMark, StoreError};
use crate::timestamp::Timestamp;

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Access {
    /// It only reads, and sees one moment.
    Read,
    /// It writes. SQLite lets one in at a time; in PostgreSQL each statement sees what was committed
    /// before it began.
    Write,
}

/// A database that can begin transactions.
#[async_trait]
pub(in crate::store) trait Database: fmt::Debug + Send + Sync + 'static {
    /// Begins a transaction. One that is dropped before it is committed leaves nothing behind.
    async fn begin(&self, access: Access) -> Result<Box<dyn Transaction + '_>, StoreError>;

    /// Refuses the time of a claim that is too far from the clock of the database.
    async fn check_clock(
        &self,
        now: Timestamp,
        session: &mut dyn Session,
    ) -> Result<(), StoreError>;

    /// How far the announcements of all processes have got.
    fn change_mark(&self) -> ChangeMark;

    /// Waits for an announcement since the mark.
    async fn wait_for_change(&self, since: ChangeMark) -> Change;
}

/// Statements, one after the other, on one connection.
///
/// A statement is written for [`Dialect::adapt`]: with `$1` for the first argument, tables named
/// `ssf_…`, and what is in braces. Its columns are numbers, texts and truth values; a sum is a
/// number only as `CAST(sum(…) AS BIGINT)`. What breaks a UNIQUE rule is [`StoreError::IdTaken`].
#[async_trait]
pub(in crate::store) trait Session: Send {
    /// How this database wants its statements.
    fn dialect(&self) -> Dialect;

    /// Runs a statement and returns its rows.
    async fn rows(
        &mut self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement and returns how many rows it changed.
    async fn run(
        &mut self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Result<u64, StoreError>;

    /// Runs several statements without arguments, divided by semicolons.
    async fn script(&mut self, script: &'static str) -> Result<(), StoreError>;

    /// Lets other processes know, when the transaction commits, that something changed that they
    /// may wait for. To say it twice is to say it once.
    async fn announce(&mut self) -> Result<(), StoreError>;
}

/// A session whose statements count together or not at all.
#[async_trait]
pub(in crate::store) trait Transaction: Session {
    /// Makes them count.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
