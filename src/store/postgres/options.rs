//! How a PostgreSQL database is used.

use std::time::Duration;

use crate::secret::Secret;
use crate::store::sql::{Migration, SqlName};

/// How a database is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// The schema of the tables; absent: the first of the connection's `search_path`.
    pub schema: Option<SqlName>,
    /// What the names of all tables begin with.
    pub prefix: SqlName,
    /// What happens to the schema.
    pub migration: Migration,
    /// How many connections a store has that is opened by URL.
    pub connections: u32,
    /// How long a call waits for a connection before it is `Unavailable`, in a store that is opened
    /// by URL.
    pub patience: Duration,
    /// How long one statement may take, by the database's clock. One that is not answered five
    /// seconds later either is given up, with its connection.
    pub statement_timeout: Duration,
    /// Whether processes tell each other at once that something was emitted.
    pub notifications: Notifications,
    /// Where to listen, if not where the statements go: a pooler that gives a connection to somebody
    /// else after each transaction lets nobody listen.
    pub listen_url: Option<Secret>,
    /// How far the database's clock and ours may differ before this process claims nothing.
    /// Absent: they are not compared, which is for tests in virtual time.
    pub clock_difference: Option<Duration>,
}

/// Whether processes tell each other at once that something was emitted, by `NOTIFY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notifications {
    /// They do, and listen.
    On,
    /// They do not: each looks at an interval. Commits of emissions need not line up for `NOTIFY`.
    Off,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: None,
            prefix: SqlName::default(),
            migration: Migration::default(),
            connections: 10,
            patience: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            notifications: Notifications::On,
            listen_url: None,
            clock_difference: Some(Duration::from_secs(5)),
        }
    }
}

impl PostgresOptions {
    /// What the processes that share the tables agree on: the name of their channel.
    pub(super) fn channel(&self) -> String {
        let schema = self.schema.as_ref().map_or("", SqlName::as_str);
        format!("ssf {schema}.{}", self.prefix.as_str())
    }
}
