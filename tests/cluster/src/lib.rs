//! A PostgreSQL server for tests, and a harness that says so when there is none.
//!
//! The server is that of `SSF_TEST_POSTGRES_URL`; else a private one is started from the programs of
//! this machine, in a temporary folder that is removed when the tests end, however they end. With
//! neither, cases are reported as ignored, with the reason.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot begin has failed")]

mod harness;
mod private;
mod proxy;

use std::env;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use self::private::Programs;

pub use self::harness::{Case, Cases};
pub use self::private::Private;
pub use self::proxy::{Line, Proxy};

/// Names a server that tests may make schemas on.
pub const URL: &str = "SSF_TEST_POSTGRES_URL";

/// A server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Server {
    /// It was there.
    Given(String),
    /// It was started for the tests.
    Private(Private),
}

/// Why there is no server.
pub const NOWHERE: &str = "no PostgreSQL: SSF_TEST_POSTGRES_URL is not set, no initdb is found";

/// Where a server can be had.
#[derive(Debug)]
pub(crate) enum Source {
    Given(String),
    Programs(Programs),
}

impl Source {
    /// The first there is.
    pub(crate) fn find() -> Option<Self> {
        let given = env::var(URL).ok().filter(|url| !url.is_empty());
        given.map(Self::Given).or_else(|| Programs::find().map(Self::Programs))
    }

    pub(crate) fn start(&self) -> Server {
        match self {
            Self::Given(url) => Server::Given(url.clone()),
            Self::Programs(programs) => Server::Private(Private::start(programs)),
        }
    }
}

impl Server {
    /// Finds or starts one; `None` when there is none to be had ([`NOWHERE`]).
    #[must_use]
    pub fn find() -> Option<Self> {
        Some(Source::find()?.start())
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Given(url) => url,
            Self::Private(server) => server.url(),
        }
    }

    /// The name of a schema that nobody has.
    #[must_use]
    pub fn new_schema(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        format!("ssf_test_{}_{count}", std::process::id())
    }

    /// The URL of a schema, which is made: whoever names no schema works in that.
    pub async fn url_in(&self, schema: &str) -> String {
        let mut connection = PgConnection::connect(self.url()).await.unwrap();
        let create = format!("CREATE SCHEMA \"{schema}\"");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        let mut url = Url::parse(self.url()).unwrap();
        url.query_pairs_mut().append_pair("options[search_path]", schema);
        url.into()
    }

    /// Removes a schema and all that is in it.
    pub async fn drop_schema(&self, schema: &str) {
        let mut connection = PgConnection::connect(self.url()).await.unwrap();
        let drop = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }
}
