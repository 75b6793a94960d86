//! What the stores in SQL databases share: one implementation over two databases.
//!
//! `faces/` has the calls of the port: each is one transaction around a function of one of the
//! rooms. A room is written once, over [`Session`]; what the databases differ in is in `dialect`.

mod activity;
mod claim;
mod control;
mod dialect;
mod endings;
mod faces;
mod fault;
mod held;
mod identities;
mod intake;
mod interests;
mod issuers;
mod keep;
mod leftovers;
mod letters;
mod look;
mod migrate;
mod names;
mod numbers;
mod open;
mod operator;
mod outbox;
mod polled;
mod pooled;
mod queue;
mod rows;
mod session;
mod settle;
mod streams;
mod subjects;
mod sweep;
mod tenants;
mod value;
mod within;

use std::fmt;

use self::faces::SqlOutbox;
#[cfg(all(test, feature = "sqlite"))]
pub(in crate::store) use self::look::{LOOK, LOOK_SIGNED};
use crate::store::{Outbox, StreamStore};

pub use self::migrate::{Migration, SchemaError};
pub use self::names::{NotAnSqlName, SqlName};
pub use self::open::OpenError;
pub use self::within::HostOutbox;

pub(in crate::store) use self::dialect::Dialect;
pub(in crate::store) use self::fault::fault;
#[cfg(feature = "postgres")]
pub(in crate::store) use self::fault::too_slow;
pub(in crate::store) use self::migrate::{apply, check};
pub(in crate::store) use self::names::Statements;
pub(in crate::store) use self::pooled::{Connected, Pooled};
pub(in crate::store) use self::session::{Access, Database, Session, Transaction};
pub(in crate::store) use self::value::{Row, Value};

/// A store in an SQL database.
pub struct SqlStore<D> {
    pub(in crate::store) database: D,
    /// For how many streams one transaction stores an event.
    pub(in crate::store) fan_out: usize,
}

/// For how many streams one transaction stores an event, unless the host says otherwise.
const FAN_OUT: usize = 10_000;

impl<D> SqlStore<D> {
    pub(in crate::store) const fn new(database: D) -> Self {
        Self { database, fan_out: FAN_OUT }
    }

    /// Lets one transaction store an event for as many streams; 10,000 unless this says otherwise.
    /// An event that more streams want is refused with
    /// [`StoreError::FanOut`](crate::store::StoreError::FanOut): a transaction that inserts very much
    /// holds up others, first of all the host's own.
    #[must_use]
    pub fn with_max_inline_fanout(mut self, most: usize) -> Self {
        self.fan_out = most;
        self
    }
}

impl<D: Database> StreamStore for SqlStore<D> {
    fn outbox(&self) -> Box<dyn Outbox + '_> {
        Box::new(SqlOutbox::new(&self.database, self.fan_out))
    }
}

impl<D> fmt::Debug for SqlStore<D> {
    /// Says nothing of the contents: they are other people's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").finish_non_exhaustive()
    }
}
